/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gather - what every loop is busy with: each is asked by message, and writes its own part.
 *
 *     gather_start --> each loop's mailbox: writes its list --> home's mailbox --> done(owner)
 *
 * Ownership:  gather_start() gives it; gather_free() at any time: what is still on its way comes
 *             home to nobody and is freed then.
 * Threads:    start, free, done, gather_write: the asker's loop.
 */
#pragma once

#include "base/buf.h"
#include "proxy/http/loop.h"

#define GATHER_REQUESTS_MAX 2000 /* of each loop; more are counted only */

struct gather;

struct gather_plan {
    struct loop *const *loops;
    unsigned nloops;
    struct pg_mailbox *home;
    bool (*write_request)(struct rq *rq, struct pg_buf *out); /* in each loop's thread; or NULL */
    void (*done)(void *owner);
    void *owner;
};

struct gather *gather_start(const struct gather_plan *plan);
void gather_write(const struct gather *g, struct pg_buf *out); /* JSON, after done() */
void gather_free(struct gather *g);                            /* NULL is allowed */
