/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are a report, or do not count for a reason. */
#include "harness/any_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    any_report((struct sl){(const char *)data, size});
    return 0;
}
