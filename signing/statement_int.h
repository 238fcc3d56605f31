/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statement - in-toto, v0.1 and v1: a claim about subjects, one of which has to be the image.
 *
 * Ownership:  predicate_type is in the arena; annotations are the caller's to json_decref().
 * Threads:    pure.
 */
#pragma once

#include <jansson.h>

#include "signing/refuse_int.h"

#define STATEMENT_SUBJECTS_MAX 1024
#define STATEMENT_DIGESTS_MAX  32
/* The predicate of cosign's image signatures: the one that makes a statement a signature. */
#define STATEMENT_SIGN "https://sigstore.dev/cosign/sign/v1"

struct statement {
    struct sl predicate_type;
    json_t *annotations; /* texts of the subject that is the image; NULL: none */
};

PG_MUST_USE int statement_read(struct sl json, const struct digest *image, struct pg_arena *arena,
                               struct statement *s_r, struct verify_refusal *no);
/* What it adds to a fact, which takes the annotations. */
void statement_tell(const struct statement *s, struct sl json, struct verify_fact *fact);
