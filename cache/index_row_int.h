/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index_row - what the files of the index share: its struct, and one row at a time, its checksum
 * made and checked here and nowhere else. LMDB is not called by other modules of the room.
 *
 * Threads: as index.h and index_int.h say.
 */
#pragma once

#include <limits.h>
#include <lmdb.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "cache/index_value_int.h"

#define INDEX_ROW_SLOTS    64
#define INDEX_ROW_NO_TABLE UINT_MAX /* an older store has it not, and is only read */

/* Where a thread leaves its read transaction, reset, for its next view. Threads share a slot only
 * when there are more of them than slots. */
struct index_row_slot {
    _Alignas(64) _Atomic(MDB_txn *) txn;
    atomic_uint active; /* views open that began here */
};

struct index {
    MDB_env *env; /* NULL: a reopen failed */
    MDB_dbi tables[INDEX_TABLES];
    char *path;
    uint64_t map_bytes;
    bool read_only;
    pid_t pid;
    atomic_bool closing; /* no view may begin */
    atomic_bool lost;    /* LMDB said MDB_PANIC */
    _Atomic uint64_t txn_max_us;
    struct index_row_slot slots[INDEX_ROW_SLOTS];
};

struct index_txn {
    struct index *index;
    MDB_txn *txn;
    struct index_counts counts, before;
    struct pg_buf value; /* the row that is being written */
};

extern const char *const index_row_tables[INDEX_TABLES]; /* their names */

/* Fills *err for LMDB's error rc, counts it, notes a panic; returns -1. */
int index_row_fail(struct index *index, int rc, const char *doing, struct pg_err *err);

/* 1 found, 0 absent, -1: LMDB's error or a damaged row. */
int index_row_get(struct index_view *v, enum index_table table, const struct key *key,
                  struct sl *body_r, struct pg_err *err);

/* As get, but a damaged row is 2 and no error: it may be overwritten or deleted. */
int index_row_look(struct index_view *v, enum index_table table, const struct key *key,
                   struct sl *body_r, struct pg_err *err);

struct index_row {
    struct sl key, value; /* as they are in the map */
};
/* In the order of a table. A walk that comes to a row out of it would never end: it fails. */
bool index_row_is_after(struct sl key, const struct key *before);

/* The first row after the key; from NULL on the first of all. 1, 0 or -1. */
int index_row_next(struct index_view *v, enum index_table table, const struct key *after,
                   struct index_row *r, struct pg_err *err);

/* Seals txn->value, which the caller began and filled, and writes it. */
PG_MUST_USE int index_row_put(struct index_txn *txn, enum index_table table, const struct key *key,
                              struct pg_err *err);
PG_MUST_USE int index_row_del(struct index_txn *txn, enum index_table table, const struct key *key,
                              struct pg_err *err); /* 1, 0 or -1 */

/* One row of `tagged`. index_put_tag() and index_del_tag() keep them. */
PG_MUST_USE int index_row_put_tagged(struct index_txn *txn, const struct key_repo *repo,
                                     const struct digest *d, struct sl tag, struct pg_err *err);

/* The environment of a directory, its tables open; on failure LMDB's or the system's error. */
PG_MUST_USE int index_row_env_open(const struct index_config *config, MDB_env **env_r,
                                   MDB_dbi tables_r[INDEX_TABLES]);
