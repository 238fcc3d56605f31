/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are an SBOM, or are refused with what is wrong; its package URLs are read, too. */
#include "scan/sbom.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pg_arena arena;
    struct pg_err err = {0};
    struct sbom s;

    pg_arena_init(&arena, SBOM_ARENA_BYTES);
    if (sbom_read((struct sl){(const char *)data, size}, &arena, &s, &err) < 0) {
        PG_CHECK(err.msg != NULL);
    } else {
        size_t n = 0;
        for (size_t i = 0; i < s.npackages; i++) {
            PG_CHECK(s.packages[i].name.n > 0);
            PG_CHECK(s.packages[i].version.n + s.packages[i].purl.n > 0);
            n += s.packages[i].is_of_system;
        }
        PG_CHECK(n == s.nof_system);
    }
    pg_err_clear(&err);
    pg_arena_free(&arena);
    return 0;
}
