/* SPDX-License-Identifier: Apache-2.0 */
/* convert_int - what is shared by those who read one kind of policy each; private to the room. */
#pragma once

#include "base/tree.h"
#include "policy/convert.h"
#include "policy/rule.h"

#define CONVERT_ITEMS_MAX    64
#define CONVERT_PATTERNS_MAX 200

/* Authorities of which some have to sign. */
struct convert_group {
    struct sl item[CONVERT_ITEMS_MAX]; /* each as it is written */
    struct sl who[CONVERT_ITEMS_MAX];  /* its beginning: without what else is asked of it */
    size_t n;
    unsigned need; /* 0: each of them */
    bool broken;   /* it can never be fulfilled: the rule denies */
};

struct convert_attestation {
    struct sl type;
    struct convert_group from;
};

/* One rule, before it is written. */
struct convert_rule {
    struct sl name;
    struct sl repositories[CONVERT_PATTERNS_MAX];
    struct sl tags[CONVERT_PATTERNS_MAX]; /* of each; {NULL, 0}: any */
    size_t nrepositories;
    bool observes, allows, denies;
    struct convert_group signature;
    bool has_signature;
    struct convert_attestation attestations[RULE_REQUIREMENTS_MAX];
    size_t nattestations;
};

struct convert {
    const char *file;
    unsigned line0; /* lines before this document */
    struct pg_arena *arena;
    struct pg_buf *out;
    size_t ndropped, nrules;
};

void convert_drop(struct convert *c, struct pg_tree_at at, const char *fmt, ...) PG_PRINTF(3, 4);
void convert_write(struct convert *c, const struct convert_rule *r);

/* By path, "spec/images"; NULL when it is not there. */
const struct pg_tree *convert_at(const struct pg_tree *t, const char *path);
struct sl convert_text(const struct pg_tree *t, const char *path); /* {NULL, 0} */
bool convert_is(const struct pg_tree *t, const char *path, const char *text);
/* Says of every key that is not among the words (they end with NULL) that it is not honoured.
 * How many. */
size_t convert_rest(struct convert *c, const struct pg_tree *map, const char *const *words);

/* Authorities, added to a group; false: it cannot be honoured, which is said. */
bool convert_keys(struct convert *c, const struct pg_tree *pem, struct sl more,
                  struct convert_group *g);
bool convert_identity(struct convert *c, const struct pg_tree *t, struct sl more,
                      struct convert_group *g);
/* A pattern for repositories, with a tag perhaps; every_star: "*" crosses parts of a name. */
void convert_pattern(struct convert *c, const struct pg_tree *t, bool every_star,
                     struct convert_rule *r);

struct sl convert_join(struct convert *c, struct sl a, const char *between, struct sl b);

void convert_sigstore_read(struct convert *c, const struct pg_tree *root); /* ClusterImagePolicy */
void convert_kyverno_read(struct convert *c, const struct pg_tree *root);  /* verifyImages */
void convert_kyverno_read_validating(struct convert *c, const struct pg_tree *root);
