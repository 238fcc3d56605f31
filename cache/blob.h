/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob - a whole blob, open for reading: a descriptor, its size, and a bitmap of the chunks whose
 * bytes were checked against the checksums made while it was filled.
 *
 * Bytes rot on disk, not in the page cache: only checked chunks are sent. A check reads the chunk
 * in the data pool (which also brings a cold chunk into the page cache, so that sendfile on the
 * loop does not wait for the disk), and is renewed after BLOB_CHECK_S, or when size, inode or mtime
 * changed. A chunk that fails is never sent: the blob is quarantined, its row dropped, and the
 * caller told to fetch again.
 *
 * Ownership:  counted; blob_open() gives a reference out of a table of open blobs, so that all
 *             readers share one bitmap; blob_close() gives it back. The last few hundred stay open.
 * Threads:    any. Bits are atomics. One lock, the table's: innermost, around list edits only.
 */
#pragma once

#include "base/pool.h"
#include "cache/store.h"
#include "oci/digest.h"

#define BLOB_CHUNK_BYTES UINT32_C(262144)
#define BLOB_CHECK_S     86400
#define BLOB_BYTES_MAX   (UINT64_C(1) << 41) /* 2 TiB: who says that one is larger is wrong */
#define BLOB_SUMS_MAX    ((size_t)(BLOB_BYTES_MAX / BLOB_CHUNK_BYTES * 8)) /* of its checksums */

struct blob_table;

struct blob_table *blob_table_new(void);        /* by store_open(), as store->open_blobs */
void blob_table_free(struct blob_table *table); /* no reader may be left; NULL is allowed */

/* Where a blob's file is, below store->blobs_fd: "sha256/ab/abcd...". Returns out. */
#define BLOB_PATH_MAX 144
const char *blob_path(const struct digest *d, char out[BLOB_PATH_MAX]);

struct blob {
    int fd; /* for pread and sendfile, within what blob_checked_to() allows */
    uint64_t size;
    struct digest digest, sha256;
};

/* 1 open, 0 not in the store (no row, or the file is gone, no regular file, or of another size:
 * then it is quarantined and the row dropped), -1 STORE_IO. For serving loops: of an open blob one
 * fstatat(), else a lookup, openat() and fstat(); no byte of the file is read. That it was used is
 * the caller's to say (cache/use). */
int blob_open(struct store *s, const struct digest *d, struct blob **blob_r, struct pg_err *err);
void blob_close(struct blob *b); /* NULL is allowed */

/* The fill has just published d, whose bytes it hashed on their way into the page cache: opens it,
 * all chunks checked as of now, so that the first hit waits for no disk. Rot comes later, and the
 * next check with it. fd is for reading and taken over; sums are copied. */
struct blob_filled {
    struct digest digest, sha256;
    uint64_t size;
    int fd;
    struct sl chunk_sums; /* XXH3-64 of each BLOB_CHUNK_BYTES, little endian */
};
void blob_filled(struct store *s, const struct blob_filled *b);

/* The file was or will be unlinked (eviction): closes it if nobody reads it, else with its last
 * reader, so that its space comes free. */
void blob_forget(struct store *s, const struct digest *d);

/* How far from `from` on (at most to `end`) every byte may be sent now. */
uint64_t blob_checked_to(struct blob *b, uint64_t from, uint64_t end);

/* One check under way for one reader. */
struct blob_check {
    struct pg_job job;
    struct blob *blob; /* a reference of its own while the job runs */
    void *owner;       /* the reader's, for done() */
    uint64_t at;
    bool busy, orphan, failed;
    void (*done)(struct blob_check *c); /* in the thread of `home`; not after blob_check_disown() */
};

struct blob_check *blob_check_new(struct pg_mailbox *home, void (*done)(struct blob_check *c));
/* Checks the chunk that holds `at` and the next few. Afterwards done(); ->failed: damaged; nothing
 * to look at while it is busy. */
void blob_check_start(struct blob_check *c, struct blob *b, uint64_t at);
void blob_check_free(struct blob_check *c); /* also while busy: then done() will not come */
