/* SPDX-License-Identifier: Apache-2.0 */
/*
 * extent - which bytes of a blob are in its file, and which are coming, when they come over several
 * connections.
 *
 *     0               disk            have     until   [ lane )   island   [ lane )        size
 *     |################|::::::::::::::::|.......|       |:::...|  |#####|   |::....|         |
 *      written, in order  of the first, in order         of others, each within its own run
 *
 * The *first* connection brings the lowest bytes that are missing; it is not in here but for where
 * it asks. Each *lane* has a run of at most ->segment bytes somewhere beyond. What is written
 * and does not adjoin `disk` yet is an *island*. Nothing begins more than EXTENT_WINDOW segments
 * beyond disk. A lane that is closed keeps what it accepted and gives back the rest; while some of
 * that is not written yet, it is *closing*.
 *
 * Threads: pure; the fill's owner.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define EXTENT_LANES         3
#define EXTENT_ISLANDS       16
#define EXTENT_SEGMENT_BYTES ((uint64_t)8 * 1024 * 1024)
#define EXTENT_WINDOW        8

struct extent_run {
    uint64_t from, end;
};

enum extent_state { EXTENT_FREE, EXTENT_OPEN, EXTENT_CLOSING };

struct extent_lane {
    enum extent_state state;
    uint64_t from, at, end; /* [from, at) was accepted */
};

struct extent {
    uint64_t segment; /* EXTENT_SEGMENT_BYTES */
    uint64_t disk;
    struct extent_run islands[EXTENT_ISLANDS]; /* in order; they do not touch */
    unsigned nislands;
    struct extent_lane lanes[EXTENT_LANES];
};

/* These bytes are in the file. */
void extent_written(struct extent *e, uint64_t from, uint64_t end);

/* The first byte from `at` on that is neither here nor accepted by a lane that is closed. */
uint64_t extent_skip(const struct extent *e, uint64_t at);

/* The open lane whose run that byte is in; -1: none. */
int extent_lane_at(const struct extent *e, uint64_t at);

/* Where the first run that is here or taken begins after `at`, but not after max. */
uint64_t extent_next(const struct extent *e, uint64_t at, uint64_t max);

/* The first run from `at` on for a new lane. False: there is none, within the window. */
bool extent_gap(const struct extent *e, uint64_t at, uint64_t size, struct extent_run *run_r);
