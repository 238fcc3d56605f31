/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counsel - asks the Open Policy Agent that a policy names, in threads that may wait, and keeps
 * what it said for a short while.
 *
 *     gate: counsel_hear() -- it is known: facts->opinion, in the arena
 *                          -- it is not:   the document that has to be asked about
 *     journey: counsel_ask(document) ... done() -> the ask goes into the hearing; ask the gate
 * again
 *
 * An opinion is kept by policy and document, for the policy's `cache`, while OPA tells the same
 * revision of its bundles. That OPA could not be asked is not kept; but who was waiting for a
 * thread when it became known shares the failure, so that a crowd waits once.
 *
 * Ownership:  an ask is counted by who asks and by its job. The pool and the loops' mailboxes
 *             outlive the jobs; the counsel outlives both.
 * Bounds:     COUNSEL_KEPT opinions, of COUNSEL_ANSWER_BYTES each; COUNSEL_WAITING_MAX asks.
 * Failure:    none: that it could not be asked is an opinion of its own (FACTS_SAID_NOTHING).
 * Threads:    hear: any. ask, leave, done(): the asker's loop. The jobs: the pool's.
 */
#pragma once

#include "base/pool.h"
#include "policy/opa.h"

#define COUNSEL_KEPT         4096
#define COUNSEL_WAITING_MAX  512
#define COUNSEL_ASKS_MAX     8 /* of one request */
#define COUNSEL_ANSWER_BYTES ((size_t)8192)

struct counsel;
struct counsel_ask;

struct counsel *counsel_new(struct pg_pool *pool); /* NULL: for counsel_ask_now() alone */
void counsel_free(struct counsel *c);              /* NULL is allowed */

/* What a request has heard so far. */
struct counsel_hearing {
    struct counsel *counsel; /* NULL: nobody is asked */
    struct counsel_ask *asks[COUNSEL_ASKS_MAX];
    size_t nasks;
};

/* Of facts that all rules allow. True: it is known, facts->opinion is filled, or nobody can be
 * asked. False: *document_r, in the arena, has to be asked about. */
bool counsel_hear(const struct counsel_hearing *h, const struct policy *p, struct facts *f,
                  struct pg_arena *arena, struct sl *document_r);

struct counsel_ask *counsel_ask(struct counsel *c, struct policy *p, struct sl document,
                                struct pg_mailbox *home, void (*done)(void *owner), void *owner);
bool counsel_is_answered(const struct counsel_ask *a);
void counsel_leave(struct counsel_ask *a); /* NULL is allowed */

/* The same for who may wait, a command: it is answered when this returns. */
struct counsel_ask *counsel_ask_now(struct counsel *c, struct policy *p, struct sl document);

/* Of one image alone: fills facts->opinion. */
void counsel_ask_once(const struct policy *p, struct facts *f, struct pg_arena *arena);
