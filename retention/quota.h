/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quota - how much of the store some repositories may take: a namespace, an upstream, all of it.
 *
 *     quotas:
 *       - {repositories: [PATTERN, ...], high: 20GiB, low: 18GiB}
 *       - {repositories: ["**"], high: 90%}                  of the largest size of the store
 *
 * Above high, what was used longest ago is to go until it is below low (a sixteenth below high,
 * unless told): of what no rule keeps, no pin holds and nothing that stays needs. What is shared is
 * counted once.
 *
 * Threads:  one. Pure.
 */
#pragma once

#include "base/reading.h"
#include "retention/plan.h"

PG_MUST_USE int quota_read(struct reading *r, const struct pg_tree *map, struct ruleset *rules);
void quota_put(const struct ruleset *rules, struct pg_buf *out);

/* What a quota wants gone, besides what goes already: sets gone[i], of the plan's row i. used_s:
 * when each was used last; 0: not known, and so not chosen. How many are new. */
size_t quota_choose(const struct ruleset *rules, const struct ruleset_quota *q,
                    const struct plan *p, const int64_t *used_s, bool *gone);
