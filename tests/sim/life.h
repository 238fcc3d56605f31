/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life - one process that has the store open, from its opening to its end or crash. The test's
 * thread is the fetch thread and the serving loops at once; pools, writer, eviction and recovery
 * are the store's own threads, under sched.
 *
 *     upstream.c   downloads under way, and what upstream does wrong
 *     client.c     pulls of blobs, and what they may see
 *     operator.c   manifests, tags, links that come and go; purges; decay of the disk
 *     verify.c     what must be so when all is quiet
 *     life.c       chooses what happens next
 */
#pragma once

#include "cache/blob.h"
#include "cache/catalog.h"
#include "cache/fill.h"
#include "cache/store.h"

#define LIFE_CLIENTS 24
#define LIFE_CRASHED 42
#define LIFE_FEEDS   WORLD_OBJECTS

#include "sim/world.h"

enum feed_plan {
    FEED_GOOD,
    FEED_NOT_FOUND, /* upstream has no such blob */
    FEED_TRUNCATED, /* breaks off */
    FEED_SHORT,     /* ends too early, as if it were whole */
    FEED_LONG,      /* sends more than it should */
    FEED_FLIPPED,   /* one byte is another */
    FEED_LENGTH,    /* says a wrong length */
    FEED_FROM_ZERO, /* answers 200 to a Range: from the first byte on */
    FEED_PLANS
};

struct feed {
    struct fill *fill; /* NULL: none */
    unsigned object;
    enum feed_plan plan;
    bool size_known; /* by a descriptor, before upstream was asked */
    bool in_parts;   /* over several connections */
    bool is_ready, has_head, is_stalled, has_ended;
    unsigned purges;   /* of life, when it began */
    uint64_t at;       /* the next byte of the blob to be sent */
    uint64_t break_at; /* where the plan shows */
};

struct client {
    bool is_here, has_news;
    unsigned object;
    uint64_t from, end, at;      /* end: 0 until the size is known */
    bool saw_wrong;              /* a byte that was not the blob's: its last byte must never come */
    struct flight_reader reader; /* of a flight; or: */
    struct blob *blob;
    struct blob_check *check;
    bool has_failed; /* the check */
};

struct life {
    struct store_config config;
    struct store *store;
    struct pg_mailbox box;
    bool has_mail, is_rung, is_calm; /* calm: upstream is good, and all comes to its end */
    struct flight_table flights;
    struct flight_bell bell;
    enum feed_plan plan; /* of downloads while it is calm */
    struct feed feeds[LIFE_FEEDS];
    struct client clients[LIFE_CLIENTS];
    bool is_purging;
    unsigned purges; /* begun or ended */
};

extern struct life life;

/* life.c */
void life_run(const char *dir, bool is_last); /* ends the process: 0, or LIFE_CRASHED */
bool life_open(const char *dir);              /* false: refused, as after a fault it may be */
void life_close(void);
void life_lose_index(const char *dir); /* of a store that is closed */
void life_step(void);                  /* each download and each client one step */
bool life_had_faults(void); /* an I/O failed in this life: nothing that was written is sure */
bool life_is_sure(void);    /* no fault, and recovery is over: what is stored must be found */
void life_drain(void);      /* mail and the bell */
void life_settle(void);     /* until nothing is under way but stalled downloads */

/* upstream.c */
struct feed *upstream_feed_of(unsigned object); /* NULL: none is under way */
void upstream_start(unsigned object, struct flight *flight);
void upstream_step(struct feed *f);
void upstream_give_up(struct feed *f, enum pg_ekind kind);

/* client.c */
void client_ask(unsigned repo, unsigned object);
void client_step(struct client *c);
void client_leave(struct client *c);

/* operator.c */
void operator_land(unsigned repo, int tag, unsigned image); /* tag: -1, by digest */
void operator_act(void);
void operator_pulled(unsigned repo, unsigned object);
void operator_tag_gone(unsigned repo, unsigned tag);
void operator_purge(const struct catalog_scope *scope);
void operator_wait(void); /* until no purge is under way */
void operator_rot(const char *dir);

/* verify.c */
void verify_remains(const char *dir); /* before it is opened: what a row says is there, durably */
void verify_facts(void);              /* what is seen now is what may be */
void verify_quiet(void);              /* the same, durably, and every counter is right */
void verify_pull_all(void);           /* with a good upstream every blob can be had */
