/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange - one question to an upstream and its answer, with what lies between: the challenge, the
 * token, the redirects. Credentials go to the upstream's own address alone, with the first request;
 * a redirect is followed without any (redirect.h), and the next exchange begins at the upstream
 * again, since the address it led to may have been for once.
 *
 *      exchange_start --> site --> [token] --> request --> 401: learn, token, request again, once;
 *                                        |        and once more with a newer login
 *                                        |------> 3xx: request there, REDIRECT_HOPS_MAX times
 *                                        |------> 200, or 206 when a range was asked: on_head,
 *                                        |        on_data*, on_done
 *                                        +------> anything else: on_done with ->err
 *
 * A 401 without a challenge (Artifact Registry) is met by asking /v2/ for one.
 *
 * It begins at the first of the upstream's sites that may be asked and was not tried. One that does
 * not say a word for SITE_PATIENCE_MS while there is another loses the question to that. It tells
 * the site's breaker what it saw. It retries nothing: ->cause says whether that would make sense,
 * exchange_turn_elsewhere() whether another site is left.
 *
 * Ownership:  embedded; exchange_init(), exchange_free(). Callbacks like those of client_int.h.
 * Failure:    ->end.err: the spec's `unknown` (404, 410, 451; 401 and 403 by the upstream itself),
 *             UPSTREAM_DOWN, UPSTREAM_WRONG, TIMEOUT.
 * Threads:    the fetch thread's.
 */
#pragma once

#include "base/buf.h"
#include "proxy/trace.h"
#include "proxy/upstream/client_int.h"
#include "proxy/upstream/origin_int.h"
#include "proxy/upstream/retry_int.h"

struct exchange;

struct exchange_events {
    bool (*on_head)(struct exchange *x); /* false: with a reason on x->call.err */
    enum client_taken (*on_data)(struct exchange *x, struct sl data);
    void (*on_done)(struct exchange *x); /* may free it */
};

struct exchange_spec {
    enum pg_ekind unknown;
    const char *path;                  /* behind /v2/ */
    const char *repo;                  /* for the token's scope */
    const char *accept;                /* the Accept header's value */
    const struct trace_context *trace; /* NULL: for nobody's sake */
    bool head;
    bool helps; /* beside another: a 429 that says no time only means that it is one too many */
    uint64_t timeout_ms; /* of each request; 0: none */
    uint64_t until;      /* > 0: Range: bytes=from-(until - 1); the owner may change it */
};

/* Of the body of an answer that is an error. */
struct exchange_drained {
    size_t n;
    bool cut; /* enough was read */
};

/* How it ended. */
struct exchange_end {
    int status; /* the last one seen, or 0 */
    enum retry_cause cause;
    int retry_after_s;
    struct pg_err err;
    bool has_authority; /* it is of a site whose word counts */
};

struct exchange {
    struct exchange_spec spec;      /* its texts are the owner's */
    const struct origin_turn *turn; /* the owner's; running */
    struct site *site;              /* NULL: none yet */
    struct origin_path path;
    const struct exchange_events *events;
    void *owner;
    uint64_t from; /* > 0: Range: bytes=from- */
    bool again;    /* this one is a retry */
    struct trace_span trace;
    struct delay later; /* the begin; then the end of the patience */
    struct token_wait wait;
    struct credential_wait login;
    struct client_call call;
    struct url at; /* where redirects have led; text NULL: nowhere */
    unsigned hops;
    bool probing, accepted;
    unsigned logins; /* answers of 401 that were followed by another try */
    enum site_auth sent;
    uint64_t serial; /* of the token or login that was sent */
    struct exchange_drained drained;
    struct pg_buf said; /* the beginning of the body of a 429 */
    struct exchange_end end;
    struct exchange_end kept; /* of the site whose word counts most, of those before */
};

void exchange_init(struct exchange *x, const struct exchange_spec *spec,
                   const struct origin_turn *turn, const struct exchange_events *events,
                   void *owner);
void exchange_free(struct exchange *x); /* stops it, too */

void exchange_start(struct exchange *x, uint64_t from, bool again); /* never calls back at once */
void exchange_stop(struct exchange *x);
/* With ->end.err `unknown`: upstream itself said that there is no such thing (404, 410, 451), or
 * that we may not see it (401, 403, at its door or at its token server's). */
bool exchange_is_unknown(const struct exchange *x);
bool exchange_is_denied(const struct exchange *x);

/* After a failure. True: another site may do better, and the next exchange_start() goes there.
 * False: none is left; ->end is now the one that counts most of all. */
bool exchange_turn_elsewhere(struct exchange *x);
void exchange_forgive(struct exchange *x); /* all sites may be asked again */

bool exchange_is_silent(const struct exchange *x); /* asked, and not a byte of an answer yet */
