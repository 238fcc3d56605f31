/* SPDX-License-Identifier: Apache-2.0 */
/* An envelope of a Notation signature in JSON: refused with a reason, or all of it is there and
 * within its limits. */
#include "signing/jws_int.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct verify_refusal no = {0};
    struct notary_envelope e;
    struct pg_arena arena;

    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
    if (jws_read((struct sl){(const char *)data, size}, &arena, &e, &no) == 0) {
        const char *dot = memchr(e.signed_bytes.p, '.', e.signed_bytes.n);

        PG_CHECK(no.reason == VERIFY_NONE && size <= VERIFY_NOTATION_MAX);
        PG_CHECK(e.alg != NULL && e.ncerts > 0 && e.ncerts <= NOTARY_CERTS_MAX);
        PG_CHECK((e.critical & ~e.present) == 0);
        PG_CHECK(sl_eq(e.content_type, SL(NOTARY_PAYLOAD)));
        PG_CHECK(dot != NULL &&
                 memchr(dot + 1, '.', (size_t)(e.signed_bytes.p + e.signed_bytes.n - dot - 1)) ==
                     NULL);
        for (unsigned i = 0; i < e.ncerts; i++)
            PG_CHECK(e.certs[i].p != NULL && e.certs[i].n <= NOTARY_CERT_MAX);
    } else {
        PG_CHECK(no.reason != VERIFY_NONE && no.err.kind == PG_E_DENIED);
    }
    PG_CHECK(!arena.over);
    pg_err_clear(&no.err);
    pg_arena_free(&arena);
    return 0;
}
