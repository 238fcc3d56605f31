/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate: its identity, its chain to the fixtures' CA at a time, its SCTs. */
#include "harness/signing_world.h"
#include "signing/cert_int.h"
#include "signing/identity_int.h"
#include "signing/sct_int.h"

#define SIGNED_AT 1768478430

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(X509 *leaf, struct pg_arena *arena)
{
    const int64_t at = SIGNED_AT;
    struct trust *trust = signing_world_trust();
    struct verify_refusal no = {0};
    struct verify_identity id = {0};
    X509 *issuer = NULL;
    unsigned nlogs = 0;

    if (identity_read(leaf, arena, &id, &no) == 0) {
        PG_CHECK(id.type != VERIFY_SAN_NONE && id.issuer.n > 0 && id.subject.n > 0);
        PG_CHECK(memchr(id.subject.p, '\0', id.subject.n) == NULL);
    }
    if (cert_chain(trust, leaf, NULL, (struct cert_times){&at, 1}, &issuer, &no) == 0) {
        PG_CHECK(issuer != NULL);
        X509_free(issuer);
    }
    if (sct_verify(trust, leaf, leaf, &nlogs, &no) == 0) /* it is not its own issuer */
        PG_CHECK(nlogs == 0);
    pg_err_clear(&no.err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    X509 *leaf = trust_read_cert((struct sl){(const char *)data, size});
    struct pg_arena arena;

    if (leaf == NULL)
        return 0;
    pg_arena_init(&arena, (size_t)4 << 20);
    look_at(leaf, &arena);
    pg_arena_free(&arena);
    X509_free(leaf);
    return 0;
}
