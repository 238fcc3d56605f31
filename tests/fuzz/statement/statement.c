/* SPDX-License-Identifier: Apache-2.0 */
/* An in-toto statement. One that is about the image has the image's digest in it. */
#include "signing/statement_int.h"

#define IMAGE "5b1759ab4239765ee2fd9f68422073d19edae996e0c33df2382190a81e0f9a95"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl json = {(const char *)data, size};
    struct verify_refusal no = {0};
    struct pg_err err = {0};
    struct digest image;
    struct statement s;
    struct pg_arena arena;

    PG_CHECK(digest_parse(SL("sha256:" IMAGE), &image, &err) == 0);
    pg_arena_init(&arena, (size_t)4 << 20);
    if (statement_read(json, &image, &arena, &s, &no) == 0) {
        PG_CHECK(s.predicate_type.n > 0);
        /* some of its digits at least: the others may be escaped */
        PG_CHECK(memchr(json.p, 'u', json.n) != NULL ||
                 memmem(json.p, json.n, IMAGE, sizeof(IMAGE) - 1) != NULL);
        json_decref(s.annotations);
    }
    pg_err_clear(&no.err);
    pg_arena_free(&arena);
    return 0;
}
