/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_walk - reads a journal's segments from the first record to the last, verifying the
 * chain, with one window of memory however long they are.
 *
 * Threads: any; a walk is one thread's.
 */
#pragma once

#include "cache/journal_record_int.h"

#define JOURNAL_WALK_SEGMENTS_MAX 65536

/* A place in the chain: after the record `seq`. */
struct journal_walk_at {
    uint32_t segment;
    uint64_t size; /* of the segment, up to here */
    uint64_t seq;
    struct journal_record_hash hash;
};

struct journal_walk_segments {
    uint32_t *numbers; /* ascending; freed by journal_walk_segments_free() */
    size_t n;
};
PG_MUST_USE int journal_walk_list(int dir_fd, struct journal_walk_segments *r, struct pg_err *err);
void journal_walk_segments_free(struct journal_walk_segments *s);

#define JOURNAL_WALK_NAME 12
const char *journal_walk_name(uint32_t segment, char out[JOURNAL_WALK_NAME]);

enum journal_walk_end {
    JOURNAL_WALK_WHOLE,   /* to the last byte */
    JOURNAL_WALK_TORN,    /* the last group was not whole: ->at is before what is missing */
    JOURNAL_WALK_BROKEN,  /* ->why says where and how */
    JOURNAL_WALK_STOPPED, /* each() said so, or ->until was reached */
};

struct journal_walk {
    int dir_fd;         /* of the journal */
    journal_each *each; /* may be NULL */
    void *arg;
    uint64_t until; /* stops after this seq */

    struct journal_walk_at at;
    uint64_t records, bytes, torn_bytes;
    char why[160];
};

/* All segments in order. -1 STORE_IO: one could not be read, or each() failed. */
PG_MUST_USE int journal_walk_all(struct journal_walk *w, const struct journal_walk_segments *s,
                                 enum journal_walk_end *end_r, struct pg_err *err);

/* Every record of the segment whose own checksum is right, whatever is between them. */
PG_MUST_USE int journal_walk_salvage(int dir_fd, uint32_t segment, journal_each *each, void *arg,
                                     struct pg_err *err);
