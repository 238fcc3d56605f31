/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload - what cosign signs for an image ("simple signing"): a JSON object that names a
 * manifest's digest, a reference that the signer had for it, and what he says besides.
 *
 * Read as strictly as it is written: these members in this spelling, no others, none twice. A
 * reader that is lax (Go's is) would take "Docker-Manifest-Digest" for the digest.
 *
 * Ownership:  texts are in the arena; annotations are the caller's to json_decref().
 * Threads:    pure.
 */
#pragma once

#include <jansson.h>

#include "signing/refuse_int.h"

#define PAYLOAD_REFERENCE_MAX 4096

struct payload {
    struct digest digest;
    struct sl reference;
    json_t *annotations; /* of `optional`, those that are texts; NULL: none */
};

PG_MUST_USE int payload_read(struct sl json, struct pg_arena *arena, struct payload *p_r,
                             struct verify_refusal *no);
