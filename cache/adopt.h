/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adopt - the files in blobs/, as they are: which there are, what is in them, and a row for one
 * that has none.
 *
 * Threads: any that may block; adopt_file() and adopt_post() need the writer to run.
 */
#pragma once

#include <stdatomic.h>

#include "base/buf.h"
#include "cache/store.h"
#include "oci/digest.h"

/* Something in blobs/ that is not one of its directories. */
struct adopt_file {
    const char *path;     /* below blobs/; dies when each() returns */
    bool is_blob;         /* it is named as one, and stands where it should */
    struct digest digest; /* when is_blob */
};

/* Walks all of them; each() returns 0 to go on, 1 to stop, -1 with *err. */
PG_MUST_USE int adopt_walk(struct store *s,
                           int (*each)(void *arg, const struct adopt_file *f, struct pg_err *err),
                           void *arg, struct pg_err *err);

/* What a blob's file holds. */
struct adopt_measure {
    uint64_t size;
    struct digest named, sha256; /* named: by the algorithm of its name */
    struct pg_buf sums;          /* of each BLOB_CHUNK_BYTES, as in index_blob */
};

/* Reads it whole. 1 measured (pg_buf_free(&m_r->sums)), 0 it is gone, no regular file or cannot be
 * read to its end, -1 stopped by *stop, or STORE_IO. */
int adopt_measure(struct store *s, const struct digest *d, const atomic_bool *stop,
                  struct adopt_measure *m_r, struct pg_err *err);

/* A file without a row: verified, it gets one; else it goes to quarantine/. 1 adopted, 0 not (it
 * was wrong, or has a row by now), -1. */
int adopt_file(struct store *s, const struct digest *d, const atomic_bool *stop,
               struct pg_err *err);

/* The same for many: returns once it is measured, so that the commit is shared with those that come
 * after it. 0: done() will come, in the writer's thread, with 1, 0, or -1 (which is logged); -1. */
PG_MUST_USE int adopt_post(struct store *s, const struct digest *d, const atomic_bool *stop,
                           void (*done)(void *owner, int adopted), void *owner, struct pg_err *err);

/* Moves what nobody can have meant to put into blobs/ to quarantine/. -1 with *err. */
PG_MUST_USE int adopt_remove_stray(struct store *s, const char *path, struct pg_err *err);
