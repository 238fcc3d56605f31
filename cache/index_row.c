/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/index_row_int.h"

#include <errno.h>

#include "base/fault.h"
#include "base/metric.h"

const char *const index_row_tables[INDEX_TABLES] = {
    [INDEX_TABLE_META] = "meta",         [INDEX_TABLE_BLOB] = "blob",
    [INDEX_TABLE_MANIFEST] = "manifest", [INDEX_TABLE_REPO] = "repo",
    [INDEX_TABLE_LINK] = "link",         [INDEX_TABLE_TAG] = "tag",
    [INDEX_TABLE_EDGE] = "edge",         [INDEX_TABLE_REDGE] = "redge",
    [INDEX_TABLE_MEMO] = "memo",         [INDEX_TABLE_EVENT] = "event",
    [INDEX_TABLE_TAGGED] = "tagged",     [INDEX_TABLE_PAST] = "past",
};

int index_row_fail(struct index *index, int rc, const char *doing, struct pg_err *err)
{
    if (rc == MDB_PANIC)
        atomic_store(&index->lost, true);
    pg_metric_inc(PG_M_STORE_ERRORS);
    if (rc == MDB_MAP_FULL)
        (void)pg_fail(err, PG_E_STORE_IO, "the index is full");
    else if (rc == ENOSPC || rc == EDQUOT)
        (void)pg_fail(err, PG_E_STORE_IO, "the disk of the store is full");
    else
        (void)pg_fail(err, PG_E_STORE_IO, "the index failed");
    return pg_detail(err, "%s: %s: %s", index->path, doing, mdb_strerror(rc));
}

static int damaged(struct index *index, enum index_table table, struct pg_err *err)
{
    pg_metric_inc(PG_M_STORE_ERRORS);
    (void)pg_fail(err, PG_E_STORE_IO, "the index is damaged");
    return pg_detail(err, "%s: a row of table %s fails its checksum: fsck --repair", index->path,
                     index_row_tables[table]);
}

static MDB_val val_of(struct sl s)
{
    /* LMDB does not write to what it is given */
    return (MDB_val){.mv_size = s.n, .mv_data = (void *)(uintptr_t)s.p};
}

static struct sl sl_of(MDB_val v)
{
    return (struct sl){v.mv_data, v.mv_size};
}

static int no_view(struct index *index, struct pg_err *err)
{
    pg_metric_inc(PG_M_STORE_ERRORS);
    (void)pg_fail(err, PG_E_STORE_IO, "the index cannot be read now");
    return pg_detail(err, "%s: no read transaction could begin", index->path);
}

int index_row_look(struct index_view *v, enum index_table table, const struct key *key,
                   struct sl *body_r, struct pg_err *err)
{
    MDB_val k = val_of(key_sl(key)), value;
    int rc;

    if (v->txn == NULL)
        return no_view(v->index, err);
    if (v->index->tables[table] == INDEX_ROW_NO_TABLE)
        return 0;
    rc = mdb_get(v->txn, v->index->tables[table], &k, &value);
    if (rc == MDB_NOTFOUND)
        return 0;
    if (rc != 0)
        return index_row_fail(v->index, rc, "read", err);
    return index_value_open(sl_of(value), table, key_sl(key), body_r) < 0 ? 2 : 1;
}

int index_row_get(struct index_view *v, enum index_table table, const struct key *key,
                  struct sl *body_r, struct pg_err *err)
{
    int found = index_row_look(v, table, key, body_r, err);

    return found == 2 ? damaged(v->index, table, err) : found;
}

static int seek(MDB_cursor *cursor, const struct key *after, MDB_val *k, MDB_val *value)
{
    int rc;

    if (after == NULL || after->n == 0)
        return mdb_cursor_get(cursor, k, value, MDB_FIRST);
    *k = val_of(key_sl(after));
    rc = mdb_cursor_get(cursor, k, value, MDB_SET_RANGE);
    if (rc == 0 && sl_eq(sl_of(*k), key_sl(after)))
        rc = mdb_cursor_get(cursor, k, value, MDB_NEXT);
    return rc;
}

bool index_row_is_after(struct sl key, const struct key *before)
{
    size_t n = key.n < before->n ? key.n : before->n;
    int order = n > 0 ? memcmp(key.p, before->p, n) : 0;

    return order > 0 || (order == 0 && key.n > before->n);
}

int index_row_next(struct index_view *v, enum index_table table, const struct key *after,
                   struct index_row *r, struct pg_err *err)
{
    MDB_cursor *cursor;
    MDB_val k, value;
    int rc;

    if (v->txn == NULL)
        return no_view(v->index, err);
    if (v->index->tables[table] == INDEX_ROW_NO_TABLE)
        return 0;
    rc = mdb_cursor_open(v->txn, v->index->tables[table], &cursor);
    if (rc != 0)
        return index_row_fail(v->index, rc, "walk", err);
    rc = seek(cursor, after, &k, &value);
    mdb_cursor_close(cursor);
    if (rc == MDB_NOTFOUND)
        return 0;
    if (rc == 0 && (k.mv_size == 0 || k.mv_size > KEY_MAX ||
                    (after != NULL && !index_row_is_after(sl_of(k), after))))
        rc = MDB_CORRUPTED; /* LMDB would not have written it */
    if (rc != 0)
        return index_row_fail(v->index, rc, "walk", err);
    *r = (struct index_row){.key = sl_of(k), .value = sl_of(value)};
    return 1;
}

int index_row_put(struct index_txn *txn, enum index_table table, const struct key *key,
                  struct pg_err *err)
{
    MDB_val k = val_of(key_sl(key)), value;
    int rc = 0;

    index_value_seal(&txn->value, table, key_sl(key));
    if (txn->value.over)
        return pg_fail(err, PG_E_STORE_IO, "a row of the index would be too large");
    value = val_of(pg_buf_sl(&txn->value));
    if (PG_FAULT("index.put"))
        rc = errno;
    if (rc == 0)
        rc = mdb_put(txn->txn, txn->index->tables[table], &k, &value, 0);
    return rc == 0 ? 0 : index_row_fail(txn->index, rc, "write", err);
}

int index_row_del(struct index_txn *txn, enum index_table table, const struct key *key,
                  struct pg_err *err)
{
    MDB_val k = val_of(key_sl(key));
    int rc = mdb_del(txn->txn, txn->index->tables[table], &k, NULL);

    if (rc == MDB_NOTFOUND)
        return 0;
    return rc == 0 ? 1 : index_row_fail(txn->index, rc, "delete", err);
}

int index_row_put_tagged(struct index_txn *txn, const struct key_repo *repo, const struct digest *d,
                         struct sl tag, struct pg_err *err)
{
    struct key key = key_of_tagged(repo, d, tag);

    index_value_begin(&txn->value);
    return index_row_put(txn, INDEX_TABLE_TAGGED, &key, err);
}

static int open_tables(MDB_env *env, bool read_only, MDB_dbi tables_r[INDEX_TABLES])
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env, NULL, read_only ? MDB_RDONLY : 0, &txn);

    if (rc != 0)
        return rc;
    for (int i = 0; i < INDEX_TABLES && rc == 0; i++) {
        rc = mdb_dbi_open(txn, index_row_tables[i], read_only ? 0 : MDB_CREATE, &tables_r[i]);
        if (rc == MDB_NOTFOUND && i > INDEX_TABLE_EVENT) { /* the store is of an older release */
            tables_r[i] = INDEX_ROW_NO_TABLE;
            rc = 0;
        }
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

/* MDB_NOTLS: a read transaction belongs to whoever holds it, not to a thread. */
int index_row_env_open(const struct index_config *config, MDB_env **env_r,
                       MDB_dbi tables_r[INDEX_TABLES])
{
    MDB_env *env;
    unsigned flags = MDB_NOTLS | (config->read_only ? MDB_RDONLY : 0);
    int rc = mdb_env_create(&env);

    if (rc != 0)
        return rc;
    rc = mdb_env_set_mapsize(env, config->map_bytes != 0 ? config->map_bytes : INDEX_MAP_BYTES);
    if (rc == 0)
        rc = mdb_env_set_maxreaders(env, INDEX_READERS_MAX);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(env, INDEX_TABLES);
    if (rc == 0 && PG_FAULT("index.open"))
        rc = errno;
    if (rc == 0)
        rc = mdb_env_open(env, config->path, flags, 0600);
    if (rc == 0)
        rc = open_tables(env, config->read_only, tables_r);
    if (rc != 0) {
        mdb_env_close(env);
        return rc;
    }
    *env_r = env;
    return 0;
}
