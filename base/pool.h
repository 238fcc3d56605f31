/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool - a few threads that do blocking work for loops that must not block.
 *
 * Two of them run in pullgate: the data pool (hash and pwrite of a chunk, cold reads) and the
 * slow pool (fsync, unlink, verification). Never policy, never parsing of small things.
 *
 * Ownership:  a job is embedded in the asker's object and belongs to the pool from submit until
 *             its done() is delivered through the asker's mailbox. It cannot be stopped: an asker
 *             that goes away earlier leaves the job the memory it works on, and done() frees it.
 * Failure:    none; the queue is a list. Bounds are the askers': one job in flight for each fill
 *             and for each cold read.
 * Threads:    submit: any. run(): a pool thread. done(): the thread that drains `home`.
 */
#pragma once

#include "base/mailbox.h"

struct pg_pool;

struct pg_job {
    struct pg_mail mail; /* used by the pool; the asker sets nothing in it */
    struct pg_job *next;
    void (*run)(struct pg_job *job);
    void (*done)(struct pg_job *job);
    struct pg_mailbox *home; /* where done() is delivered; NULL: done() runs in the pool thread */
};

struct pg_pool *pg_pool_new(const char *name, unsigned nthreads); /* name: at most 10 characters */
void pg_pool_submit(struct pg_pool *pool, struct pg_job *job);
unsigned pg_pool_queued(struct pg_pool *pool); /* waiting and running, for metrics */
void pg_pool_free(struct pg_pool *pool);       /* runs what is queued, then joins its threads */
