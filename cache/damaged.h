/* SPDX-License-Identifier: Apache-2.0 */
/*
 * damaged - rows of the index that cannot be read, one after the other, each with the operation
 * that removes it. For recovery and fsck; private to the room, as index_int.h is.
 *
 *     struct damaged d = {0};
 *     do {
 *         found = damaged_next(store, &d, &err);     1: post or do &d.op; 0: none among these
 *     } while (found >= 0 && d.row.table != NULL);
 *
 * Threads: any but a loop's; the operation is the caller's until the writer has it.
 */
#pragma once

#include "cache/index_int.h"
#include "cache/store.h"
#include "cache/writer.h"

struct damaged {
    struct writer_op op;  /* removes row; made anew by each call */
    struct index_raw row; /* found, or where to go on; a table of NULL: that was all */
};

/* Looks at some rows in one view. 1 found, 0 not among these, -1 STORE_IO. */
PG_MUST_USE int damaged_next(struct store *s, struct damaged *d, struct pg_err *err);
