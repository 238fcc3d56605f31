/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask - small questions to upstreams. Equal ones under way are one *query*; each asker gets the
 * same answer, its body shared. A query whose last asker leaves is called off.
 *
 *     asker's thread                  fetch thread
 *     fetch_ask      ------------->   ask_begin: joins a query, or starts one
 *     done           <-------------   answered, posted home
 *     fetch_ask_free ------------->   ask_leave, when no answer has come yet
 *
 * Both sides may let go at the same time: `parts` counts who still holds the work, the way of the
 * answer and that of the leave; the last one frees it.
 */
#pragma once

#include "proxy/upstream/fetch_int.h"

struct query;

#define ASK_AUTHORITY                                                                              \
    " a" /* behind a key: of authoritative URLs alone, where others may be asked */

struct fetch_work {
    struct fetch_ask ask;
    struct fetch *fetch;
    struct pg_mail mail;  /* to the fetch thread, then home */
    struct pg_mail leave; /* to the fetch thread: the asker has gone */
    struct pg_mailbox *home;
    void (*done)(struct fetch_ask *ask); /* home's; NULL: the asker has gone */
    bool delivered;                      /* home's: the answer came */
    atomic_uint parts;
    enum fetch_kind kind;
    bool is_cold, of_authority;
    struct fetch_proof proof; /* with BLOB_PROOF */
    struct trace_context trace;
    struct snapshot *snapshot;
    const struct config_upstream *upstream;
    struct pg_arena arena; /* of all texts; the fetch thread's until it answers, then home's */
    struct sl repo, reference, query, caller, key;
    struct query *in;    /* the fetch thread's; NULL: in none */
    struct pg_list node; /* among its askers */
};

struct fetch_work *ask_new(struct fetch *f, const struct fetch_question *q);
void ask_free(struct fetch_work *w); /* done does not come any more */

/* The rest is the fetch thread's. */
void ask_begin(struct pg_mail *mail);
void ask_succeed(struct fetch_work *w, const struct fetch_answer *answer); /* shares its body */
void ask_fail(struct fetch_work *w, const struct pg_err *err, int retry_after_s);
