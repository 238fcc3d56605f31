/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay - `policy replay`: a policy over the requests that the audit log has, as of their time:
 * what would have been decided otherwise, and how many images, requests and callers that would have
 * met.
 *
 *     audit log --> decision of a manifest --> the gate, with this policy   --+--> a change, or not
 *                                          +-> the gate, with that in force --+
 *
 * Both are asked about what the store has of it now, so that what has changed since then (a
 * signature that came, a revocation) is not laid to the policy: a change is what the new policy
 * says otherwise than the log, and than the policy in force.
 *
 * Ownership:  replay_run() makes and ends it; replay_print reads it.
 * Bounds:     REPLAY_CASES_MAX images by name, REPLAY_CHANGES_MAX changes; more are counted.
 * Threads:    main.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "cli/command.h"
#include "oci/digest.h"

#define REPLAY_CASES_MAX    200000
#define REPLAY_CHANGES_MAX  20000
#define REPLAY_CALLERS_MAX  200000 /* of all changes */
#define REPLAY_CALLERS_TOLD 5      /* of one */

/* What would have been decided otherwise: all requests for one image by one name. */
struct replay_change {
    struct pg_map_node node;
    struct replay_change *next;
    size_t no;
    struct sl repository, tag; /* tag {NULL, 0}: by digest */
    struct digest digest;
    struct sl recorded, verdict, rule, reason, remedy;
    bool
        is_unsure; /* it wants signatures that the policy in force did not: perhaps never fetched */
    uint64_t requests, ncallers;
    int64_t first_ms, last_ms;
    struct sl callers[REPLAY_CALLERS_TOLD];
};

struct replay {
    const struct command_args *args;
    struct replay_change *first, *last;
    uint64_t requests, gone; /* decisions of manifests; of those that are not here any more */
    uint64_t otherwise;      /* decided otherwise, by the policy in force as well */
    uint64_t changed;        /* requests of the changes, and of those that found no place */
    uint64_t images, changed_images, changed_callers;
    uint64_t unreadable; /* lines of the log */
    int64_t from_ms;
    bool is_over; /* more than the bounds: counts are at least */
    struct pg_arena arena;
    struct pg_map cases, changes, images_seen, callers_seen;
    size_t nchanges;
};

int replay_run(const struct command_args *args);
