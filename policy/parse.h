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

#include "base/tree.h"
#include "policy/policy_int.h"

#define PARSE_WORDS_MAX 20

struct parse {
    const char *file;
    const struct policy_source *source;
    struct policy *policy;
    const struct pg_tree *authorities; /* named ones, or NULL */
    struct pg_err *err;
};

PG_MUST_USE int parse_rules(struct parse *p, const struct pg_tree *root);

/* For those who read other forms. words ends with NULL. */
int parse_bad(struct parse *p, struct pg_tree_at at, const char *fmt, ...) PG_PRINTF(3, 4);
int parse_wrap(struct parse *p, struct pg_tree_at at); /* puts the place in front of *p->err */
PG_MUST_USE int parse_keys(struct parse *p, const struct pg_tree *t, const char *what,
                           const char *const *words);
/* The text of a key; absent is not wrong: {NULL, 0}. An empty one is. */
PG_MUST_USE int parse_text(struct parse *p, const struct pg_tree *map, const char *key,
                           struct sl *text_r);
/* A time such as 72h or 30d, of key; absent: *age_s stays. */
PG_MUST_USE int parse_age(struct parse *p, const struct pg_tree *map, const char *key,
                          int64_t *age_s);
/* A list of texts, not empty; *n_r 0 when it is absent. */
PG_MUST_USE int parse_list(struct parse *p, const struct pg_tree *map, const char *key,
                           const struct pg_tree **first_r, size_t *n_r);
struct sl parse_keep(struct parse *p, struct sl s); /* in the policy's arena */
PG_MUST_USE int parse_truth(struct parse *p, const struct pg_tree *map, const char *key,
                            bool *value_r);
