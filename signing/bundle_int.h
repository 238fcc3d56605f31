/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bundle - a Sigstore bundle, v0.1 to v0.3: read strictly, with what its version demands, and then
 * verified as a proof about the subject.
 *
 * Threads:    as proof.
 */
#pragma once

#include "signing/proof_int.h"

struct bundle {
    unsigned version; /* 1 to 3 */
    struct proof proof;
    struct sl message_digest; /* what the bundle says it is about; {NULL, 0}: nothing */
    struct sl statement;      /* of a DSSE bundle; its signature is not checked yet */
};

/* Decoded into the arena. For a message, the proof's message is left to be filled in. */
PG_MUST_USE int bundle_read(struct sl json, struct pg_arena *arena, struct bundle *b_r,
                            struct verify_refusal *no);

PG_MUST_USE int bundle_verify(const struct verify_question *q, struct pg_arena *arena,
                              struct verify_fact *fact, struct verify_refusal *no);
