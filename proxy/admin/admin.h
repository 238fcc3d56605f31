/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin - what an operator and a monitor ask: two services, one for TCP that only reads, one for
 * the unix socket that may change state as well.
 *
 *     GET  /metrics /healthz /readyz                              both
 *     GET  /debug/requests /debug/flights /debug/faults           both (faults: debug builds)
 *     GET  /api/v1/status /api/v1/version /api/v1/config          both
 *     GET  /api/v1/tags /api/v1/manifests /api/v1/blobs           the unix socket alone
 *     GET  /api/v1/affected                                       the unix socket alone
 *     GET  /api/v1/retention /api/v1/retention/plan, .csv, .txt   the unix socket alone
 *     POST /api/v1/reload /api/v1/upgrade /api/v1/drain /api/v1/purge  the unix socket alone
 *
 * On TCP a request must name one of localhost, 127.0.0.1, [::1] or the configured address as its
 * Host, and must have no Origin: a page in an operator's browser cannot speak to it, whatever its
 * name resolves to. The unix socket checks the peer's uid (conn does), and refuses an Origin, too.
 *
 * Whatever must be done by the main thread is an admin_command: serve takes it by its
 * `command` function, does it, and calls admin_command_done().
 *
 * What takes its time, as listing or purging, is a job in the admin's own threads.
 *
 * Ownership:  admin_new() copies the config it is given; what it points at outlives the admin.
 *             admin_stop() after the loops have stopped and before they are freed, and before the
 *             store is closed; admin_free() after it.
 * Threads:    new, stop and free: main. admin_set_draining, admin_command_done: any.
 */
#pragma once

#include <sys/types.h>

#include "base/buf.h"
#include "base/mailbox.h"
#include "cache/flight.h"
#include "cache/store.h"
#include "proxy/http/conn.h"
#include "proxy/http/loop.h"
#include "proxy/upstream/fetch.h"
#include "signing/stamp.h"

struct job;
struct keeper;
struct shelf;
struct spawn;
struct trail;

enum admin_verb {
    ADMIN_RELOAD,  /* read the configuration again; done when every loop has taken it over */
    ADMIN_UPGRADE, /* a new process of the program takes over; done when it serves, or why not */
    ADMIN_DRAIN,   /* as SIGTERM: stop accepting, let what runs end, then exit. Done at once */
};

struct admin_command {
    struct pg_mail mail; /* serve's, from `command` to admin_command_done(): to reach its thread */
    enum admin_verb verb;
    char peer[128];           /* who asked, for the log: "unix:uid=0" */
    struct pg_err err;        /* serve's answer: kind NONE, or why not */
    uint64_t revision;        /* serve's answer: of the configuration in use now */
    struct pg_mailbox *home;  /* private to admin.c, as is the next: where it is answered */
    struct admin_request *by; /* NULL: the asker went away */
};

enum admin_plan { ADMIN_PLAN_JSON, ADMIN_PLAN_CSV, ADMIN_PLAN_TEXT };

/* Who carries rules of retention out: proxy/admin/keeper. No functions: nobody does. */
struct admin_keeper {
    struct keeper *keeper;
    int (*ask)(struct keeper *k, uint64_t *run_r, struct pg_err *err);
    void (*write)(struct keeper *k, struct pg_buf *out);
    int (*plan)(struct keeper *k, enum admin_plan form, const atomic_bool *stop, struct pg_buf *out,
                struct pg_err *err);
};

struct admin_config {
    struct store *store;
    struct fetch *fetch;
    const struct spawn *spawn; /* NULL: not told of */
    struct admin_keeper keeper;
    void (*affected)(struct job *j); /* exposure_list(); NULL: nobody answers that */
    struct shelf *shelf;             /* what is known of images; NULL: nothing is decided here */
    struct stamp stamp;              /* who is asked about timestamps */
    struct trail *trail;             /* what is done is recorded there; NULL: nowhere */
    struct loop *const *loops;       /* all of them, in order of their numbers */
    unsigned nloops;
    const char *version; /* "0.1.0" */
    const char *listen;  /* admin.listen as configured */
    uid_t control_uid;   /* who may speak on the unix socket, besides root */
    /* Called in a loop's thread. Returns at once; the command is answered later, once. */
    void (*command)(struct admin_command *c, void *owner);
    /* What is called so, a repository or an upstream, was purged. In a thread of the admin's. */
    void (*purged)(struct sl name, void *owner);
    void *owner;
    /* Writes one JSON object for a request that is no admin's; false: it is not known. May be
     * NULL. Called in the thread of the request's loop. */
    bool (*write_request)(struct rq *rq, struct pg_buf *out);
};

struct admin;

struct admin *admin_new(const struct admin_config *config); /* notes the time: start of uptime */
void admin_stop(struct admin *a); /* waits for its jobs; those that asked are gone */
void admin_free(struct admin *a);

const struct conn_service *admin_service(struct admin *a);         /* for the TCP listener */
const struct conn_service *admin_control_service(struct admin *a); /* for the unix socket */

void admin_gone(struct conn *c); /* their gone(), for who shares the socket with them */

/* Said by /readyz and /api/v1/status from now on. */
void admin_set_draining(struct admin *a);

/* c->err and c->revision are filled; afterwards c is not serve's any more. */
void admin_command_done(struct admin_command *c);
