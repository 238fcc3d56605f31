/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gc - keeps the store within its limits: one background thread that looks now and then, and at
 * once when gc_ask() says that somebody wants room.
 *
 *     too much? --> what is in quarantine/ for more than an hour
 *               --> what rules of retention delete, if there are any: whoever carries them out is
 *                   asked, and waited for, for a moment
 *               --> partials that nobody works on, the longest unused first
 *               --> a plan: the least recently used blobs --> a trickle of drops, a few at a time
 *               --> until the low-water mark is reached
 *
 * A drop is an operation of the writer (publish_drop): row, then file. Nothing here holds anything
 * that a pull waits for; open descriptors keep serving; links stay, so what was evicted is fetched
 * again for whoever may read it. A blob whose use is not known counts as used when it was written.
 *
 * The same thread does the house's small chores: it saves the table of uses, empties quarantine/
 * of what is older than GC_QUARANTINE_S, takes `degraded` back when there is space again, and
 * frees slots of index readers that died.
 *
 * Threads:  new, free: store_open() and store_close(). ask, room, use_rules: any.
 */
#pragma once

#include "cache/store.h"

#define GC_TICK_MS      10000
#define GC_QUARANTINE_S ((int64_t)7 * 86400)
#define GC_AHEAD_BYTES  ((uint64_t)256 * 1024 * 1024)
#define GC_BATCH        64     /* drops under way at once */
#define GC_PLAN_MAX     4096   /* blobs chosen by one walk over the index */
#define GC_RULES_MS     300000 /* how often rules are asked at most */
#define GC_RULES_WAIT   50     /* steps that are waited for them */
#define GC_RULES_STEP   100    /* ms of such a step */

struct gc;

struct gc *gc_new(struct store *s); /* starts the thread */
void gc_free(struct gc *gc);        /* ends it; NULL is allowed */

/* It rests, from when hold returns until go_on: an eviction is broken off, and gone on with after
 * that; what it asked for may still be on its way to the writer. For cache/handover, as is save:
 * the table of uses, by another thread than its own. */
void gc_hold(struct gc *gc);
void gc_go_on(struct gc *gc);
void gc_save(struct gc *gc);

/* nbytes more are coming: make room for them, for GC_AHEAD_BYTES at most at a time: how much will
 * come is upstream's word, and nothing is thrown away for a word. Returns at once. */
void gc_ask(struct gc *gc, uint64_t nbytes);

/* Carries out what rules delete: begins, with *run 0, and waits for the end of that, ms at most.
 * True: it has ended, or there are no rules. */
typedef bool gc_rules_fn(void *owner, uint64_t *run, unsigned ms);

/* From now on rules are asked so; NULL: nobody is, and nobody is being asked when it returns. */
void gc_use_rules(struct gc *gc, gc_rules_fn *rules, void *owner);

/* What the limits have to say, with nbytes more to come. */
struct gc_room {
    uint64_t used;   /* blobs, partials, index */
    uint64_t avail;  /* on the filesystem */
    uint64_t excess; /* to be freed to reach the low-water mark; 0: nothing is to be done */
    bool fits;       /* now, without freeing anything */
    bool can_fit;    /* by freeing what may be freed */
};
PG_MUST_USE int gc_room(struct store *s, uint64_t nbytes, struct gc_room *room_r,
                        struct pg_err *err);

/* Removes from quarantine/ what came there before `before_s`; how many. For the tick and tests. */
unsigned gc_empty_quarantine(struct store *s, int64_t before_s);
