/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opa - the part of an Open Policy Agent in a policy: where it is asked, what its answer means. It
 * only tightens: it is asked about what all rules let leave, and what it denies stays.
 *
 *     policy: {default: ..., rules: [...],
 *              opa: {url: http://127.0.0.1:8181, path: pullgate/decision, timeout: 250ms,
 *                    cache: 30s, findings: high, on_error: wait}}
 *
 * Its answer is {"result": {"allow": true, "reasons": ["..."]}}. Anything else that it answers is
 * no: without a result (no document of that name, or no rule that gave one), with an `allow` that
 * is no boolean. That it does not answer is on_error's.
 *
 * Ownership:  settings live in the policy's arena; an opinion in the arena given.
 * Failure:    of reading an answer: none, it is in the opinion.
 * Threads:    any. Pure.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/tree.h"
#include "policy/facts.h"
#include "policy/policy.h"

#define OPA_UNIX         "unix:"
#define OPA_DATA         "/v1/data/"
#define OPA_ANSWER_MAX   ((size_t)1 << 20)
#define OPA_REASONS_MAX  8
#define OPA_REASON_MAX   300
#define OPA_REVISION_MAX 200

struct opa {
    struct pg_tree_at at;
    struct sl url; /* "http://HOST:PORT", "https://HOST", "unix:/PATH": without a path of a URL */
    struct sl path;
    unsigned timeout_ms, cache_ms;
    enum facts_severity least; /* findings below it are only counted */
    bool waits;                /* on_error */
};

struct parse;
/* NULL: it stands nowhere. */
PG_MUST_USE int opa_parse(struct parse *p, const struct pg_tree *root, const struct opa **opa_r);

/* The body of a 200. */
void opa_read(struct sl body, struct pg_arena *arena, struct facts_opinion *o_r);

/* What is denied or waits; of a yes only decision and reason are filled. */
void opa_decide(const struct opa *opa, const struct facts *f, struct pg_arena *arena,
                struct policy_verdict *v_r);

void opa_put(const struct opa *opa, struct pg_buf *out); /* "OPA at URL allows it (PATH)" */
