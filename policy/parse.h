/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse - what a person wrote becomes rules. Nothing is silently ignored: a key that is not known,
 * a name that stands twice, a rule that would match nothing is refused, with its place and with
 * what may stand there.
 *
 * Ownership:  all goes into the policy's arena; the tree may go when it has been read.
 * Failure:    DENIED, "FILE:LINE:COLUMN: ...". The half-made policy is the caller's to free.
 * Threads:    one.
 */
#pragma once

#include "base/reading.h"
#include "policy/policy_int.h"

struct parse {
    struct reading in; /* without an arena: what stays goes to the policy's */
    const struct policy_source *source;
    struct policy *policy;
    const struct pg_tree *authorities; /* named ones, or NULL */
};

PG_MUST_USE int parse_rules(struct parse *p, const struct pg_tree *root);

/* For those who read other forms. A list of texts, not empty; *n_r 0 when it is absent. */
PG_MUST_USE int parse_list(struct parse *p, const struct pg_tree *map, const char *key,
                           const struct pg_tree **first_r, size_t *n_r);
struct sl parse_keep(struct parse *p, struct sl s); /* in the policy's arena */
