/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aside - work that would hold up all other requests of the loop (a document of megabytes is read):
 * it runs in the data pool, and whoever wants it waits.
 *
 * Ownership:  embedded in what it works on, which holds all that run() looks at, since whoever
 *             started it may be gone by then. From aside_start() until aside_leave(), which frees
 *             it by free(): at once when it is over, else when it is.
 * Threads:    run(): one of the pool. All else: the loop's, or main's when that has stopped.
 */
#pragma once

#include "proxy/http/loop.h"

#define ASIDE_BYTES ((size_t)64 * 1024) /* a document up to this is read at once */

struct aside {
    struct pg_job job;
    bool over, left;
    void (*run)(struct aside *a);
    void (*done)(struct aside *a); /* notes and wakes; not after aside_leave() */
    void (*free)(struct aside *a);
};

void aside_start(struct aside *a, struct loop *l);
void aside_at_once(struct aside *a); /* not aside: run() and done() before it returns */
void aside_leave(struct aside *a);   /* NULL is allowed */
