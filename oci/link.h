/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link - the Link header with which tag and referrer lists are paged (RFC 8288; distribution-spec
 * 1.1, "Listing tags"). Pure; any thread.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/slice.h"

/* The target of the first link with rel="next". 1 found, 0 none or malformed. */
int link_next(struct sl value, struct sl *target_r);

/* The value of a query parameter in a link target, percent-decoded into the arena. 1, 0. */
int link_query(struct sl target, struct sl key, struct pg_arena *arena, struct sl *value_r);

/* May it be a URL's query as it is? Nothing in it ends a query or a line. */
bool link_is_query(struct sl s);

/* Percent-encodes all but RFC 3986's unreserved characters. In the arena. */
struct sl link_encode(struct pg_arena *arena, struct sl value);
