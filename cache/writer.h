/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer - the one thread that writes to the index: operations of any thread, committed in groups.
 *
 *     post --> queue --> [up to WRITER_GROUP_MS or WRITER_GROUP_OPS] --> apply each --> journal
 *          sync --> directory sync --> LMDB commit --> settle each --> done (through its mailbox)
 *
 * An operation that cannot be applied harms only itself: the group is aborted and its operations
 * are tried one by one. A commit that fails fails its whole group; the index stays usable and
 * holds what it held before. An index that LMDB gave up (MDB_PANIC) is opened again.
 *
 * Ownership:  an operation is embedded in the asker's object and belongs to the writer from
 *             writer_post() until done() is called. It cannot be taken back.
 * Failure:    op->err in done(); kind NONE: it is durable.
 * Threads:    post: any. apply, settle: the writer's. done: the one that drains `home`.
 */
#pragma once

#include "base/err.h"
#include "base/mailbox.h"
#include "oci/digest.h"

#define WRITER_GROUP_MS  5
#define WRITER_GROUP_OPS 256
#define WRITER_LAZY_MS   2000
#define WRITER_DIRS_MAX  512

struct store;
struct writer;
struct index_txn;

struct writer_op {
    struct pg_mail mail; /* used by the writer */
    struct writer_op *next;
    /* Changes rows; may be called twice when a group is split, so it must begin from nothing. NULL:
     * there is nothing to change, but a place in the queue. */
    int (*apply)(struct writer_op *op, struct index_txn *txn, struct pg_err *err);
    /* After the commit and before any later operation, in the writer's thread; may be NULL. */
    void (*settle)(struct writer_op *op);
    void (*done)(struct writer_op *op);
    bool lazy;               /* goes with the next group, or alone after WRITER_LAZY_MS */
    struct pg_mailbox *home; /* where done() is delivered; NULL: it runs in the writer's thread */
    struct pg_err err;       /* the receiver of done() clears it */
};

struct writer *writer_new(struct store *s); /* starts the thread */
void writer_post(struct writer *w, struct writer_op *op);
void writer_free(struct writer *w); /* does what is queued, then ends the thread */

/* For cache/handover. hold: what was posted is done, and nothing more until go_on or cancel, from
 * which on each operation ends with CANCELED. Any thread but the writer's; hold waits. */
void writer_hold(struct writer *w);
void writer_go_on(struct writer *w);
void writer_cancel(struct writer *w);

/* Inside apply(): this directory, named below blobs/ ("sha256/ab"), is to be synced before the
 * commit; once per group however often it is named; and its own name with it, the first time. */
void writer_sync_dir(struct writer *w, const char *dir);

/* Posts and waits for the commit. Not for loops: recovery, fsck, tests. */
PG_MUST_USE int writer_do(struct writer *w, struct writer_op *op, struct pg_err *err);

/* Waits until what was posted before, lazy ones aside, stands in the index, or failed, as who
 * posted it hears. -1: the last group failed. Not for loops. */
int writer_catch_up(struct writer *w, struct pg_err *err);
