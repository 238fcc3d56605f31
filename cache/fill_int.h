/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill - what its two halves share: fill.c is the owner's thread, fill_job.c runs in the pools, one
 * job of a fill at a time.
 */
#pragma once

#include <xxhash.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/pool.h"
#include "cache/extent.h"
#include "cache/fill.h"
#include "cache/publish.h"

enum fill_place { IN_STORE, NAMELESS, IN_MEMORY };
enum fill_doing { IDLE, OPENING, REHASHING, WRITING, TRIMMING, DROPPING, PUBLISHING };

/* Bytes in memory, of the blob from `from` on. */
struct fill_half {
    char *p;
    size_t n;
    uint64_t from;
};

struct fill_hashes {
    struct pg_hash *sha256, *sha512; /* the second only for a name that is made with it */
    XXH3_state_t *chunk;             /* of the chunk that `hashed` is in */
    struct pg_buf sums;
};

struct fill_where {
    enum fill_place place;
    struct pg_err why; /* it is not IN_STORE any more */
    uint64_t active;   /* of store->filling.bytes */
    uint64_t promised; /* partial_promise() */
    uint64_t written;  /* bytes in the file, wherever */
    uint64_t top;      /* and there are none behind it */
    uint64_t room;     /* for so many there was room */
    bool marked;       /* partial_mark() */
    uint64_t mark;     /* what it says */
};

struct fill_is {
    bool ready, ending, wrong, dropped, quitting;
    bool failed; /* the disk; the owner knows */
};

/* While a job runs, all from `fd` to `disk_err` is its own; the rest is the owner's, who writes
 * here.disk only between jobs. */
struct fill_work {
    struct fill *fill;
    struct pg_job job;
    struct publish publish;
    enum fill_doing doing;
    int fd, read_fd; /* the second is the flight's once it is ready */
    struct fill_where where;
    uint64_t kept;   /* the prefix that an earlier fill left */
    uint64_t hashed; /* on the disk and in the hashes */
    struct fill_hashes hash;
    uint64_t size;      /* fill->size as of the job's start */
    struct extent here; /* the owner's; a job looks at `disk` */
    struct fill_half writing;
    struct pg_err disk_err; /* how the job failed */

    struct fill_half filling[1 + EXTENT_LANES]; /* the first's, the lanes' */
    unsigned turn;                              /* whose bytes are written next */
    uint64_t told;                              /* committed to the flight */
    struct fill_is is;
    bool has_head, want_room, has_written; /* the last: by the job before */
    struct pg_err why;
};

void fill_job_run(struct pg_job *job);
/* All is hashed; what is left is the sum of the last chunk. */
void fill_job_end_chunks(struct fill_work *w);
void fill_job_forget(struct fill_work *w); /* of the bytes that it counted as under way */
