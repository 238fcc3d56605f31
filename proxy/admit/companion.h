/* SPDX-License-Identifier: Apache-2.0 */
/*
 * companion - is a manifest, by its content, evidence about another one (N03)? Such a manifest
 * leaves with its subject, whoever signed: cosign, notation and oras look for themselves.
 *
 *   - It says which manifest it is about: by `subject`, or by the tag that it was asked for.
 *   - Each of its layers parses as what its type says, and names that manifest (signing/about.h).
 *   - Its config is the empty one, or that which cosign makes of the layers: one that lists other
 *     layers is some image's.
 *   - No descriptor has bytes in it, or says where else they are.
 *
 * So is the list of referrers under the tag of the fallback scheme: an index which names no
 * platforms. What such a list names has no right by it.
 *
 * Threads:    any that may compute for milliseconds; pure.
 */
#pragma once

#include "signing/evidence.h"

/* What its tag says. */
struct companion_claim {
    bool is_there;
    bool is_list; /* "sha256-HEX", without an ending */
    struct digest about;
};

/* The tags of cosign, and of the fallback scheme. */
struct companion_claim companion_claim_of(struct sl tag);
bool companion_claims_are_same(const struct companion_claim *a, const struct companion_claim *b);

/* evidence: what evidence_new_of() led to. True: it is about *about_r. */
bool companion_is(const struct evidence *evidence, struct sl manifest,
                  const struct companion_claim *claim, struct digest *about_r);
