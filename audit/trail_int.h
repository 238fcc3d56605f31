/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trail_int - what trail.c (the queue and its thread), trail_file.c (files of the log, its end
 * and its beginning) and trail_given.c (what a retiring process left) share.
 *
 * Threads: what is under `file` belongs to the thread once it runs; in open and close to main.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "audit/chain.h"
#include "audit/seal.h"
#include "audit/trail.h"
#include "audit/volume.h"
#include "base/mailbox.h"

#define TRAIL_GROUP_MAX   ((size_t)64 << 20)
#define TRAIL_GROUP_BYTES ((size_t)1 << 20) /* written when it is so long */

/* Where the next group goes. */
struct trail_file {
    char *path;
    int dir_fd, fd;
    struct seal *seal;
    struct chain chain;   /* with the group */
    uint64_t seq;         /* with the group */
    uint32_t segment;     /* 0: given-<pid> */
    uint64_t bytes;       /* durable */
    size_t segment_bytes; /* after so many a new one is begun */
    uint64_t sealed;      /* seq of the head that is on disk */
    bool is_damaged;
    struct pg_buf group, json;
};

/* Opens the directory, the key, the last segment; the group has what is to be told about it. */
PG_MUST_USE int trail_file_open(struct trail_file *f, const char *path, struct pg_err *err);
void trail_file_close(struct trail_file *f);

/* Adds to the group. */
void trail_file_put(struct trail_file *f, struct entry *e);
/* Writes the group, and makes it durable; then a new segment is begun if it is time. -1, with a
 * reason in err: the group is still there. */
PG_MUST_USE int trail_file_write(struct trail_file *f, struct pg_err *err);
/* The head as text; and into the file `head`. */
void trail_file_head(struct trail_file *f, struct pg_buf *out);
PG_MUST_USE int trail_file_seal(struct trail_file *f, struct pg_err *err);

/* Removes segments that are too old or too many; says so first, with a write of its own. */
void trail_file_expire(struct trail_file *f, uint64_t keep_ms, uint64_t max_bytes);

/* Goes over to given-<pid>, all written before. -1: the file is made with the next group. */
PG_MUST_USE int trail_given_begin(struct trail_file *f, struct pg_err *err);
PG_MUST_USE int trail_given_create(struct trail_file *f, struct pg_err *err);
/* Entries of given-* whose process has ended go into the log, and the files away; with nothing in
 * the group before. A file of which not all could be written is left, and taken whole again when
 * there is room: entries may be there twice then, but none is missing. How many are left. */
unsigned trail_given_adopt(struct trail_file *f);
