/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - one serving thread: a libuv loop, a run queue of requests, a mailbox, a flight bell.
 *
 * An iteration: uv polls; callbacks note; uv_check drains mailbox and bell, then runs the run queue
 * with a budget (an idle handle keeps the loop awake while work is left); before it polls again
 * it checks that no index view is open. Deadlines of waiting requests and of connections are timers
 * of the loop.
 *
 * A loop holds the snapshot that new requests pin. loop_set_snapshot() is called by anyone and
 * returns at once; `acked` is called, in the loop, when it has taken over.
 *
 * Ownership:  loop_new() to loop_free(); a connection belongs to its loop for life.
 * Threads:    the loop's own, except where said. Loops are made before any thread runs.
 */
#pragma once

#include <stdatomic.h>
#include <uv.h>

#include "base/mailbox.h"
#include "base/pool.h"
#include "cache/flight.h"
#include "proxy/config.h"
#include "proxy/http/rq.h"

struct conn_service;

struct loop {
    uv_loop_t uv;
    struct rq_queue queue;
    struct pg_mailbox mail;
    struct flight_bell bell;
    struct snapshot *snapshot;
    struct pg_list conns;
    atomic_uint nconns; /* read by the acceptor */
    unsigned no;
    bool draining; /* keep-alive is over; idle connections are closed */
    bool retiring; /* draining, and idle connections may ask once more */
    void *app;     /* whatever serves on this loop: the journeys' context */
    struct pg_pool *data_pool;
    struct loop_work *work; /* private to loop.c: handles, thread, free list of buffers */
};

struct loop *loop_new(unsigned no, struct flight_table *flights, struct snapshot *snapshot,
                      struct pg_pool *data_pool);
void loop_run(struct loop *l);   /* starts its thread, named pg-loop-N */
void loop_drain(struct loop *l); /* any thread: no keep-alive any more, idle connections closed */
/* Any thread: as loop_drain(), for one whose clients have another server to go to: an idle
 * connection has some seconds for a last request. */
void loop_retire(struct loop *l);
void loop_stop(struct loop *l); /* any thread: resets what is left, ends and joins the thread */
void loop_free(struct loop *l);

/* Any thread. */
struct loop_reload {
    struct pg_mail mail;
    struct loop *loop;
    struct snapshot *snapshot;            /* a reference that the loop takes */
    void (*acked)(struct loop_reload *r); /* in the loop; may free *r */
    void *owner;
};
void loop_set_snapshot(struct loop *l, struct loop_reload *r);

/* Takes an accepted, non-blocking socket; the loop closes it. Any thread. The door outlives the
 * loops. */
struct conn_door;
void loop_adopt(struct loop *l, int fd, const struct conn_door *door);
