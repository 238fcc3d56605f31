/* SPDX-License-Identifier: Apache-2.0 */
/* policy_int - a policy in its parts; private to the room. */
#pragma once

#include <stdatomic.h>

#include "base/hash.h"
#include "policy/match.h"
#include "policy/rule.h"

struct policy {
    atomic_uint refs;
    struct pg_arena arena;
    bool by_scope;      /* containers-policy.json: the most specific rule alone counts */
    bool allows_rest;   /* what no rule speaks of */
    struct rule *rules; /* by name; their numbers are those of the index */
    size_t nrules;
    struct match_index index;
    struct pg_map scopes;   /* by_scope: what a scope's rule is */
    const struct opa *opa;  /* NULL: nobody is asked */
    struct signer *signers; /* all, to be freed */
    uint8_t revision[32];
};

/* All that was written, in its order. */
void policy_hash_tree(struct pg_hash *h, const struct pg_tree *root);
void policy_hash_signer(struct pg_hash *h, const struct signer *s);

/* The rules whose repositories are f's, whatever their tags; in the arena. */
size_t policy_find(const struct policy *p, const struct facts *f, struct pg_arena *arena,
                   const uint32_t **rules_r);
