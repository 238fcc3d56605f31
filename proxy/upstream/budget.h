/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget - how much an upstream still lets us ask, as its answers say: `RateLimit-Limit` and
 * `-Remaining` ("100;w=21600" at Docker Hub), the same with X- in front, `-Reset`, and whom it
 * counts (`Docker-RateLimit-Source`). No such header is no limit.
 *
 * What is left grows back while nothing is heard: evenly, the whole limit in one window. So an
 * upstream that was not asked any more is asked again in time, and tells how it really is.
 *
 * The less there is, the rarer tags are confirmed that can be served from the store meanwhile:
 *
 *     left of the limit    a tag is confirmed
 *     half and more        each tags.ttl
 *     a quarter to half    each 2 x tags.ttl
 *     a tenth to a quarter each 8 x tags.ttl
 *     less                 not at all, for as long as tags.max_stale allows
 *
 * The last tenth is kept for those who would have to wait for what is not in the store. Where a
 * confirmation is a GET, since upstream has no HEAD, half of what is left counts.
 *
 * Threads: pure; any.
 */
#pragma once

#include "proxy/upstream/head.h"

#define BUDGET_SOURCE_MAX 64
#define BUDGET_WINDOW_S   3600 /* where upstream does not say */
#define BUDGET_RESERVE    0    /* of budget_slowness(): not at all */

struct budget {
    bool known;
    uint64_t limit, left, window_s;
    uint64_t seen_ms;
    char source[BUDGET_SOURCE_MAX]; /* an address or an account's name; printable */
};

/* Of an answer of the upstream itself. False: it says nothing, and *b is as before. */
bool budget_read(struct budget *b, const struct head *h, uint64_t now_ms, int64_t wall_s);

uint64_t budget_left(const struct budget *b, uint64_t now_ms);

/* How many times tags.ttl a tag counts as fresh, or BUDGET_RESERVE. costs_get: see above. */
unsigned budget_slowness(const struct budget *b, bool costs_get, uint64_t now_ms);

/* Is a 429 with this head and this beginning of a body the end of a quota? Else it is what guards
 * a registry against abuse, and is meant for all that we ask. */
bool budget_is_spent(const struct head *h, struct sl body);
