/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/index_row_int.h"

int index_put_blob(struct index_txn *txn, const struct digest *d, const struct index_blob *b,
                   struct pg_err *err)
{
    struct key key = key_of_digest(d);
    struct index_view v = index_txn_view(txn);
    struct index_blob old;
    struct sl body;
    int found = index_row_look(&v, INDEX_TABLE_BLOB, &key, &body, err);

    if (found < 0)
        return -1;
    if (found != 1 || index_value_read_blob(body, &old) < 0)
        old.size = 0; /* none, or a damaged one, whose size nobody knows */
    index_value_begin(&txn->value);
    index_value_put_blob(&txn->value, b);
    if (index_row_put(txn, INDEX_TABLE_BLOB, &key, err) < 0)
        return -1;
    txn->counts.blobs += found > 0 ? 0 : 1;
    txn->counts.bytes += b->size;
    txn->counts.bytes -= old.size < txn->counts.bytes ? old.size : txn->counts.bytes;
    return 0;
}

int index_put_manifest(struct index_txn *txn, const struct digest *d,
                       const struct index_manifest *m, struct pg_err *err)
{
    struct key key = key_of_digest(d);

    index_value_begin(&txn->value);
    index_value_put_manifest(&txn->value, m);
    return index_row_put(txn, INDEX_TABLE_MANIFEST, &key, err);
}

/* Gives the hash of a repository a name that people and a rebuild can read. */
static int put_repo(struct index_txn *txn, const struct key_repo *repo, struct sl name,
                    struct pg_err *err)
{
    struct key key = key_of_repo(repo);
    struct index_view v = index_txn_view(txn);
    struct sl known;
    int found = index_row_look(&v, INDEX_TABLE_REPO, &key, &known, err);

    if (found == 1 || found < 0)
        return found < 0 ? -1 : 0;
    index_value_begin(&txn->value);
    (void)pg_buf_put(&txn->value, name);
    return index_row_put(txn, INDEX_TABLE_REPO, &key, err);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int index_put_link(struct index_txn *txn, struct sl repo, const struct digest *d,
                   const struct index_link *l, struct pg_err *err)
{
    struct key_repo hashed = key_repo_of(repo);
    struct key key = key_of_link(&hashed, d);
    struct index_view v = index_txn_view(txn);
    struct index_link old, now = *l;
    struct sl body;
    int found = index_row_look(&v, INDEX_TABLE_LINK, &key, &body, err);

    if (found < 0)
        return -1;
    if (found == 1 && index_value_read_link(body, &old) == 0) {
        now.first_seen_s = earlier(old.first_seen_s, l->first_seen_s);
        now.size = l->size != 0 ? l->size : old.size;
        now.landed = l->landed || old.landed;
        if (old.landed && !l->landed)
            now.kind = old.kind; /* what came knows better than what was named */
    }
    index_value_begin(&txn->value);
    index_value_put_link(&txn->value, &now);
    if (index_row_put(txn, INDEX_TABLE_LINK, &key, err) < 0)
        return -1;
    return put_repo(txn, &hashed, repo, err);
}

/* What the tag was is not named by it any more. Of a damaged row nobody knows what it was: the row
 * that says so is passed over by who reads it, since the tag says otherwise. */
static int move_tagged(struct index_txn *txn, const struct key_repo *repo, struct sl tag,
                       const struct digest *was, const struct digest *now, struct pg_err *err)
{
    if (was != NULL && !digest_eq(was, now)) {
        struct key key = key_of_tagged(repo, was, tag);

        if (index_row_del(txn, INDEX_TABLE_TAGGED, &key, err) < 0)
            return -1;
    }
    return index_row_put_tagged(txn, repo, now, tag, err);
}

int index_put_tag(struct index_txn *txn, struct sl repo, struct sl tag, const struct index_tag *t,
                  struct pg_err *err)
{
    struct key_repo hashed = key_repo_of(repo);
    struct key key = key_of_tag(&hashed, tag);
    struct index_view v = index_txn_view(txn);
    struct index_tag old, now = *t;
    struct sl body;
    int found = index_row_look(&v, INDEX_TABLE_TAG, &key, &body, err);
    bool known = found == 1 && index_value_read_tag(body, &old) == 0;

    if (found < 0 ||
        move_tagged(txn, &hashed, tag, known ? &old.digest : NULL, &t->digest, err) < 0)
        return -1;
    if (known && digest_eq(&old.digest, &t->digest))
        now.first_seen_s = earlier(old.first_seen_s, t->first_seen_s);
    index_value_begin(&txn->value);
    index_value_put_tag(&txn->value, &now);
    if (index_row_put(txn, INDEX_TABLE_TAG, &key, err) < 0)
        return -1;
    return put_repo(txn, &hashed, repo, err);
}

int index_put_edge(struct index_txn *txn, const struct index_edge *e, struct pg_err *err)
{
    struct key to = key_of_edge(&e->parent, (uint8_t)e->kind, &e->child);
    struct key from = key_of_edge(&e->child, (uint8_t)e->kind, &e->parent);

    index_value_begin(&txn->value);
    if (index_row_put(txn, INDEX_TABLE_EDGE, &to, err) < 0)
        return -1;
    index_value_begin(&txn->value);
    return index_row_put(txn, INDEX_TABLE_REDGE, &from, err);
}

int index_put_memo(struct index_txn *txn, const struct digest *d, struct sl kind,
                   const struct index_memo *m, struct pg_err *err)
{
    struct key key = key_of_memo(d, kind);

    index_value_begin(&txn->value);
    index_value_put_memo(&txn->value, m);
    return index_row_put(txn, INDEX_TABLE_MEMO, &key, err);
}

static int trim_events(struct index_txn *txn, struct pg_err *err)
{
    struct index_view v = index_txn_view(txn);
    MDB_stat stat;
    int rc = mdb_stat(txn->txn, txn->index->tables[INDEX_TABLE_EVENT], &stat);

    if (rc != 0)
        return index_row_fail(txn->index, rc, "count", err);
    for (size_t n = stat.ms_entries; n > INDEX_EVENTS_KEPT; n--) {
        struct index_raw raw = {.table = index_row_tables[INDEX_TABLE_EVENT]};
        struct index_row row;

        if (index_row_next(&v, INDEX_TABLE_EVENT, NULL, &row, err) <= 0)
            return -1; /* there are rows: the end cannot come */
        raw.key.n = row.key.n;
        memcpy(raw.key.p, row.key.p, row.key.n);
        if (index_del_raw(txn, &raw, err) < 0)
            return -1;
    }
    return 0;
}

int index_put_event(struct index_txn *txn, const struct index_event *e, struct pg_err *err)
{
    struct key key = key_of_event(e->when_s, txn->counts.events);

    index_value_begin(&txn->value);
    index_value_put_event(&txn->value, e);
    if (index_row_put(txn, INDEX_TABLE_EVENT, &key, err) < 0)
        return -1;
    txn->counts.events++;
    return trim_events(txn, err);
}

int index_put_meta(struct index_txn *txn, struct sl name, uint64_t value, struct pg_err *err)
{
    struct key key = key_of_name(name);

    index_value_begin(&txn->value);
    index_value_put_u64(&txn->value, value);
    return index_row_put(txn, INDEX_TABLE_META, &key, err);
}
