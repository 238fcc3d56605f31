/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint - what rules do against their own words, and against each other: each finding with its place
 * and what to write in its stead. A file that lints well may still be wrong; one with a finding
 * does what stands there.
 *
 * Threads: any; pure.
 */
#pragma once

#include "base/buf.h"
#include "retention/ruleset.h"

struct lint_finding {
    struct pg_tree_at at;
    const char *what, *remedy; /* they die when each() returns */
};

typedef void lint_each(void *arg, const struct lint_finding *finding);

/* How many. now_s: by which pins have ended. */
size_t lint_rules(const struct ruleset *rules, int64_t now_s, lint_each *each, void *arg);
