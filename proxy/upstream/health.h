/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health - what an operator wants to know of each upstream: is it asked, does it answer, and what
 * went wrong last. One record for each name that was ever asked; it outlives reloads, so that
 * counts go on.
 *
 * Ownership:  the book owns its records until health_close(). What health_read() gives is a copy.
 * Threads:    records are made and written by the fetch thread; health_read: any.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/slice.h"
#include "proxy/upstream/budget.h"

#define HEALTH_TEXT_MAX   200
#define HEALTH_NO_HEAD_MS (UINT64_C(3600) * 1000) /* so long HEAD is not tried again */

enum health_state {
    HEALTH_UNKNOWN, /* nothing was asked yet, or not since a reload */
    HEALTH_UP,      /* it answered */
    HEALTH_LIMITED, /* it asks for patience (429) */
    HEALTH_DOWN,    /* it does not answer and is left alone, but for a probe now and then */
};

struct health_view {
    enum health_state state;
    uint64_t requests, failures, bytes; /* tokens and redirects included; bytes of bodies */
    uint64_t wait_ms;                   /* DOWN, LIMITED: until it is asked again; else 0 */
    enum pg_ekind kind;                 /* of the last failure; NONE: there was none */
    int64_t failed_wall_ms;
    char message[HEALTH_TEXT_MAX];
    struct budget budget;
    uint64_t budget_left; /* as of now */
    bool counts_blobs;    /* answers to blobs say that they are counted, too */
    bool no_head;         /* HEAD of a manifest tells no digest there: it is asked by GET */
    bool no_parts;        /* large blobs are asked for as a whole for the time being */
    uint64_t kept;        /* answers with what upstream has deleted or withdrawn */
};

struct health_book {
    pthread_mutex_t lock; /* innermost; copies only */
    struct pg_list all;
};

struct health {
    struct pg_list node;
    struct health_book *book;
    char *name;
    atomic_uint_least64_t requests, bytes;
    struct health_view view; /* under the lock; what is told of now is not used */
    uint64_t until_mono_ms, no_head_until_ms, no_parts_until_ms;
};

void health_open(struct health_book *b);
void health_close(struct health_book *b);

struct health *health_of(struct health_book *b, const char *name); /* made when it is new */

void health_reset(struct health *h); /* a reload: its breaker begins anew */
void health_answered(struct health *h);
void health_down(struct health *h, uint64_t until_mono_ms);
void health_limited(struct health *h, uint64_t until_mono_ms);
/* Upstream's own failures are noted: DOWN, WRONG, TIMEOUT. What it does not know is none. */
void health_failed(struct health *h, const struct pg_err *why);

/* The head of an answer of the upstream itself: what it says of our budget. */
void health_told(struct health *h, const struct head *head, bool is_blob);
bool health_counts_blobs(const struct health *h); /* the fetch thread's */
/* HEAD of a manifest said no digest, or was not understood. */
void health_headless(struct health *h);
bool health_is_headless(const struct health *h);                /* the fetch thread's */
void health_no_parts(struct health *h, uint64_t until_mono_ms); /* of large blobs */

/* Something was served that upstream has deleted. Any thread; a name that is not known counts
 * nowhere. */
void health_kept(struct health_book *b, struct sl name);

/* {0} for a name that was never asked. */
void health_read(struct health_book *b, struct sl name, struct health_view *view_r);

/* How many times tags.ttl a tag of this upstream counts as fresh now, or BUDGET_RESERVE. */
unsigned health_slowness(const struct health_view *v);
