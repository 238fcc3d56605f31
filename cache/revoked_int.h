/* SPDX-License-Identifier: Apache-2.0 */
/* revoked_int - what revoked.c (what is looked for, and operators) and revoked_feed.c (feeds)
 * share. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "cache/journal.h"
#include "cache/revoked.h"

#define REVOKED_KEY_MAX (1 + JOURNAL_REPO_MAX + DIGEST_TEXT_MAX)

struct revoked_node {
    struct pg_map_node in_map;
    struct revoked_entry entry; /* texts of its own */
    char key[REVOKED_KEY_MAX];
};

/* What operators, or one feed, took back. */
struct revoked_set {
    struct revoked_set *next;
    char name[REVOKED_FEED_NAME_MAX + 1]; /* "": the operators' */
    struct pg_map map;
    bool has_feed;
    struct revoked_feed feed;
};

struct revoked {
    pthread_mutex_t lock;
    struct revoked_set local; /* and from there all others */
    atomic_uint counts[REVOKED_KINDS];
    atomic_bool is_stale, is_given; /* the second: to an heir; see cache/revoked_shared.h */
    atomic_uint_fast64_t *shared;   /* mapped; NULL: nobody shares it */
    atomic_uint_fast64_t seen;      /* of it, by what is in force here */
};

void revoked_lock(struct revoked *r);
void revoked_unlock(struct revoked *r);

/* Under the lock. */
struct revoked_set *revoked_find_set(struct revoked *r, struct sl feed);
struct revoked_set *revoked_make_set(struct revoked *r, struct sl feed);

/* {NULL, 0}: nothing is named so. */
struct sl revoked_key(enum revoked_kind kind, struct sl what, char out[REVOKED_KEY_MAX]);

/* Into, or out of, the set that `by` says. */
void revoked_put(struct revoked *r, const struct revoked_entry *e);
void revoked_drop(struct revoked *r, const struct revoked_entry *e);

/* All that a journal says, in place of what is in force. */
PG_MUST_USE int revoked_read(struct revoked *r, struct journal *journal, struct pg_err *err);

bool revoked_fits(const struct revoked_entry *e);
PG_MUST_USE int revoked_append(struct journal *journal, const struct revoked_entry *e, bool revoke,
                               struct pg_err *err);
void revoked_feed_take(struct revoked *r, const struct journal_record *j);
