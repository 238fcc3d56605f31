/* SPDX-License-Identifier: Apache-2.0 */
/* digest - what is accepted is what would be written, byte for byte: one name for one content. */
#include "oci/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl text = {(const char *)data, size};
    struct pg_err err = {0};
    struct digest d, again;
    char out[DIGEST_TEXT_MAX];

    if (digest_parse(text, &d, &err) < 0) {
        PG_CHECK(err.kind == PG_E_DIGEST_INVALID);
        pg_err_clear(&err);
        return 0;
    }
    PG_CHECK(digest_looks_like(text));
    PG_CHECK(sl_eq(digest_write(&d, out), text));
    PG_CHECK(digest_parse((struct sl){out, strlen(out)}, &again, &err) == 0);
    PG_CHECK(digest_eq(&d, &again));
    for (size_t i = digest_bytes(&d); i < sizeof(d.bytes); i++)
        PG_CHECK(d.bytes[i] == 0);
    return 0;
}
