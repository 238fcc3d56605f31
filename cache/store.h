/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - the front door of the cache: a directory, and everything that works on it.
 *
 *     <path>/lock                       flock()ed; a second process, or fsck --repair, refuses
 *     <path>/version                    layout version; older ones are migrated, newer refused
 *     <path>/blobs/<alg>/<2>/<hex>      whole, verified, immutable, 0440; manifests too
 *     <path>/partial/<alg>-<hex>        what is half here
 *     <path>/quarantine/                what was found damaged; emptied after a while
 *     <path>/index/                     LMDB; can be rebuilt from the rest
 *     <path>/journal/                   append-only, hash-chained: what blobs cannot tell again
 *     <path>/use                        last use of each blob, written now and then
 *
 * Opening checks the directory (a real directory, ours, not writable for others), takes the lock,
 * migrates, reads the journal, opens the index (in a child first: a damaged LMDB file may crash
 * its reader), and starts the writer thread and the background recovery: rows without a matching
 * file are dropped, files without rows verified and adopted, partials kept. It is ready before
 * the recovery ends.
 *
 * Ownership:  store_open() / store_close(); close ends the threads, all reads must be over.
 * Failure:    open: STORE_IO with a sentence an operator understands: what, which path, what to
 *             do. Later: each call says.
 * Threads:    open before other threads (it may fork); the rest as each call says.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"

struct store_config {
    const char *path;
    _Atomic uint64_t max_bytes;     /* blobs, partials and index together; 0: no limit of its own */
    _Atomic uint64_t reserve_bytes; /* always left free on the filesystem */
    bool read_only;   /* fsck without --repair: takes no lock on a closed store, no threads */
    bool accept_loss; /* go on with a broken or missing journal; recorded in the new one */
    uint64_t uncached_bytes; /* of memory, for blobs that cannot be stored; 0: they are refused */
    struct pg_pool *data_pool, *slow_pool;
};

struct index;
struct writer;
struct journal;
struct overlay;
struct land;
struct use;
struct gc;
struct blob_table;
struct partial_table;
struct recover;
struct work;
struct revoked;

struct store_filling {
    atomic_uint n;          /* fill_count() */
    _Atomic uint64_t bytes; /* of partials, those that fills are at: they cannot be evicted */
};

struct store {
    struct store_config config;
    int dir_fd, lock_fd;
    int blobs_fd, partial_fd, quarantine_fd;
    struct index *index;
    struct writer *writer;
    struct journal *journal;
    struct overlay *overlay;
    struct land *land; /* land_new(), land_free() */
    struct use *use;
    struct gc *gc;
    struct recover *recover;
    struct blob_table *open_blobs;  /* blob_table_new(), blob_table_free() */
    struct partial_table *partials; /* partial_table_new(), partial_table_free() */
    atomic_bool recovered;          /* background recovery is over */
    _Atomic uint64_t blobs, bytes;  /* in the store, by the index */
    _Atomic uint64_t partial_bytes;
    struct store_filling filling;
    _Atomic uint64_t uncached; /* bytes of memory that are taken: cache/uncached */
    struct revoked *revoked;   /* cache/revoked */
    struct work *work;         /* what the pools still do */
    /* The disk is full or fails; said by the health endpoint. Above 1: when room was refused last
     */
    _Atomic uint64_t degraded;
};

PG_MUST_USE int store_open(const struct store_config *config, struct store **store_r,
                           struct pg_err *err);
void store_close(struct store *s);

/* Room for nbytes more, by max_bytes and the reserve? Starts eviction when it is getting tight.
 * -1 with STORE_IO "the store is full ..." when it cannot be made. Any thread; one statvfs. */
PG_MUST_USE int store_make_room(struct store *s, uint64_t nbytes, struct pg_err *err);

/* A write or a look found nothing wrong: takes `degraded` back, unless room was refused within
 * STORE_FULL_MS. Any thread. */
#define STORE_FULL_MS 10000
void store_is_well(struct store *s);

/* Other limits, from now on; eviction starts if they are exceeded. Any thread. */
void store_set_limits(struct store *s, uint64_t max_bytes, uint64_t reserve_bytes);
