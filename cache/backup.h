/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup - a store is copied into an empty directory, while a server works on it or not: to be a
 * backup, or from one to be the store again.
 *
 *     index (a snapshot, compacted) --> journal --> files of blobs --> use, version --> the copy is
 *     opened, recovered and looked at as any store after a crash is
 *
 * Each comes after what may refer to it: a journal that is further than its index is replayed, a
 * file without a row is adopted, and a row whose file was evicted meanwhile is dropped. What has no
 * `version` yet is no store: a copy that broke off cannot be taken for one.
 *
 * Files of blobs never change, so they are linked where that can be, and copied else.
 *
 * Failure:    STORE_IO with what and where; what was copied so far is left.
 * Threads:    any that may block, in a process that has not the source open.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "cache/fsck.h"

struct backup_config {
    const char *from, *to;
    bool no_blobs;    /* the journal alone: all that cannot be fetched again */
    bool may_replace; /* what is in `to` is moved to a folder in it; else it must be empty */
    bool is_store;    /* `to` is to be a cache again, and marked as one */
    bool deep;        /* reads every blob of the copy */
    struct pg_pool *data_pool, *slow_pool;
    void (*each)(void *arg, const struct fsck_finding *f); /* of what is wrong with the copy */
    void *arg;
};

struct backup_result {
    uint64_t linked, copied, copied_bytes; /* files of blobs */
    struct fsck_result fsck;               /* of the copy */
    char replaced[32];                     /* the folder, or "" */
};

PG_MUST_USE int backup_copy(const struct backup_config *c, struct backup_result *result_r,
                            struct pg_err *err);
