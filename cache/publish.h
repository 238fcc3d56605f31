/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish - verified bytes become part of the store, durably; and damaged or unwanted ones leave.
 *
 *     slow pool:      mode 0440 --> fdatasync the temporary file
 *     writer thread:  rename into blobs/ --> directory sync, once per group --> blob row and
 *                     counts, one commit
 *     home:           done()
 *
 * The row is committed only when the file and its name are durable. fsync failing means that the
 * kernel may have thrown the pages away: the file is discarded, never tried again as good.
 *
 * Names in blobs/ change in the writer's thread alone, in the order in which they were asked for:
 * that is why a file that leaves cannot be taken for the one that comes. The rename is without
 * replace. A file that stands there already is kept when a row vouches for it; one without a row,
 * of another size or of another kind is nobody's, and is replaced.
 *
 * Ownership:  struct publish is the asker's, embedded in its object; it, chunk_sums and tmp_fd stay
 *             valid and untouched from publish_blob() until done().
 * Failure:    ->err in done(). The temporary name is gone from partial/ then, unless it is
 *             CANCELED (cache/handover), and a row may only exist if err.kind is NONE.
 * Threads:    publish_blob: any. done: the thread that drains `home` (NULL: the writer's or a
 *             pool's).
 */
#pragma once

#include "base/pool.h"
#include "cache/store.h"
#include "cache/writer.h"
#include "oci/digest.h"

#define PUBLISH_NAME_MAX 192

struct publish {
    /* Set by the asker, the rest zero. */
    struct digest digest; /* verified against the bytes in tmp_fd by the asker */
    struct digest sha256;
    uint64_t size;
    uint32_t chunk_bytes; /* 0: no checksums */
    struct sl chunk_sums; /* XXH3-64 of each chunk, little endian */
    int tmp_fd;           /* open for writing; stays open, the asker closes it after done() */
    char tmp_name[PUBLISH_NAME_MAX]; /* its name in <path>/partial/ */
    struct pg_mailbox *home;
    void (*done)(struct publish *p);
    /* More rows for the same transaction; may be NULL. May be called twice, as writer_op.apply. */
    int (*apply_more)(struct publish *p, struct index_txn *txn, struct pg_err *err);

    struct pg_err err; /* valid in done(); the asker clears it */

    /* Private to publish.c. */
    struct store *store;
    struct pg_job job;
    struct writer_op op;
    bool named, kept_old; /* it stands in blobs/; another stood there already */
};

void publish_blob(struct store *s, struct publish *p);

/* Why a blob leaves. */
enum publish_drop_why {
    PUBLISH_DAMAGED, /* its bytes are wrong: the file goes to quarantine/ for an operator to see */
    PUBLISH_MISSING, /* its file is gone or of another size: what is there goes to quarantine/ */
    PUBLISH_EVICTED, /* to make room */
};

/* Takes a blob out: its row and its manifest row in a commit, and after it its file, unless it has
 * a row again: no row is without its file, however this ends. Until on_done() it stays as it was.
 * MISSING changes nothing if a file of the row's size stands there again. Links, tags and edges
 * stay: who may read it may fetch it again. Returns at once; any thread; failing is logged and
 * counted. on_done(owner) is called in the writer's thread; it may be NULL. */
void publish_drop(struct store *s, const struct digest *d, enum publish_drop_why why,
                  void (*on_done)(void *owner), void *owner);

/* "<alg>/<2>/<hex>" below <path>/blobs, and its directory, each with a NUL. */
#define PUBLISH_PATH_MAX 144
struct publish_path {
    char file[PUBLISH_PATH_MAX], dir[16];
};
struct publish_path publish_path_of(const struct digest *d);

/* Moves what stands in d's place to quarantine/ under a name that says when. The writer's thread,
 * or a store that nobody else works on. 1 moved, 0 nothing is there, -1 errno. */
int publish_quarantine(struct store *s, const struct digest *d);
