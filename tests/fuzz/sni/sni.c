/* SPDX-License-Identifier: Apache-2.0 */
/* Any extension holds a printable name of at most 255 bytes inside of it, or none. */
#include <stdint.h>

#include "proxy/http/sni.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl extension = {(const char *)data, size}, name;

    if (sni_parse(extension, &name) == 0) {
        PG_CHECK(name.n > 0 && name.n <= SNI_NAME_MAX);
        PG_CHECK(name.p == extension.p + 5 && name.n <= extension.n - 5);
        for (size_t i = 0; i < name.n; i++)
            PG_CHECK(name.p[i] > ' ' && name.p[i] <= '~');
    }
    return 0;
}
