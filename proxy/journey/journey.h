/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journey - one request of a client, from its head to its one log line.
 *
 *     route --> authn --> authz --> what the operation does --> deliver --> sent --> end
 *       |         |         |                 |                    |                 ^
 *       +---------+---------+---- fail -------+---> refuse ----> sent ---------------+
 *
 * This file has the stages that all share in front; pull_manifest, pull_blob, list_tags, referrers
 * and ping have one file each; reply has what they share behind. Each stage writes its own part of
 * the struct, which is const afterwards.
 *
 * One deadline (limits.answer_timeout from the first stage on) is shared by all waits before the
 * head: journey_left_ms(). The times come from the run queue's clock; no stage reads one.
 *
 * Ownership:  journey_begin() takes a struct from the loop's spare ones; it goes back there when
 *             the request has ended, whichever way, after finish_journey(). It pins the snapshot
 *             that was the loop's when it began.
 * Threads:    its loop's.
 */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"
#include "oci/route.h"
#include "proxy/http/conn.h"
#include "proxy/http/loop.h"
#include "proxy/http/rq.h"
#include "proxy/journey/admit.h"
#include "proxy/journey/authn.h"
#include "proxy/journey/target.h"
#include "proxy/trace.h"
#include "proxy/upstream/fetch.h"

#define JOURNEY_SPARE_MAX 64 /* kept by each loop for the next requests */

/* How the cache took part in the answer. */
enum journey_cache {
    JOURNEY_NONE,
    JOURNEY_HIT,
    JOURNEY_MISS,
    JOURNEY_COALESCED,
    JOURNEY_STALE,
    JOURNEY_REVALIDATED,
};

struct list_cache;
struct aheads;
struct older;
struct trail;
struct wish_list;
struct scanning;

/* What the journeys of one loop share. */
struct journey_home {
    struct loop *loop;
    struct store *store;
    struct fetch *fetch;
    struct list_cache *tags, *referrers; /* of all loops */
    struct pg_list refreshes;            /* under way on this loop */
    struct aheads *aheads;
    struct collect_home collects; /* of evidence */
    struct counsel *counsel;      /* NULL: OPA is not asked */
    struct trail *trail;          /* NULL: no audit log is kept */
    struct wish_list *wishes;     /* of all loops; NULL: nobody scans */
    struct scanning *scanning;    /* NULL: nothing is scanned */
    struct pg_list live;          /* journeys */
    struct pg_list spare;
    unsigned nspare;
};

/* A question to upstream under way or answered; see ask.h. */
struct journey_ask {
    struct fetch_ask *fetch;
    unsigned ticket;
    bool answered;
};

/* What is known of the answer, for the head, the log and the metrics. */
struct journey_told {
    struct digest digest; /* with has_digest */
    bool has_digest;
    enum journey_cache cache;
    struct digest newest; /* with has_newest: of the tag, which may not leave yet */
    bool has_newest;
    const char *why;     /* why it was no hit; static text or NULL */
    const char *detail;  /* with STALE: what kept us from asking; a token */
    const char *warning; /* of a Warning header; static text or NULL */
    int64_t age_s;       /* with STALE; -1: not known */
    uint64_t total_size; /* for a 416 */
    int retry_after_s;   /* 0: not said by upstream */
    int status;          /* 0: nothing was sent yet */
    uint64_t body_bytes; /* sent */
    unsigned ticket;     /* of the wait for the last byte */
    bool began, whole;   /* the head was given to send; the whole answer left */
};

/* When, by the queue's clock; 0: not reached. */
struct journey_times {
    uint64_t began_ms, deadline_ms;
    uint64_t resolved_ms; /* what is to be served is known */
    uint64_t head_ms;     /* the head was handed to send */
};

struct journey {
    struct rq rq;
    struct pg_list node; /* in home->live, or home->spare */
    struct journey_home *home;
    struct conn *conn;
    const struct conn_request *http;
    struct snapshot *snapshot;
    struct route want;            /* route */
    struct target target;         /* route; not of ping */
    struct authn_who who;         /* authn */
    struct admit_verdict verdict; /* admit */
    struct admit_wait *admit;     /* admit's; in the arena */
    struct older *older;          /* older's; in the arena */
    struct journey_ask ask;
    struct journey_told told;
    struct journey_times times;
    struct trace_span trace;
    void *op;                          /* the operation's own struct, in the arena */
    void (*op_end)(struct journey *j); /* gives back what it holds; may be NULL */
    struct pg_bytes *held;             /* a body on its way, or NULL */
    struct pg_buf body;                /* a body made here; max 0: none */
};

void journey_home_init(struct journey_home *home, struct loop *l, struct store *store,
                       struct fetch *fetch, struct shelf *shelf);
void journey_home_free(struct journey_home *home); /* no journey may be left */

void journey_begin(struct journey_home *home, struct conn *c);
struct journey *journey_of(struct rq *rq);
bool journey_is(const struct rq *rq);

/* What is left of the answer's deadline; at least 1. */
unsigned journey_left_ms(const struct journey *j);

/* How long one waits for upstream who can be served from the store meanwhile: no longer than
 * well_ms, or than down_ms while upstream is known to be dead; and never past the deadline. */
unsigned journey_patience_ms(const struct journey *j, unsigned well_ms, unsigned down_ms);
#define JOURNEY_PATIENCE_DOWN_MS 1500 /* for a list, whose question ends with the wait */

/* Why upstream could not be asked, in a word for Cache-Status: what is in the store may be served
 * stale. NULL: it has answered, or its answer cannot be right. TLS that is not right is one that
 * cannot be asked: nothing of what it would say is believed, and what is here was believed before.
 */
const char *journey_silence(enum pg_ekind kind);

/* Over the control socket: nobody waits at the other end of a build. What it has fetched gives way
 * to what clients wait for; with `Cache-Control: no-cache` upstream is asked whatever is known, and
 * nothing stale is an answer. */
bool journey_is_patient(const struct journey *j);
bool journey_must_ask(const struct journey *j);

/* Who shares an upstream's connections fairly with others: its address, whatever the port. */
struct sl journey_caller(const struct journey *j);

const char *journey_cache_name(enum journey_cache cache); /* "hit", ...; "-" for NONE */
const char *journey_op_name(const struct journey *j);
