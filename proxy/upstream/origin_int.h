/* SPDX-License-Identifier: Apache-2.0 */
/*
 * origin - one upstream identity: an upstream of one revision of the configuration. Its sites
 * (site_int.h), one for each of its URLs, and the lines of those who wait belong to it alone.
 *
 * At most max_connections turns run at a time. Small asks go first and may use all of them; blobs
 * leave a quarter to the asks; blobs that nobody waits for leave half of theirs to those that
 * somebody does. A blob that was ordered ahead counts as waited for once its flight has a reader,
 * also when it is on its way. A running turn that can be cut short at no loss (->yield: a part of a
 * blob) does so when somebody who is waited for needs its place.
 * Within a line those go first whose caller and repository have the least (fair_int.h).
 *
 * While there is no site that may be asked, those in line are refused at once, and so are new ones.
 * Bytes that are known by their digest may come from any site; tags, lists, and that something may
 * be read, from authoritative ones alone.
 *
 * Ownership:  a turn is embedded in its asker's object. An origin goes when nothing uses it and
 *             the configuration has moved on, or at the end. Callbacks come from origin_run().
 * Threads:    the fetch thread's.
 */
#pragma once

#include <uv.h>

#include "base/list.h"
#include "cache/flight.h"
#include "proxy/config.h"
#include "proxy/upstream/credential.h"
#include "proxy/upstream/delay_int.h"
#include "proxy/upstream/fair_int.h"
#include "proxy/upstream/site_int.h"

#define ORIGIN_WAITING_MAX 8192

enum origin_line { ORIGIN_ASKS, ORIGIN_BLOBS, ORIGIN_AHEAD, ORIGIN_LINES };

struct origins {
    uv_loop_t *uv;
    struct delays delays;
    struct pg_list all;
    struct health_book *book;
    struct credential_runner *runner;
    uint64_t revision; /* the newest that was seen */
    uint64_t made;     /* origins, so far */
};

struct origin {
    struct pg_list node;
    struct origins *set;
    uint64_t number; /* no other has it, not even after this one */
    struct snapshot *snapshot;
    const struct config_upstream *upstream;
    struct health *health;
    struct credential *credential;
    struct client_pace pace;
    struct fair fair;
    struct site sites[CONFIG_URLS_MAX];
    unsigned nsites;
    struct pg_list waiting[ORIGIN_LINES];
    struct pg_list ahead; /* running, of that line */
    unsigned nwaiting, running[ORIGIN_LINES];
};

struct origin_turn {
    struct pg_list node;
    struct origin *origin; /* NULL: neither in line nor running */
    enum origin_line line;
    enum site_class class;
    bool has_digest; /* it proves itself: any site may be asked */
    bool running;
    struct fair_party party;     /* by origin_join() */
    struct sl caller, repo;      /* the owner's; caller empty: nobody in particular */
    const struct flight *flight; /* of one in the line AHEAD */
    void (*granted)(struct origin_turn *turn);
    void (*refused)(struct origin_turn *turn, const struct pg_err *why, int retry_after_s);
    void (*yield)(struct origin_turn *turn); /* NULL, or of one AHEAD: leaves at once */
};

void origin_open(struct origins *set, uv_loop_t *uv, struct health_book *book,
                 struct credential_runner *runner);
void origin_close(struct origins *set); /* nothing is in line or running */

/* Grants and refuses turns, lets go of origins that nobody needs. Once in each turn of the loop. */
void origin_run(struct origins *set);

struct origin *origin_get(struct origins *set, struct snapshot *snapshot,
                          const struct config_upstream *upstream, struct pg_err *err);

/* Gets in line; -1 UPSTREAM_DOWN: refused at once, with *retry_after_s_r. Init the turn first. */
void origin_turn_init(struct origin_turn *turn);
PG_MUST_USE int origin_join(struct origin *o, struct origin_turn *turn, int *retry_after_s_r,
                            struct pg_err *err);
void origin_leave(struct origin_turn *turn); /* also when it was never in line */

/* Which sites one who asks has been at; bits by index. */
struct origin_path {
    unsigned tried;   /* and they failed */
    unsigned hurried; /* and they took too long while there were others */
    unsigned avoid;   /* not to be asked at all */
};

/* The site to ask next: the first that may be asked, slow ones and those hurried away from last.
 * NULL: there is none. *may_hurry_r: there is another for it. */
struct site *origin_choose(struct origin *o, const struct origin_turn *turn,
                           const struct origin_path *path, bool *may_hurry_r);
/* Why there is none: -1 UPSTREAM_DOWN. */
int origin_refuse(const struct origin *o, const struct origin_turn *turn, int *retry_after_s_r,
                  struct pg_err *err);
unsigned origin_bit(const struct site *s); /* in a path */

/* Of its sites, those that are not to be asked for parts now; bits as in a path. */
unsigned origin_partless(const struct origin *o);
/* Does the site that would be asked next give parts? */
bool origin_gives_parts(struct origin *o, const struct origin_turn *turn,
                        const struct origin_path *path);

void origin_lost(struct origin *o);       /* a site's breaker has opened */
void origin_lost_parts(struct origin *o); /* a site is not to be asked for parts */
