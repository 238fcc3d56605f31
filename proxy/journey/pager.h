/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pager - follows the Link of upstream's paged lists. Of a Link only the query is taken, to be
 * asked of the same upstream and repository: wherever it points, nobody else is asked.
 *
 * Failure:  UPSTREAM_WRONG: a page that links to itself, a Link that is none, too many pages.
 * Threads:  pure; any.
 */
#pragma once

#include "base/err.h"
#include "proxy/upstream/fetch.h"

struct pager {
    const char *what; /* "tags", for errors */
    unsigned pages, pages_max;
    size_t nquery;
    char query[FETCH_QUERY_MAX]; /* of the page under way */
};

void pager_init(struct pager *p, const char *what, unsigned pages_max, struct sl first_query);
struct sl pager_query(struct pager *p); /* to be asked now: counts a page */

/* link: of the page that came; {NULL, 0} when it has none. 1: pager_query() is the next; 0: this
 * was the last. */
PG_MUST_USE int pager_next(struct pager *p, struct sl link, struct pg_err *err);
