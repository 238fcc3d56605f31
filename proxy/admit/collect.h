/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collect - fetches what may be evidence about one manifest, has it verified in the data pool, and
 * puts the dossier on the shelf; once for all that wait for it on a loop.
 *
 *     join --> ask (up to COLLECT_PIECES at a time) --> read, in the pool --+--> verify --> done
 *               ^                                                          |
 *               +----------------- more to ask ----------------------------+
 *
 * It goes on when its readers have left: the next one finds the dossier. What it fetches is landed
 * like what a client asked for. Where upstream does not answer, what the store has of it is taken,
 * and the dossier says that the looking failed.
 *
 * What has not come after `evidence.timeout` failed: a slow upstream holds no place for longer.
 * What is not verified in COLLECT_VERIFY_MS was cut. Who verifies is in nobody's way who reads.
 *
 * Ownership:  counted by its readers, its job, its mail, and by itself while it travels. A reader
 *             is embedded in its journey.
 * Failure:    none but that there are too many: collect_join() refuses (PENDING).
 * Threads:    its loop's; reading and verifying: one job of it at a time in the pool.
 */
#pragma once

#include "proxy/admit/shelf.h"
#include "proxy/http/loop.h"
#include "proxy/trace.h"
#include "proxy/upstream/fetch.h"

#define COLLECT_PIECES 8
#define COLLECT_MAX    256 /* on one loop */

struct collect;

struct collect_home {
    struct loop *loop;
    struct store *store;
    struct fetch *fetch;
    struct shelf *shelf;
    struct pg_pool *read_pool;   /* where it reads what came */
    struct pg_pool *verify_pool; /* where it verifies; its threads may wait */
    const struct stamp *stamp;   /* NULL: nobody is asked about timestamps */
    struct pg_list live;
    unsigned nlive;
};

struct collect_order {
    struct snapshot *snapshot;
    const struct config_upstream *upstream;
    struct sl repo, canonical, caller;
    struct digest subject; /* sha256 */
    struct dossier_scope scope;
    struct trace_context trace;
};

struct collect_reader {
    struct pg_list node;
    struct collect *collect;                /* NULL: not aboard */
    void (*done)(struct collect_reader *r); /* notes and wakes; at most once */
    bool answered;
};

void collect_home_init(struct collect_home *home, struct loop *l, struct store *store,
                       struct fetch *fetch, struct shelf *shelf);
/* The loop has stopped, and no reader is left. */
void collect_stop_all(struct collect_home *home);

PG_MUST_USE int collect_join(struct collect_home *home, const struct collect_order *o,
                             struct collect_reader *reader, void (*done)(struct collect_reader *r),
                             struct pg_err *err);
void collect_leave(struct collect_reader *reader); /* also when not aboard */
/* When answered. The collect's; lives until collect_leave(). */
struct dossier *collect_look(const struct collect_reader *reader);
