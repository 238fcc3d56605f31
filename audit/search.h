/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search - the entries of an audit log that are wanted, in the order of the log. Whether the log
 * is as it was written is examine's to say; lines that cannot be read are counted and left out.
 *
 * Ownership:  slices of what is wanted are the caller's.
 * Failure:    STORE_IO: a segment that cannot be read; or each()'s own.
 * Threads:    any, also beside the server: it sees what was written when it reads.
 */
#pragma once

#include "audit/entry.h"

/* What is {NULL, 0} is not asked for. */
struct search_wanted {
    int64_t from_ms, until_ms; /* 0, 0: all; until is not in it */
    struct sl caller;          /* the caller, or the beginning of its address up to a ':' */
    const char *image;         /* pattern with * and ?, of REPOSITORY or REPOSITORY:TAG; or NULL */
    struct sl digest, verdict, rule, act;
};

bool search_matches(const struct search_wanted *w, const struct entry *e);

/* Returns 0 to go on, 1 to stop, -1 with *err. */
typedef int search_each(void *arg, const struct entry *e, struct pg_err *err);

struct search_found {
    uint64_t entries, matched, unreadable;
};

PG_MUST_USE int search_run(int dir_fd, const struct search_wanted *w, search_each *each, void *arg,
                           struct search_found *found_r, struct pg_err *err);
