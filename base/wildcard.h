/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wildcard - the patterns of rules, for repositories, tags and values of labels.
 *
 *     *   any characters but /       ghcr.io/acme/ *       (without the blank)
 *     **  any characters             ghcr.io/acme/ **
 *
 * A match costs the product of the two lengths at most. Pure. Threads: any.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#define WILDCARD_MAX       512 /* bytes of a pattern, and of what it is matched with */
#define WILDCARD_STARS_MAX 8

/* DENIED with what is wrong: empty, too long, control characters, more than two stars together. */
PG_MUST_USE int wildcard_check(struct sl pattern, struct pg_err *err);
/* Of the stars alone. */
PG_MUST_USE int wildcard_check_stars(struct sl pattern, struct pg_err *err);
bool wildcard_matches(struct sl pattern, struct sl text);

/* Does `wide` match all that `narrow` does? false may also mean that it is not seen. */
bool wildcard_covers(struct sl wide, struct sl narrow);
/* Each of narrow by one of wide. */
bool wildcard_cover_all(const struct sl *wide, size_t nwide, const struct sl *narrow,
                        size_t nnarrow);
/* Is there a text that both match? true may also mean that a / alone keeps them apart. */
bool wildcard_meets(struct sl a, struct sl b);
