/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/list.h"
#include "cache/adopt.h"
#include "cache/blob.h"
#include "cache/fsck_int.h"

/* A row, copied out of its view. */
struct held {
    struct digest digest;
    struct index_blob blob; /* its sums are on the heap */
};

static void let_go(struct held *h)
{
    free((void *)(uintptr_t)h->blob.chunk_sums.p);
    *h = (struct held){0};
}

/* The first row after `after`, with its sums only when they are looked at. Damaged ones were told
 * of already. */
static int next_row(struct fsck *k, const struct digest *after, struct held *h_r, bool *damaged_r,
                    struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(k->store->index);
    struct index_blob_row row;
    int found = index_next_blob(&v, after, &row, err);

    if (found != 1)
        return found;
    *damaged_r = row.damaged;
    *h_r = (struct held){.digest = row.digest};
    if (row.damaged)
        return 1;
    h_r->blob = row.blob;
    h_r->blob.chunk_sums = (struct sl){0};
    if (k->config->deep && row.blob.chunk_sums.n > 0) {
        char *p = malloc(row.blob.chunk_sums.n);

        PG_CHECK(p != NULL);
        memcpy(p, row.blob.chunk_sums.p, row.blob.chunk_sums.n);
        h_r->blob.chunk_sums = (struct sl){p, row.blob.chunk_sums.n};
    }
    return 1;
}

/* ---- deep ---- */

struct resum {
    struct writer_op op;
    struct digest digest;
    struct index_blob blob;
};

static int apply_resum(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct resum *r = pg_container_of(op, struct resum, op);
    struct index_view v = index_txn_view(txn);
    struct index_blob there;
    int found = index_get_blob(&v, &r->digest, &there, err);

    return found == 1 ? index_put_blob(txn, &r->digest, &r->blob, err) : found;
}

static bool sums_agree(const struct held *h, const struct adopt_measure *m)
{
    if (!digest_eq(&h->blob.sha256, &m->sha256))
        return false;
    if (h->blob.chunk_bytes == 0)
        return h->blob.chunk_sums.n == 0;
    return h->blob.chunk_bytes == BLOB_CHUNK_BYTES &&
           sl_eq(h->blob.chunk_sums, pg_buf_sl(&m->sums));
}

static int look_inside(struct fsck *k, const struct held *h, const char *path, struct pg_err *err)
{
    struct adopt_measure m;
    int r = adopt_measure(k->store, &h->digest, k->config->stop, &m, err);

    if (r < 0)
        return -1;
    if (r == 0) {
        fsck_found(k, FSCK_FILE_DAMAGED, fsck_drop(k, &h->digest, PUBLISH_DAMAGED), path,
                   "the file cannot be read to its end");
        return 0;
    }
    if (!digest_eq(&m.named, &h->digest)) {
        fsck_found(k, FSCK_FILE_DAMAGED, fsck_drop(k, &h->digest, PUBLISH_DAMAGED), path,
                   "the file's bytes do not have its digest");
    } else if (!sums_agree(h, &m)) {
        struct resum fix = {.op = {.apply = apply_resum},
                            .digest = h->digest,
                            .blob = {m.size, m.sha256, BLOB_CHUNK_BYTES, pg_buf_sl(&m.sums)}};

        fsck_found(k, FSCK_SUMS, fsck_change(k, &fix.op), path,
                   "the file is sound, the checksums in its row are not");
    }
    pg_buf_free(&m.sums);
    return 0;
}

/* ---- rows ---- */

static int look_at_row(struct fsck *k, const struct held *h, struct pg_err *err)
{
    char path[FSCK_PATH_MAX], below[BLOB_PATH_MAX];
    struct stat st;

    (void)fsck_path_of(&h->digest, path);
    k->result.blobs++;
    k->result.bytes += h->blob.size;
    if (fstatat(k->store->blobs_fd, blob_path(&h->digest, below), &st, AT_SYMLINK_NOFOLLOW) < 0) {
        fsck_found(k, FSCK_FILE_MISSING, fsck_drop(k, &h->digest, PUBLISH_MISSING), path,
                   "the index has a blob whose file cannot be found: %s", strerrordesc_np(errno));
        return 0;
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != h->blob.size) {
        fsck_found(k, FSCK_FILE_SIZE, fsck_drop(k, &h->digest, PUBLISH_MISSING), path,
                   "the index has a blob of %ju bytes, and this is %s with %jd",
                   (uintmax_t)h->blob.size, S_ISREG(st.st_mode) ? "a file" : "no regular file",
                   (intmax_t)st.st_size);
        return 0;
    }
    return k->config->deep ? look_inside(k, h, path, err) : 0;
}

static int look_at_rows(struct fsck *k, struct pg_err *err)
{
    struct digest last;
    bool begun = false, damaged;
    struct held h;
    int r = 0;

    while (r == 0 && !fsck_is_stopped(k)) {
        int found = next_row(k, begun ? &last : NULL, &h, &damaged, err);

        if (found != 1)
            return found;
        last = h.digest;
        begun = true;
        if (!damaged)
            r = look_at_row(k, &h, err);
        let_go(&h);
    }
    return r;
}

/* ---- files ---- */

static int has_row(struct store *s, const struct digest *d, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    struct index_blob row;

    return index_get_blob(&v, d, &row, err);
}

static int look_at_stray(struct fsck *k, const struct adopt_file *f, struct pg_err *err)
{
    char path[FSCK_PATH_MAX];

    if (k->config->repair && adopt_remove_stray(k->store, f->path, err) < 0)
        return -1;
    (void)snprintf(path, sizeof(path), "blobs/%s", f->path);
    fsck_found(k, FSCK_FILE_STRAY, k->config->repair, path, "this is not a blob");
    return 0;
}

static int look_at_file(void *arg, const struct adopt_file *f, struct pg_err *err)
{
    struct fsck *k = arg;
    char path[FSCK_PATH_MAX];
    int found;

    if (fsck_is_stopped(k))
        return 1;
    if (!f->is_blob)
        return look_at_stray(k, f, err);
    k->result.files++;
    found = has_row(k->store, &f->digest, err);
    if (found != 0)
        return found < 0 ? -1 : 0;
    if (k->config->repair && adopt_file(k->store, &f->digest, k->config->stop, err) < 0)
        return -1;
    fsck_found(k, FSCK_FILE_ORPHAN, k->config->repair, fsck_path_of(&f->digest, path),
               "the index does not have this blob");
    return 0;
}

int fsck_blob_run(struct fsck *k, struct pg_err *err)
{
    if (look_at_rows(k, err) < 0)
        return -1;
    return adopt_walk(k->store, look_at_file, k, err);
}
