/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trail - the audit log of a running server: what is appended is written by a thread of its own,
 * in groups, each made durable before the next.
 *
 *     <storage>/audit/   key, key.pub     see seal.h
 *                        00000001.log ... see chain.h and volume.h
 *                        head             the newest signed head, renewed every minute in which
 *                                         something was written, and at the end
 *                        given-<pid>      what a process that retires wrote, until its heir has it
 *
 *     OPEN --hold--> HELD (an heir may open the log) --resume--> OPEN
 *                      |
 *                      +-- until close: entries go to given-<pid>, which the heir adopts
 *
 * trail_append() copies the entry into a queue, never blocks, and is told at once if there is no
 * place in it: the queue is full, or the disk takes nothing. Who must not act without a record does
 * not act then. Entries that were not taken are counted, and the next one that is written says how
 * many are missing. A group that cannot be written is kept and tried again every second.
 *
 * At the start the last segment is read. An entry at its end that is not whole was torn by a crash,
 * is cut off, and that is recorded. Anything else that is not as it was written is no crash's
 * doing: the segment is left as it is, a new one begins with an entry that says what was found, and
 * trail_is_damaged(). Segments older than keep_ms, and the oldest of more than max_bytes, are
 * removed; that is recorded before.
 *
 * Durability: an entry is on disk some milliseconds after it was appended; a crash of the process
 *             or of the machine loses what was appended since the last group.
 * Ownership:  trail_open() to trail_close(). Everything takes NULL for a trail and does nothing.
 * Failure:    open: STORE_IO. Later: counted, logged, told by trail_is_well().
 * Threads:    append, note, is_well, last: any. The rest: main.
 */
#pragma once

#include "audit/entry.h"

struct trail;

struct trail_config {
    const char *path;     /* of the directory; its parent is there, and is ours alone */
    uint64_t keep_ms;     /* 0: for ever */
    uint64_t max_bytes;   /* 0: no limit */
    size_t segment_bytes; /* 0: VOLUME_BYTES */
};

PG_MUST_USE int trail_open(const struct trail_config *config, struct trail **trail_r,
                           struct pg_err *err);
void trail_close(struct trail *t); /* writes what is queued, and a head */

/* seq is given later, and when_ms unless it is set. -1: it was not taken. */
PG_MUST_USE int trail_append(struct trail *t, const struct entry *e, struct pg_err *err);

/* The same, of what goes on anyway. */
void trail_note(struct trail *t, const struct entry *e);

/* May it be counted on that entries are written? */
bool trail_is_well(struct trail *t);
bool trail_is_damaged(const struct trail *t);

/* From now on, or no more: an eventfd that is rung when something was written, or a head signed. At
 * most TRAIL_BELLS_MAX. It waits for the thread. */
#define TRAIL_BELLS_MAX 16
void trail_ring(struct trail *t, int fd);
void trail_unring(struct trail *t, int fd);
/* The number of the newest entry that is durable. */
uint64_t trail_last(const struct trail *t);

void trail_limit(struct trail *t, uint64_t keep_ms, uint64_t max_bytes);

/* An heir is about to open the log, or did not come. Both wait for the thread. */
void trail_hold(struct trail *t);
PG_MUST_USE int trail_resume(struct trail *t, struct pg_err *err);
/* Takes what processes left that have ended. How many still write. */
unsigned trail_adopt(struct trail *t);
