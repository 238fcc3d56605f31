/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index, write side and cursors: for the cache room alone.
 *
 * One thread writes at a time: the writer's (cache/writer), or whoever has the index to itself
 * before the writer runs. A write transaction loads the counts when it begins and stores them
 * when it commits, so that they are never apart from the rows they count.
 *
 * A walk has no state but the last key: index_next_*() gives the first row after it, or the very
 * first for NULL. So a walk may end its view after a few rows, begin another, and go on, however
 * the table has changed; nothing holds a transaction for long.
 *
 *     struct index_blob_row row;
 *     bool more = true, started = false;
 *     while (more) {
 *         _index_view_ struct index_view v = index_view_begin(index);
 *         for (int i = 0; i < 100 && more; i++, started = true)
 *             if ((found = index_next_blob(&v, started ? &row.digest : NULL, &row, err)) <= 0) ...
 *     }
 *
 * Failure:  -1 with STORE_IO. A full map, a full disk, a failed write: the transaction can only
 *           be aborted then, and the index holds what it held before.
 */
#pragma once

#include "cache/index.h"
#include "cache/key.h"

#define INDEX_MAP_BYTES   ((uint64_t)64 << 30)
#define INDEX_READERS_MAX 1024
#define INDEX_SCHEMA      1
#define INDEX_EVENTS_KEPT 100000

struct index_config {
    const char *path;   /* the directory; made when absent, unless read_only */
    uint64_t map_bytes; /* 0: INDEX_MAP_BYTES */
    bool read_only;
};

enum index_health { INDEX_SOUND, INDEX_ABSENT, INDEX_DAMAGED };

/* Opens the directory in a child and walks what it can in INDEX_CHECK_MS: a damaged LMDB file may
 * crash its reader. DAMAGED is logged with the reason; the caller moves the directory aside and
 * begins a new one. -1: the check itself could not be made, or the schema is newer than ours. */
#define INDEX_CHECK_MS 1000
PG_MUST_USE int index_check(const struct index_config *config, enum index_health *health_r,
                            struct pg_err *err);

PG_MUST_USE int index_open(const struct index_config *config, struct index **index_r,
                           struct pg_err *err);
void index_close(struct index *index); /* no view may be open; NULL is allowed */

/* A compacted snapshot, as data.mdb in an empty directory. May take long: any thread but a loop. */
PG_MUST_USE int index_copy(struct index *index, const char *path, struct pg_err *err);

/* LMDB gave the environment up (MDB_PANIC): closes it once no view is open, and opens it again.
 * The writer's thread. Views that begin meanwhile fail. */
PG_MUST_USE int index_reopen(struct index *index, struct pg_err *err);
bool index_is_lost(struct index *index);     /* a reopen is due */
bool index_is_in_place(struct index *index); /* its file is the one that the directory has */

/* Frees slots of readers that died. */
void index_check_readers(struct index *index);

/* ---- writing ---- */

struct index_txn;

PG_MUST_USE int index_txn_begin(struct index *index, struct index_txn **txn_r, struct pg_err *err);
PG_MUST_USE int index_txn_commit(struct index_txn *txn, struct pg_err *err); /* frees it, too */
void index_txn_abort(struct index_txn *txn);

/* What the transaction sees, for index_get_*() and index_next_*(). Not to be ended; slices die
 * with the next change. */
struct index_view index_txn_view(struct index_txn *txn);

struct index_counts {
    uint64_t blobs, bytes;
    uint64_t events;  /* number of the next event */
    uint64_t journal; /* the last journal record that is in the tables */
};
struct index_counts index_txn_counts(const struct index_txn *txn);
void index_txn_set_journal(struct index_txn *txn, uint64_t seq);
void index_txn_set_blobs(struct index_txn *txn, uint64_t blobs, uint64_t bytes); /* fsck counted */

/* put: writes or replaces, a damaged row, too. del: 1 it was there, 0 it was not, -1. */
PG_MUST_USE int index_put_blob(struct index_txn *txn, const struct digest *d,
                               const struct index_blob *b, struct pg_err *err);
PG_MUST_USE int index_del_blob(struct index_txn *txn, const struct digest *d, struct pg_err *err);
PG_MUST_USE int index_put_manifest(struct index_txn *txn, const struct digest *d,
                                   const struct index_manifest *m, struct pg_err *err);
PG_MUST_USE int index_del_manifest(struct index_txn *txn, const struct digest *d,
                                   struct pg_err *err);
/* Of a link that is there already, the earlier first_seen_s is kept, and of a tag that is the same
 * digest already; a link that landed stays landed, and a size that was known stays known. */
PG_MUST_USE int index_put_link(struct index_txn *txn, struct sl repo, const struct digest *d,
                               const struct index_link *l, struct pg_err *err);
PG_MUST_USE int index_del_link(struct index_txn *txn, struct sl repo, const struct digest *d,
                               struct pg_err *err);
PG_MUST_USE int index_put_tag(struct index_txn *txn, struct sl repo, struct sl tag,
                              const struct index_tag *t, struct pg_err *err);
PG_MUST_USE int index_del_tag(struct index_txn *txn, struct sl repo, struct sl tag,
                              struct pg_err *err);
/* Both directions. */
PG_MUST_USE int index_put_edge(struct index_txn *txn, const struct index_edge *e,
                               struct pg_err *err);
PG_MUST_USE int index_del_edge(struct index_txn *txn, const struct index_edge *e,
                               struct pg_err *err);

struct index_memo {
    int64_t expires_s; /* INT64_MAX: never */
    struct sl bytes;
};
PG_MUST_USE int index_put_memo(struct index_txn *txn, const struct digest *d, struct sl kind,
                               const struct index_memo *m, struct pg_err *err);
PG_MUST_USE int index_del_memo(struct index_txn *txn, const struct digest *d, struct sl kind,
                               struct pg_err *err);
int index_get_memo(struct index_view *v, const struct digest *d, struct sl kind,
                   struct index_memo *r, struct pg_err *err);
/* The first memo of the digest whose kind is after `after`, in order of bytes. */
int index_next_memo(struct index_view *v, const struct digest *d, struct sl after,
                    struct sl *kind_r, struct index_memo *r, struct pg_err *err);

struct index_event {
    int64_t when_s;
    struct sl caller, repo, reference;
    struct digest digest;
};
/* The oldest above INDEX_EVENTS_KEPT leave. */
PG_MUST_USE int index_put_event(struct index_txn *txn, const struct index_event *e,
                                struct pg_err *err);

/* Small named numbers. The names of the index itself begin with '.'. */
PG_MUST_USE int index_put_meta(struct index_txn *txn, struct sl name, uint64_t value,
                               struct pg_err *err);
int index_get_meta(struct index_view *v, struct sl name, uint64_t *value_r, struct pg_err *err);
PG_MUST_USE int index_get_counts(struct index_view *v, struct index_counts *r, struct pg_err *err);

/* ---- walking: 1 a row, 0 the end, -1. A row with a damaged value is given, too, as ->damaged,
 * with no more than its key; one with a damaged key is passed over. ---- */

struct index_blob_row {
    struct digest digest;
    struct index_blob blob;
    bool damaged;
};
int index_next_blob(struct index_view *v, const struct digest *after, struct index_blob_row *r,
                    struct pg_err *err);

struct index_manifest_row {
    struct digest digest;
    struct index_manifest manifest;
    bool damaged;
};
int index_next_manifest(struct index_view *v, const struct digest *after,
                        struct index_manifest_row *r, struct pg_err *err);

struct index_link_row {
    struct key_repo repo; /* its name: index_get_repo() */
    struct digest digest;
    struct index_link link;
    bool damaged;
};
int index_next_link(struct index_view *v, const struct index_link_row *after,
                    struct index_link_row *r, struct pg_err *err);

/* The first link of that repository after the digest (NULL: the first of all). 0 after its last. */
int index_next_link_of(struct index_view *v, const struct key_repo *repo,
                       const struct digest *after, struct index_link_row *r, struct pg_err *err);

struct index_tag_row {
    struct key_repo repo;
    size_t ntag;
    char name[KEY_TAG_MAX + 1];
    struct index_tag tag;
    bool damaged;
};
int index_next_tag(struct index_view *v, const struct index_tag_row *after, struct index_tag_row *r,
                   struct pg_err *err);

struct index_event_row {
    uint64_t number;
    struct index_event event;
    bool damaged;
};
int index_next_event(struct index_view *v, const struct index_event_row *after,
                     struct index_event_row *r, struct pg_err *err);

/* The name of a repository that has links or tags. */
int index_get_repo(struct index_view *v, const struct key_repo *repo, struct sl *name_r,
                   struct pg_err *err);

struct index_raw {
    const char *table; /* its name; NULL: before the first */
    struct key key;
};

/* Goes through the rows of all tables, nmax at most at a time, for one whose key or value does not
 * read well: 1, and *place is that row; then index_del_raw() may be done with it. 0: none among
 * these, and *place is where to go on, or has a table of NULL at the end. -1. Begin with {0}. */
int index_next_damaged(struct index_view *v, unsigned nmax, struct index_raw *place,
                       struct pg_err *err);
PG_MUST_USE int index_del_raw(struct index_txn *txn, const struct index_raw *row,
                              struct pg_err *err);
