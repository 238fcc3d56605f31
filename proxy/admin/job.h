/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job - a question about the store that may take its time: it runs in a thread of the admin's own
 * pool, writes its answer there, and comes home to the loop of who asked.
 *
 * Ownership:  job_new() gives it; job_free() at any time. While it runs it is disowned then:
 *             `abandoned` tells it to end early, and it is freed when it has come home.
 * Threads:    run(): the pool's. All else: the loop's.
 */
#pragma once

#include <stdatomic.h>

#include "base/pool.h"
#include "proxy/admin/admin.h"
#include "proxy/admin/query.h"

#define JOB_BODY_MAX ((size_t)8 << 20)

struct job {
    struct pg_job pool;
    void (*run)(struct job *j); /* fills body, or err */
    void (*done)(void *owner);
    void *owner; /* NULL: disowned */
    bool is_running;
    atomic_bool abandoned;
    const struct admin_config *config;
    struct snapshot *snapshot; /* its own reference */
    struct query query;        /* in the arena */
    struct pg_arena arena;
    struct pg_buf body;
    struct pg_err err;
};

struct job *job_new(const struct admin_config *config, struct snapshot *snapshot,
                    void (*run)(struct job *j));
void job_start(struct job *j, struct pg_pool *pool, struct pg_mailbox *home,
               void (*done)(void *owner), void *owner);
void job_free(struct job *j); /* NULL is allowed */
