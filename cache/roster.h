/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roster - everything of one kind that the index has: all manifests, where they are linked, who
 * pulled them. For questions about the whole store.
 *
 * Walks hold a view for some hundred rows at a time: what changes meanwhile is told or not. Rows
 * that are damaged are passed over; fsck tells them.
 *
 * Ownership:  slices of what is told die when each() returns, or with the view.
 * Failure:    STORE_IO.
 * Threads:    any but a loop's. 0.2 to 1 microsecond for a row.
 */
#pragma once

#include <stdatomic.h>

#include "cache/index.h"
#include "cache/store.h"

struct roster_manifest {
    struct digest digest;
    struct index_manifest manifest;
    bool is_damaged; /* then there is no more than the digest */
};

/* The first manifest after that digest (NULL: the first of all). 1, 0: there are no more, -1. */
int roster_next_manifest(struct index_view *v, const struct digest *after,
                         struct roster_manifest *r, struct pg_err *err);

/* Manifests of repositories. */
struct roster_place {
    struct sl repository; /* canonical */
    struct digest digest;
    int64_t first_seen_s;
};
typedef void roster_place_fn(void *arg, const struct roster_place *p);

/* stop: ends it early; may be NULL. */
PG_MUST_USE int roster_places(struct store *s, const atomic_bool *stop, roster_place_fn *each,
                              void *arg, struct pg_err *err);

/* Of the last INDEX_EVENTS_KEPT pulls, the oldest first. */
struct roster_pull {
    int64_t when_s;
    struct sl caller, repository, reference;
    struct digest digest; /* as it was named */
};
typedef void roster_pull_fn(void *arg, const struct roster_pull *p);

PG_MUST_USE int roster_pulls(struct store *s, const atomic_bool *stop, roster_pull_fn *each,
                             void *arg, struct pg_err *err);
