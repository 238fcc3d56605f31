/* SPDX-License-Identifier: Apache-2.0 */
/* loop_int - what a loop keeps for its connections; private to proxy/http. */
#pragma once

#include "proxy/http/conn_int.h"
#include "proxy/http/loop.h"
#include "proxy/http/wheel.h"

#define LOOP_DATE_MAX   80
#define LOOP_PAGES_KEPT 64

/* What came in this turn so far. */
struct loop_turn {
    unsigned nfresh;      /* requests that were begun since requests were run */
    unsigned nhandshakes; /* that were gone on with */
};

struct loop_work {
    uv_thread_t thread;
    bool running, stopping;
    atomic_bool drain_asked, retire_asked, stop_asked;
    struct pg_mail drain, stop;
    uv_async_t async; /* the mailbox or the bell */
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle; /* active while there is work that needs no event */
    uv_timer_t tick;
    _Atomic(const char *) stage; /* that ran last; for watch.h */
    bool heard;                  /* async came since the last check */
    struct pg_list ready;        /* connections that have something to do now */
    struct pg_list later;        /* ... in the next iteration: they had their turn in this */
    struct wheel wheel;
    struct conn_page *pages; /* free ones */
    unsigned npages;
    uint64_t nrequests;
    struct loop_turn turn;
    int64_t date_s; /* of the date below */
    char date[LOOP_DATE_MAX];
    char *scratch; /* WIRE_SCRATCH_BYTES, for whoever runs; nothing stays in it */
};

/* A connection has something to do: it is run, once, before the loop polls; or in the loop's next
 * turn. May be called again before it came. */
void loop_ready(struct loop *l, struct conn *c);
void loop_later(struct loop *l, struct conn *c);

/* At the end of a socket's callback: when many sockets had something to say at once, those that
 * were heard are served before the others are read. Connections may be closed in it. */
void loop_relieve(struct loop *l);

struct conn_page *loop_take_page(struct loop *l);
void loop_give_page(struct loop *l, struct conn_page *page);

void loop_left(struct loop *l, struct conn *c); /* its socket and its handle are closed */

struct loop *loop_here(void); /* that of the calling thread; NULL */

/* The stage that ran last; "none". Any thread. */
const char *loop_stage(const struct loop *l);

/* Its live requests and their stages, as text, for a process that is about to die. In the loop's
 * own thread, or while the loop hangs. */
void loop_tell_requests(const struct loop *l, int fd);

struct sl loop_date(struct loop *l); /* for a Date header; valid until the loop polls */
