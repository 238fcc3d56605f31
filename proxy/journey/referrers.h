/* SPDX-License-Identifier: Apache-2.0 */
/*
 * referrers - GET of /v2/<name>/referrers/<digest> (distribution-spec 1.1, "Listing referrers").
 *
 *     lookup --(fresh)---------------------------------------> page
 *       |                                                       ^
 *       +--> walk --> walked --(upstream's, and the store's)----+
 *                       |  |                                    |
 *                       |  +--(upstream down: stale)------------+
 *                       |                                       |
 *                       +--(nor that)--> own --> owned ---------+
 *
 * Upstream is always asked for all of them: one list serves every artifactType, and the filter is
 * ours. As tags, a list is kept for tags.ttl, and for tags.max_stale when upstream does not answer.
 * Where there is none the store says what it has, if it has any: never an empty list because
 * upstream is down.
 */
#pragma once

#include "proxy/journey/journey.h"

#define REFERRERS_PAGE 1000 /* in one answer, unless ?n= says otherwise */

extern const struct rq_stage referrers_first;
