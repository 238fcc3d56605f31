/* SPDX-License-Identifier: Apache-2.0 */
/*
 * referrers - GET of /v2/<name>/referrers/<digest> (distribution-spec 1.1, "Listing referrers").
 *
 *     ask --> asked --(404)--> the tag <alg>-<hex> --> tagged --+
 *               |                                     | (404)   |
 *               +-------------------------------------+---------+--> an index, perhaps empty
 *
 * The list is made anew from the descriptors: what is none is left out, and so are members that
 * carry content or point elsewhere (`data`, `urls`). artifactType filters here, whatever upstream
 * did. Upstream is asked each time.
 */
#pragma once

#include "proxy/journey/journey.h"

extern const struct rq_stage referrers_first;
