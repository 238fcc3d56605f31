/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain - a decision as a tree: which rules spoke, what each wanted, by whom, what was found and
 * why it counts or not, how old it is, until when it holds; what was refused, what went wrong.
 *
 *     verdict > rule > requirement > authority > fact
 *             > refused, trouble
 *
 * It asks the same functions as policy_decide(): what it says is what is decided.
 *
 * Ownership:  nodes and texts are in the arena, or the policy's or the facts'.
 * Failure:    none. Writing: what does not fit in the buf is not written; look at ->over.
 * Threads:    any. Pure.
 */
#pragma once

#include "base/buf.h"
#include "policy/policy.h"

#define EXPLAIN_DEPTH_MAX 8

enum explain_state { EXPLAIN_HOLDS, EXPLAIN_FAILS, EXPLAIN_WAITS, EXPLAIN_TOLD };

struct explain_node {
    const char *kind; /* "verdict", "rule", "requirement", "authority", "fact", "refused" ... */
    enum explain_state state;
    struct sl name; /* of a rule; the code of a refusal; {NULL, 0}: none */
    struct sl text;
    const struct digest *evidence; /* NULL: none */
    int64_t at_s;                  /* when it was signed; 0: not known */
    int64_t until_s;               /* INT64_MAX: for ever; 0: says nothing */
    struct explain_node *first, *last, *next;
};

const struct explain_node *explain_decision(const struct policy *p, const struct facts *f,
                                            struct pg_arena *arena, struct policy_verdict *v_r);

void explain_put_text(const struct explain_node *root, int64_t now_s, struct pg_buf *out);
void explain_put_json(const struct explain_node *root, struct pg_buf *out);

struct rule;
void explain_put_rule(const struct policy *p, const struct rule *r, struct pg_buf *out);
/* What a policy says, rule by rule, as it was understood. */
void explain_put_policy(const struct policy *p, struct pg_buf *out);
