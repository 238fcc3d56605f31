/* SPDX-License-Identifier: Apache-2.0 */
/*
 * referrer_own - what the store can say about a list of referrers. Manifests of this repository
 * that name the subject are added; descriptors are removed whose manifest is in the store and has
 * another subject, or none.
 *
 * Failure: STORE_IO; UPSTREAM_WRONG where the list becomes too long.
 * Threads: any; it reads the index for each descriptor.
 */
#pragma once

#include "cache/store.h"
#include "proxy/journey/referrer_list.h"

/* repo: canonical. */
PG_MUST_USE int referrer_own_merge(struct store *s, struct sl repo, const struct digest *subject,
                                   struct referrer_list *l, struct pg_err *err);
