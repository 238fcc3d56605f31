/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tag_walk - asks upstream for one page of tags after the other until there are no more. A machine
 * of its own, as send is: the request waits for it once, whatever the number of pages.
 *
 * More than TAG_WALK_PAGES_MAX of them are UPSTREAM_WRONG; see pager.
 *
 * Ownership:  embedded in its journey; tag_walk_stop() at any time, afterwards done() will not
 *             come. ->list is the walk's reference.
 * Threads:    the loop's.
 */
#pragma once

#include "proxy/journey/journey.h"
#include "proxy/journey/pager.h"
#include "proxy/journey/tag_list.h"

#define TAG_WALK_PAGES_MAX 2000

struct tag_walk {
    struct journey *journey;
    struct fetch_ask *ask;
    struct tag_page *page; /* that came, and is read */
    bool over;
    struct pager pager;
    struct tag_list *list; /* sorted, when it is over and err.kind is NONE */
    int retry_after_s;
    struct pg_err err;
    void (*done)(struct tag_walk *w);
};

void tag_walk_start(struct tag_walk *w, struct journey *j, void (*done)(struct tag_walk *w));
/* The same without asking upstream, also after a walk that failed: of the tags in the store those
 * that may still be served. */
void tag_walk_own(struct tag_walk *w, struct journey *j, void (*done)(struct tag_walk *w));
void tag_walk_stop(struct tag_walk *w); /* idempotent */
