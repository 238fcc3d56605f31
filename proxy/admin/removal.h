/* SPDX-License-Identifier: Apache-2.0 */
/*
 * removal - rules of retention, carried out: what is in the store is looked at, a plan is made, and
 * what it says goes leaves, some images at a time.
 *
 *     inventory --> plan --> indexes and images --> children, signatures
 *                             each: was it pulled since the plan was made? then it stays
 *                             a batch: their content, their tags, those that still name them; then
 *                                      their links
 *
 * A removal is a purge (cache/purge_images): links and counts change in small transactions, readers
 * of what leaves end as they would have, and what is asked for later is fetched again. Each image
 * that goes is an entry of the audit log.
 *
 * Failure:  CANCELED when pace() says no; what inventory says. One image that fails is counted, and
 *           the others go on; after REMOVAL_FAILED_MAX it ends.
 * Threads:  any but a serving loop's or the writer's: it reads files and waits for commits.
 */
#pragma once

#include "cache/store.h"
#include "retention/ruleset.h"

struct trail;

#define REMOVAL_FAILED_MAX 20

struct removal_sum {
    uint64_t manifests; /* that were looked at */
    uint64_t going;     /* that the plan removes */
    uint64_t removed, spared, failed;
    uint64_t bytes; /* that came free */
};

struct removal_task {
    struct store *store;
    struct trail *trail; /* NULL: no audit log */
    const struct ruleset *rules;
    int64_t now_s;           /* from when ages are reckoned */
    const atomic_bool *stop; /* ends it early */
    /* Before each batch; worked_us: how long the one before took. Waits for as long as it is to be
     * waited; false: no more. */
    bool (*pace)(void *owner, const struct removal_sum *sum, uint64_t worked_us);
    void (*purged)(struct sl repo, void *owner); /* something of the repository left */
    void *owner;
};

/* *sum_r says how far it came, also on -1. */
PG_MUST_USE int removal_run(const struct removal_task *task, struct removal_sum *sum_r,
                            struct pg_err *err);
