/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken for a traceparent of version 00 is written as it was read, but for its flags. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "proxy/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl text = {(const char *)data, size};
    struct trace_context c;
    char out[TRACE_TEXT_MAX];

    if (!trace_read(text, &c)) {
        PG_CHECK(!c.valid);
        return 0;
    }
    PG_CHECK(size >= TRACE_TEXT_MAX - 1);
    trace_write(&c, out);
    PG_CHECK(memcmp(out + 2, data + 2, 51) == 0);
    return 0;
}
