/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer - cosign's signatures and attestations under tags: a layer whose blob is what is signed,
 * and whose annotations say by whom.
 *
 * Threads:    as proof.
 */
#pragma once

#include "signing/proof_int.h"

/* Of .sig: the blob is the payload, its signature is an annotation. */
PG_MUST_USE int layer_verify_simple(const struct verify_question *q, struct pg_arena *arena,
                                    struct verify_fact *fact, struct verify_refusal *no);
/* Of .att: the blob is a DSSE envelope, which has its own. */
PG_MUST_USE int layer_verify_envelope(const struct verify_question *q, struct pg_arena *arena,
                                      struct verify_fact *fact, struct verify_refusal *no);
