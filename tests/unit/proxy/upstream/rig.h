/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig - a fetch thread on a real store in a directory of its own, a scripted upstream in another
 * process, and the test's thread as the loop that asks: it has a mailbox and a flight bell.
 *
 * Nothing sleeps: a test waits for answers and news, RIG_S seconds at most.
 */
#pragma once

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "harness/test.h"

#include "base/metric.h"
#include "cache/blob.h"
#include "cache/flight.h"
#include "cache/store.h"
#include "proxy/config.h"
#include "proxy/upstream/fetch.h"

#define RIG_S    20
#define RIG_HOLE "127.0.0.9"

struct spawn;

struct rig_options {
    const char *realms, *username, *password; /* NULL: not set */
    const char *docker_config, *helper;       /* absolute paths; NULL: not set */
    const char *url;                          /* NULL: the scripted upstream's */
    bool public_only;                         /* without allow_private */
    unsigned max_connections;                 /* 0: 16 */
    unsigned stall_ms, connect_ms, helper_ms; /* 0: 10 s, 2 s, 10 s */
    const char *password_env;
};

struct rig_ask {
    struct fetch_ask *ask;
    bool done;
};

/* One who reads a flight. */
struct rig_pull {
    struct flight_reader reader;
    enum flight_role role;
    struct digest digest;
    bool news;
};

extern struct fetch *rig_fetch;
extern struct spawn *rig_spawn;            /* NULL unless a test opens one, before all else */
extern bool rig_is_cold, rig_of_authority; /* what is asked next */
extern const char *rig_caller;             /* by whom */
/* "four." is at RIG_HOLE, then at the upstream and another; "six." at ::1, then at the upstream. */
extern sem_t rig_resolver; /* a name that begins with "hangs." is resolved when it is posted */
extern struct store *rig_store;
extern struct snapshot *rig_snapshot;

void rig_start(const struct rig_options *o);   /* also the upstream, once for all tests */
void rig_stop(void);                           /* all asks freed, all pulls left */
void rig_restart(const struct rig_options *o); /* of us: store and fetch thread */
/* A place with the upstream's port where nobody answers, not even that nobody is there. To be
 * closed. */
int rig_dig_hole(void);     /* RIG_HOLE */
int rig_dig_hole_six(void); /* ::1 */
unsigned rig_port(void);

void rig_end(void);                     /* the upstream ends */
const char *rig_path(const char *name); /* in the test's directory: "store", "password" */
void rig_turn(void);                    /* waits for something to come, and takes it */

/* Another revision of the configuration takes the place of rig_snapshot. */
void rig_reload(const struct rig_options *o);

/* One line of Python in the upstream's process (harness/scripted_upstream.py); what it prints, good
 * until the next call. */
const char *rig_py(const char *fmt, ...) PG_PRINTF(1, 2);
long rig_py_number(const char *fmt, ...) PG_PRINTF(1, 2);

void rig_ask(struct rig_ask *a, enum fetch_kind kind, const char *reference);
void rig_ask_of(struct rig_ask *a, enum fetch_kind kind, const char *repo, const char *reference,
                const char *query);
void rig_wait(struct rig_ask *a);
/* Asks, waits, frees; the error's kind. */
enum pg_ekind rig_try(enum fetch_kind kind, const char *reference);
void rig_free(struct rig_ask *a);

struct digest rig_digest(const char *digest);
/* Boards the flight of that blob; as its leader orders the download. */
void rig_pull(struct rig_pull *p, const char *digest, uint64_t size, enum fetch_priority priority);
struct flight_view rig_wait_for(struct rig_pull *p, enum flight_state state); /* or LOST */
void rig_wait_for_bytes(struct rig_pull *p, uint64_t committed);
void rig_leave(struct rig_pull *p);

/* Is the blob in the store, whole, with that digest? */
bool rig_has(const char *digest);
uint64_t rig_partial_bytes(void);
