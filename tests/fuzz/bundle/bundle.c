/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle, against the trust and the artifact of the fixtures, without anybody to ask about
 * timestamps. What is accepted is signed by whom the fixtures are, and logged.
 */
#include <string.h>

#include "harness/signing_world.h"
#include "signing/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sl artifact;
    struct trust *trust = signing_world_trust();
    struct verify_subject subject;
    struct verify_evidence evidence = {.format = VERIFY_BUNDLE,
                                       .bytes = {(const char *)data, size}};
    struct verify_options options = {.now_s = 1};
    struct verify_question q = {&subject, &evidence, trust, &options};
    struct verify_refusal no = {0};
    struct verify_fact fact;
    struct pg_arena arena;

    if (artifact.p == NULL)
        artifact = signing_world_file("artifact");
    subject = (struct verify_subject){digest_of(PG_SHA256, artifact), artifact, SL("")};
    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
    if (verify_evidence(&q, &arena, &fact, &no) == 1) {
        PG_CHECK(fact.signer == VERIFY_BY_IDENTITY && fact.identity.issuer.n > 0);
        PG_CHECK(fact.nlogs >= 1 && fact.nstamps == 0 && fact.signed_at_s > 0);
        json_decref(fact.annotations);
    } else {
        PG_CHECK(no.err.msg != NULL && no.err.msg[0] != '\0');
    }
    PG_CHECK(!arena.over);
    pg_err_clear(&no.err);
    pg_arena_free(&arena);
    return 0;
}
