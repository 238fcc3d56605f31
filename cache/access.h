/* SPDX-License-Identifier: Apache-2.0 */
/*
 * access - whether upstream still lets us read a repository, and when it last said so. What is in
 * the store of a repository that was withdrawn stays there, and is not served before upstream says
 * yes again.
 *
 * In memory for the repositories that are pulled; in the index (a memo under the hash of the
 * repository's name) when that changes, and once in ACCESS_KEPT_S while it does not. Losing it
 * withdraws nothing: a repository of which nothing is known has the age of its links, and is asked
 * about when that is over ACCESS_PROOF_S.
 *
 * Failure:  look: STORE_IO. note: what cannot be written is counted, and in memory all the same.
 * Lock:     one, around its map; innermost; no I/O and no LMDB inside it.
 * Threads:  any; note not on the writer's.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "cache/store.h"

#define ACCESS_PROOF_S   ((int64_t)7 * 86400) /* so old may be the last yes of upstream */
#define ACCESS_KEPT_S    ((int64_t)86400)
#define ACCESS_SILENT_MS 10000
#define ACCESS_MAX       16384 /* in memory; the one that was read in first goes first */

struct access_table;

struct access_table *access_new(void); /* the store's overlay has it */
void access_free(struct access_table *t);

struct access {
    bool withdrawn;
    bool silent;  /* it was asked less than ACCESS_SILENT_MS ago, and did not answer */
    int64_t at_s; /* when upstream last said so, by the wall clock; 0: not known */
};

/* repo is canonical. */
PG_MUST_USE int access_look(struct store *s, struct sl repo, struct access *r, struct pg_err *err);
/* Upstream let us read something in it; or refused to (401, 403). */
void access_note(struct store *s, struct sl repo, bool withdrawn, int64_t now_s);
/* Upstream was asked, and did not answer: for a while nobody else has to wait to find that out. */
void access_silent(struct store *s, struct sl repo);
