/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/damaged.h"

#include "base/list.h"

#define ROWS_A_VIEW 256

static int remove_row(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct damaged *d = pg_container_of(op, struct damaged, op);

    return index_del_raw(txn, &d->row, err) < 0 ? -1 : 0;
}

int damaged_next(struct store *s, struct damaged *d, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);

    d->op = (struct writer_op){.apply = remove_row};
    return index_next_damaged(&v, ROWS_A_VIEW, &d->row, err);
}
