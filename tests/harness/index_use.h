/* SPDX-License-Identifier: Apache-2.0 */
/* What a server does with an index once it is open: reads all of it, takes out what is damaged, as
 * fsck does, and writes. Errors are answers, too; of a damaged index that was not found to be one,
 * a sanitizer or a signal tells. */
#pragma once

#include "cache/index_row_int.h"

static inline void index_use_row(struct index_txn *txn, unsigned n, unsigned group)
{
    struct pg_err err = {0};
    struct digest d = {.alg = PG_SHA256, .bytes = {(uint8_t)n, (uint8_t)group, 1}};
    struct index_blob b = {.size = n, .sha256 = d};
    struct index_link l = {.kind = INDEX_LINK_BLOB};

    if (index_put_blob(txn, &d, &b, &err) < 0)
        pg_err_clear(&err);
    if (index_put_link(txn, SL("r.io/a"), &d, &l, &err) < 0)
        pg_err_clear(&err);
    d.bytes[2] = 0; /* it may be there */
    if (index_del_blob(txn, &d, &err) < 0)
        pg_err_clear(&err);
}

static inline void index_use_repair(struct index_txn *txn)
{
    struct index_raw place = {0};
    struct pg_err err = {0};
    int found = 0;

    do {
        struct index_view v = index_txn_view(txn);

        found = index_next_damaged(&v, 1000, &place, &err);
        if (found == 1 && index_del_raw(txn, &place, &err) < 0)
            found = -1;
    } while (found >= 0 && place.table != NULL);
    pg_err_clear(&err);
}

static inline void index_use(const struct index_config *config)
{
    struct pg_err err = {0};
    struct index_txn *txn;
    struct index *ix;

    if (index_open(config, &ix, &err) < 0) {
        pg_err_clear(&err);
        return;
    }
    if (index_txn_begin(ix, &txn, &err) == 0) {
        index_use_repair(txn);
        for (unsigned n = 0; n < 100; n += 7)
            for (unsigned group = 0; group < 5; group++)
                index_use_row(txn, n, group);
        if (index_txn_commit(txn, &err) < 0)
            pg_err_clear(&err);
    }
    pg_err_clear(&err);
    index_close(ix);
}
