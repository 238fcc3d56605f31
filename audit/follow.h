/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow - the entries of an audit log behind a position, in order, for who sends them on while the
 * log is written. The log itself is what waits to be sent: nothing is copied, and it is bounded as
 * the log is.
 *
 *     follow_open(&f, dir_fd, "siem", &err)     where audit/sent-siem says, or with the segment
 *                                               that is written now if nothing is known
 *     while (follow_read(&f, ...) > 0) ...      a batch at a time
 *     p = f.at; ... follow_rewind(&f, &p)       what was not taken comes again
 *     follow_save(&f, &p, &err)
 *
 * A position names the entry that it is behind by its hash. If that is not there any more, since a
 * crash took the end of the log away, its segment is read again from its beginning: entries may
 * come twice, and none is left out. Where segments were removed before they were read, f->missed
 * counts the entries, each once, however often they are met again after follow_rewind().
 *
 * Ownership:  follow_open() to follow_close(); dir_fd is the caller's.
 * Failure:    STORE_IO. A file of a position that makes no sense: all that is there, from its
 *             beginning.
 * Threads:    confined, beside the one that writes.
 */
#pragma once

#include "audit/chain.h"
#include "audit/wire.h"

#define FOLLOW_NAME_MAX 32

struct follow_position {
    uint32_t segment; /* 0: before all that there is */
    uint64_t offset;  /* in its file: behind the entry */
    uint64_t seq;     /* of the entry; 0: not known */
    uint8_t hash[CHAIN_HASH];
};

struct follow {
    int dir_fd, fd; /* fd: of the segment at->segment; -1 */
    struct follow_position at;
    uint64_t missed;     /* entries, removed before they were read */
    uint64_t missed_seq; /* the newest of them; 0: none is missed */
    bool is_checked;     /* at, against the file */
    struct pg_buf chunk;
    char name[FOLLOW_NAME_MAX + 8];
};

PG_MUST_USE int follow_open(struct follow *f, int dir_fd, const char *name, struct pg_err *err);
void follow_close(struct follow *f);

/* Returns false to leave this entry, and what is behind it, to the next call. */
typedef bool follow_each(void *arg, const struct wire_record *r);

/* How many entries it gave; 0: there is nothing yet. -1. */
PG_MUST_USE int follow_read(struct follow *f, follow_each *each, void *arg, struct pg_err *err);
void follow_rewind(struct follow *f, const struct follow_position *to);
PG_MUST_USE int follow_save(struct follow *f, const struct follow_position *p, struct pg_err *err);
