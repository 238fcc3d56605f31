/* SPDX-License-Identifier: Apache-2.0 */
/*
 * annotation - what cosign writes beside a signature that it keeps under a tag: the signature, the
 * certificate and the chain above it, what a log promised, a timestamp; each a text in an
 * annotation of the layer. Whatever is there is read strictly; absent and empty are two things.
 *
 * Ownership:  what is decoded is in the arena.
 * Threads:    pure.
 */
#pragma once

#include "signing/proof_int.h"

/* Into a proof that has nothing yet; by_cert says whether there is a certificate. The signature is
 * {NULL, 0} when there is none, as beside an attestation, which has its own. annotations: NULL for
 * none. */
PG_MUST_USE int annotation_read(const json_t *annotations, struct pg_arena *arena, struct proof *p,
                                struct verify_refusal *no);
