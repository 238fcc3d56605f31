/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper - carries rules of retention out by itself: one thread that sleeps until it is time.
 *
 *     the schedule of the rules (cron)  --+
 *     keeper_ask(): a signal, a command --+--> IDLE --> PLANNING --> REMOVING --> IDLE
 *                                                                    | waits between batches, so
 *                                                                    | that it never works more
 *                                                                    | than a part of the time
 *
 * When the store wants room (cache/gc) it asks, too, and waits for a moment: then a run need not
 * wait for its windows.
 *
 * Rules are those of the configuration in force when a run begins. Ages are reckoned by a clock
 * that does not jump (retention/ages); where that was is kept in <storage>/ages.
 *
 * Ownership:  keeper_new() to keeper_free(). It holds a reference on the newest snapshot that it
 *             was given. After keeper_stop(), which ends a run under way after the batch it is at,
 *             nothing is purged any more.
 * Threads:    any; stop and free: main.
 */
#pragma once

#include "base/buf.h"
#include "cache/store.h"
#include "proxy/admin/admin.h"
#include "proxy/config.h"

struct keeper;
struct trail;

enum keeper_why { KEEPER_SCHEDULE, KEEPER_SIGNAL, KEEPER_COMMAND, KEEPER_ROOM };

struct keeper_config {
    struct store *store;
    struct trail *trail; /* NULL: no audit log */
    void (*purged)(struct sl repo, void *owner);
    void *owner;
};

struct keeper *keeper_new(const struct keeper_config *config);
void keeper_stop(struct keeper *k); /* NULL is allowed; once */
void keeper_free(struct keeper *k); /* stopped; NULL is allowed */

/* The rules of this configuration are in force from now on. */
void keeper_use(struct keeper *k, struct snapshot *snapshot);

/* A run begins, or goes on: *run_r is its number. -1 with UNSUPPORTED: there are no rules. */
PG_MUST_USE int keeper_ask(struct keeper *k, enum keeper_why why, uint64_t *run_r,
                           struct pg_err *err);

struct admin_keeper keeper_for_admin(struct keeper *k);

/* One JSON object: what it does, when it will, what came of the last run. */
void keeper_write(struct keeper *k, struct pg_buf *out);
