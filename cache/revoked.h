/* SPDX-License-Identifier: Apache-2.0 */
/*
 * revoked - what an operator took back: a digest (an image, an index, a layer), a key or an
 * identity that signed, a repository. It stands in the journal, which no loss of the index takes
 * away, and in memory, where every request looks.
 *
 *     revoked_change() --> writer --> journal, synced --> in force, before it returns
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

/* Takes it back, or gives it back again. */
PG_MUST_USE int revoked_change(struct store *s, const struct revoked_entry *e, bool revoke,
                               struct pg_err *err);

/* All there are, in no order; in the arena. */
size_t revoked_list(struct store *s, struct pg_arena *arena, const struct revoked_entry **all_r);
