/* SPDX-License-Identifier: Apache-2.0 */
/* A DSSE envelope. What is signed ends with the payload, and says how long it is. */
#include "signing/envelope_int.h"

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct verify_refusal no = {0};
    struct envelope e = {0};
    struct pg_err err = {0};
    struct pg_arena arena;
    json_t *root = NULL;

    if (pg_json_parse((struct sl){(const char *)data, size}, PG_E_DENIED, &root, &err) < 0) {
        pg_err_clear(&err);
        return 0;
    }
    pg_arena_init(&arena, (size_t)4 << 20);
    if (envelope_read(root, SL(ENVELOPE_IN_TOTO), &arena, &e, &no) == 0) {
        struct sl tail = {e.encoded.p + e.encoded.n - e.payload.n, e.payload.n};

        PG_CHECK(e.signature.n > 0 && e.encoded.n > e.payload.n && sl_eq(tail, e.payload));
        PG_CHECK(sl_starts(e.encoded, SL("DSSEv1 28 application/vnd.in-toto+json ")));
    }
    pg_err_clear(&no.err);
    pg_arena_free(&arena);
    json_decref(root);
    return 0;
}
