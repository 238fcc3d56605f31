/* SPDX-License-Identifier: Apache-2.0 */
/*
 * origin - one upstream identity: an upstream of one revision of the configuration. Its
 * connections, tokens, breakers and lines of those who wait belong to it alone.
 *
 * At most max_connections turns run at a time. Small asks go first and may use all of them; blobs
 * leave a quarter to the asks; blobs that nobody waits for leave half of theirs to those that
 * somebody does. A blob that was ordered ahead counts as waited for once its flight has a reader.
 *
 * While the breaker is open, those in line are refused at once, and so are new ones. A quota that
 * is spent (429, budget.h) holds back its class alone: the blobs of an image whose manifest was the
 * last one allowed still come. Any other 429 holds back all.
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
#include "proxy/upstream/breaker.h"
#include "proxy/upstream/client_int.h"
#include "proxy/upstream/credential.h"
#include "proxy/upstream/delay_int.h"
#include "proxy/upstream/token.h"
#include "proxy/upstream/url.h"

#define ORIGIN_WAITING_MAX 8192

enum origin_class { ORIGIN_MANIFEST, ORIGIN_HEAD, ORIGIN_LIST, ORIGIN_BLOB, ORIGIN_CLASSES };
enum origin_auth { ORIGIN_NO_AUTH, ORIGIN_BEARER, ORIGIN_BASIC }; /* as learnt from a challenge */
enum origin_line { ORIGIN_ASKS, ORIGIN_BLOBS, ORIGIN_AHEAD, ORIGIN_LINES };

struct origins {
    uv_loop_t *uv;
    struct delays delays;
    struct pg_list all;
    struct health_book *book;
    struct credential_runner *runner;
    uint64_t revision; /* the newest that was seen */
};

struct origin {
    struct pg_list node;
    struct origins *set;
    struct snapshot *snapshot;
    const struct config_upstream *upstream;
    struct url base;
    struct health *health;
    struct client *client;
    struct credential *credential;
    struct token_table *tokens;
    enum origin_auth auth;
    struct breaker breaker, holds[ORIGIN_CLASSES];
    struct pg_list waiting[ORIGIN_LINES];
    unsigned nwaiting, running[ORIGIN_LINES];
};

struct origin_turn {
    struct pg_list node;
    struct origin *origin; /* NULL: neither in line nor running */
    enum origin_line line;
    enum origin_class class;
    bool running;
    const struct flight *flight; /* of one in the line AHEAD */
    void (*granted)(struct origin_turn *turn);
    void (*refused)(struct origin_turn *turn, const struct pg_err *why, int retry_after_s);
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

/* Before each request of a turn: -1 UPSTREAM_DOWN. */
PG_MUST_USE int origin_may(struct origin *o, enum origin_class class, int *retry_after_s_r,
                           struct pg_err *err);
void origin_answered(struct origin *o, enum origin_class class);
void origin_failed(struct origin *o, enum breaker_weight weight, const struct pg_err *why);
/* After a 429. ORIGIN_CLASSES: all of them. */
void origin_hold(struct origin *o, enum origin_class class, int seconds);
int origin_held_s(const struct origin *o, enum origin_class class); /* the last time; 0: answered */
