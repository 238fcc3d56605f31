/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list_tags - GET of /v2/<name>/tags/list.
 *
 *     lookup --(a list not older than tags.ttl)--> page
 *       |                                           ^
 *       +--> walk --> walked --(or a stale list)----+
 *                       |                           |
 *                       +--(nor that)--> own --> owned
 *
 * Upstream's whole list is fetched, sorted and kept in memory; pages (n, last) are made of it, with
 * a Link of our own, so that none is lost or given twice whatever upstream's order is. n=0 is an
 * empty list. Without n a page has ROUTE_PAGE_MAX tags. When upstream does not answer, a list not
 * older than tags.max_stale is used and marked as stale; where there is none, as after a restart,
 * it is made of those tags in the store that may still be served, if there are any.
 */
#pragma once

#include "proxy/journey/journey.h"

extern const struct rq_stage list_tags_first;
