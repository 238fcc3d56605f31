/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding - the evidence of one manifest, verified, in the words of policy: what was signed by
 * whom, and what was refused and why.
 *
 *     finding_new -> finding_look(each item, with each trust that is wanted) -> finding_tell(facts)
 *
 * What one trust cannot verify may be verified with another; refused is what none of them could.
 *
 * Ownership:  the caller's, from new to free. Facts point into it; nothing of what was looked at is
 *             held, which is large.
 * Failure:    none: what cannot be verified is refused.
 * Threads:    confined to one that may compute for milliseconds and wait for a timestamp.
 */
#pragma once

#include "policy/facts.h"
#include "signing/evidence.h"

#define FINDING_STATEMENT_MAX ((size_t)4 << 20) /* of a larger one only its type is kept */
#define FINDING_ARENA_BYTES   ((size_t)64 << 20)

struct finding;

struct finding_question {
    const struct verify_subject *subject;
    struct trust *const *trusts;
    unsigned ntrusts;
    uint64_t wanted; /* bit n: trust n */
    const struct verify_options *options;
};

struct finding *finding_new(void);
void finding_free(struct finding *f); /* NULL is allowed */

void finding_look(struct finding *f, const struct finding_question *q,
                  const struct evidence_item *item);

/* Fills is_signed, nsigned, refused and nrefused. */
void finding_tell(const struct finding *f, struct facts *facts);
size_t finding_memory(const struct finding *f); /* NULL is allowed */
