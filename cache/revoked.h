/* SPDX-License-Identifier: Apache-2.0 */
/*
 * revoked - what an operator took back: a digest (an image, an index, a layer), a key or an
 * identity that signed, a repository. It stands in the journal, which no loss of the index takes
 * away, and in memory, where every request looks.
 *
 *     revoked_change() --> writer --> journal, synced --> in force, before it returns
 *
 * What a feed takes back (by: "feed NAME") stands beside it in a set of its own: revoked is what is
 * in any of them, and only the feed gives back what it took. A feed's newest (epoch, serial) is in
 * the journal as well, so that none that is older is ever believed.
 *
 * Ownership:  the store's. Texts that are found are copied into the arena given.
 * Failure:    load: STORE_IO. change: STORE_IO; DENIED when there are too many; NAME_UNKNOWN when
 *             what is to be given back was not taken.
 * Threads:    open: before others look. Looking: any, also while it is loaded; with nothing revoked
 *             it is one atomic read. change: any but a loop's or the writer's: it waits for the
 *             commit.
 * Lock:       one, around its map; innermost; no I/O in it.
 */
#pragma once

#include "base/arena.h"
#include "cache/store.h"
#include "oci/digest.h"

#define REVOKED_MAX        100000
#define REVOKED_WHAT_MAX   240 /* of a key or an identity */
#define REVOKED_REASON_MAX 1000
#define REVOKED_BY_MAX     100

enum revoked_kind { REVOKED_DIGEST, REVOKED_KEY, REVOKED_IDENTITY, REVOKED_REPOSITORY };
#define REVOKED_KINDS 4

struct revoked_entry {
    enum revoked_kind kind;
    struct sl what; /* "sha256:...", 64 hex digits, the subject, the canonical repository */
    struct sl reason, by;
    int64_t when_s;
};

struct revoked *revoked_new(void);
void revoked_free(struct revoked *r); /* NULL is allowed */

/* All that the journal says, in place of what was known before; that is in force until it is read
 * whole, and stays if it cannot be. */
PG_MUST_USE int revoked_load(struct store *s, struct pg_err *err);

bool revoked_any(const struct store *s, enum revoked_kind kind);
bool revoked_find(struct store *s, enum revoked_kind kind, struct sl what, struct pg_arena *arena,
                  struct revoked_entry *e_r);
bool revoked_find_digest(struct store *s, const struct digest *sha256, struct pg_arena *arena,
                         struct revoked_entry *e_r);

/* The digests that are revoked, at most max of them; how many there are. */
size_t revoked_digests(struct store *s, struct digest *all, size_t max);

#define REVOKED_FEED_BY       "feed "
#define REVOKED_FEED_NAME_MAX 32
#define REVOKED_FEED_ENTRIES  10000

/* What a feed said last. */
struct revoked_feed {
    uint64_t epoch, serial; /* in this order they grow */
    int64_t expires_s;      /* it counts as current until then */
    int64_t when_s;         /* when it was taken over */
    uint8_t sha256[32];     /* of all that it said: of one serial there is one edition */
};

/* False: it never said anything. */
bool revoked_feed_get(struct store *s, const char *name, struct revoked_feed *f_r);
/* All that it says, in place of what it said before: what is new is in force first. by and when_s
 * of the entries are not looked at. -1: STORE_IO; it may be in force in part, and may be put
 * again. Not for two threads at a time with one name. */
PG_MUST_USE int revoked_feed_put(struct store *s, const char *name, const struct revoked_feed *f,
                                 const struct revoked_entry *all, size_t n, struct pg_err *err);

/* A feed that has to be current is not: nothing may leave. */
void revoked_feed_set_stale(struct store *s, bool is_stale);
bool revoked_feed_is_stale(const struct store *s);

/* Takes it back, or gives it back again. */
PG_MUST_USE int revoked_change(struct store *s, const struct revoked_entry *e, bool revoke,
                               struct pg_err *err);

/* All there are, in no order; in the arena. */
size_t revoked_list(struct store *s, struct pg_arena *arena, const struct revoked_entry **all_r);
