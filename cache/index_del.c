/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/index_row_int.h"

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Of a damaged row nobody knows how large the blob was: the sum stays too large until fsck counts
 * again. */
static int del_blob(struct index_txn *txn, const struct key *key, struct pg_err *err)
{
    struct index_view v = index_txn_view(txn);
    struct index_blob old;
    struct sl body;
    int found = index_row_look(&v, INDEX_TABLE_BLOB, key, &body, err);

    if (found <= 0)
        return found;
    if (found != 1 || index_value_read_blob(body, &old) < 0)
        old.size = 0;
    if (index_row_del(txn, INDEX_TABLE_BLOB, key, err) < 0)
        return -1;
    txn->counts.blobs = less(txn->counts.blobs, 1);
    txn->counts.bytes = less(txn->counts.bytes, old.size);
    return 1;
}

int index_del_blob(struct index_txn *txn, const struct digest *d, struct pg_err *err)
{
    struct key key = key_of_digest(d);

    return del_blob(txn, &key, err);
}

int index_del_manifest(struct index_txn *txn, const struct digest *d, struct pg_err *err)
{
    struct key key = key_of_digest(d);

    return index_row_del(txn, INDEX_TABLE_MANIFEST, &key, err);
}

int index_del_link(struct index_txn *txn, struct sl repo, const struct digest *d,
                   struct pg_err *err)
{
    struct key_repo hashed = key_repo_of(repo);
    struct key key = key_of_link(&hashed, d);

    return index_row_del(txn, INDEX_TABLE_LINK, &key, err);
}

int index_del_tag(struct index_txn *txn, struct sl repo, struct sl tag, struct pg_err *err)
{
    struct key_repo hashed = key_repo_of(repo);
    struct key key = key_of_tag(&hashed, tag);
    struct index_view v = index_txn_view(txn);
    struct index_tag old;
    struct sl body;
    int found = index_row_look(&v, INDEX_TABLE_TAG, &key, &body, err);

    if (found == 1 && index_value_read_tag(body, &old) == 0) {
        struct key tagged = key_of_tagged(&hashed, &old.digest, tag);

        if (index_row_del(txn, INDEX_TABLE_TAGGED, &tagged, err) < 0)
            return -1;
    }
    return found <= 0 ? found : index_row_del(txn, INDEX_TABLE_TAG, &key, err);
}

int index_del_edge(struct index_txn *txn, const struct index_edge *e, struct pg_err *err)
{
    struct key to = key_of_edge(&e->parent, (uint8_t)e->kind, &e->child);
    struct key from = key_of_edge(&e->child, (uint8_t)e->kind, &e->parent);

    if (index_row_del(txn, INDEX_TABLE_REDGE, &from, err) < 0)
        return -1;
    return index_row_del(txn, INDEX_TABLE_EDGE, &to, err);
}

int index_del_memo(struct index_txn *txn, const struct digest *d, struct sl kind,
                   struct pg_err *err)
{
    struct key key = key_of_memo(d, kind);

    return index_row_del(txn, INDEX_TABLE_MEMO, &key, err);
}

/* A row of it that is lost is a tag that nobody finds by its digest: it is written again, as long
 * as the tag says the same. */
static int del_tagged(struct index_txn *txn, const struct key *key, struct pg_err *err)
{
    struct index_view v = index_txn_view(txn);
    struct key_repo repo;
    struct digest d;
    struct sl name, body;
    struct index_tag tag;
    struct past past;
    struct key of_tag;

    if (key_read_tagged(key_sl(key), &repo, &d, &name) == 0) {
        of_tag = key_of_tag(&repo, name);
        if ((index_row_look(&v, INDEX_TABLE_TAG, &of_tag, &body, err) == 1 &&
             index_value_read_tag(body, &tag) == 0 && digest_eq(&tag.digest, &d)) ||
            (index_row_look(&v, INDEX_TABLE_PAST, &of_tag, &body, err) == 1 &&
             index_value_read_past(body, &past) == 0 && past_has(&past, &d)))
            return index_row_put_tagged(txn, &repo, &d, name, err) < 0 ? -1 : 1;
    }
    return index_row_del(txn, INDEX_TABLE_TAGGED, key, err);
}

int index_del_raw(struct index_txn *txn, const struct index_raw *row, struct pg_err *err)
{
    for (int table = 0; table < INDEX_TABLES; table++)
        if (strcmp(row->table, index_row_tables[table]) == 0)
            return table == INDEX_TABLE_BLOB ? del_blob(txn, &row->key, err)
                   : table == INDEX_TABLE_TAGGED
                       ? del_tagged(txn, &row->key, err)
                       : index_row_del(txn, (enum index_table)table, &row->key, err);
    PG_BUG("no such table");
}
