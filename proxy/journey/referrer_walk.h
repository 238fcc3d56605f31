/* SPDX-License-Identifier: Apache-2.0 */
/*
 * referrer_walk - asks upstream for all referrers of one manifest, and adds what the store knows.
 * A machine of its own, as send is: the request waits for it once, whatever the number of pages.
 *
 *     api --(page, page, ...)-------------------------+
 *      ^ |                                            v
 *      | +--(there is no such API)--> tag --(index)--> own --> over
 *      |                               | ^             ^
 *      +-------(there is no tag)-------+ |             |
 *              (where the API was not    +-------------+ (neither: the list begins empty)
 *               asked, since a tag was
 *               there before)
 *
 * An upstream that lets us not in has not said that there are none: the walk fails.
 *
 * That an upstream has no API is seen by a 404, 400, 405, 406 or 501, or by an answer that is no
 * index. Where the fallback tag <alg>-<hex> was there instead, that repository's referrers are
 * looked for there first, for REFERRER_WALK_TAG_MS. Not so for all of an upstream's: what it says
 * of one name could then be used to hide the referrers of the others.
 *
 * Ownership:  embedded in its journey; referrer_walk_stop() at any time, afterwards done() will not
 *             come. ->list is the walk's reference.
 * Threads:    the loop's.
 */
#pragma once

#include "proxy/journey/journey.h"
#include "proxy/journey/pager.h"
#include "proxy/journey/referrer_list.h"

#define REFERRER_WALK_PAGES_MAX 200
#define REFERRER_WALK_TAG_MS    (UINT64_C(4) * 3600 * 1000)

struct referrer_walk {
    struct journey *journey;
    struct fetch_ask *ask;
    struct referrer_page *page; /* that came, and is read */
    struct pager pager;
    bool over, asked_api, asked_tag;
    struct referrer_list *list; /* finished, when it is over and err.kind is NONE */
    int retry_after_s;
    struct pg_err err;
    void (*done)(struct referrer_walk *w);
};

void referrer_walk_start(struct referrer_walk *w, struct journey *j,
                         void (*done)(struct referrer_walk *w));
/* The same without asking upstream: what the store knows. Also after a walk that failed. */
void referrer_walk_own(struct referrer_walk *w, struct journey *j,
                       void (*done)(struct referrer_walk *w));
void referrer_walk_stop(struct referrer_walk *w); /* idempotent; also when it was never started */
