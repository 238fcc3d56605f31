/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metric.h"
#include "cache/blob.h"
#include "cache/index_int.h"
#include "cache/partial.h"
#include "cache/use.h"
#include "cache/work.h"

#define QUARANTINE_NAME_MAX 192

_Static_assert(PUBLISH_PATH_MAX == BLOB_PATH_MAX, "one layout");

struct publish_path publish_path_of(const struct digest *d)
{
    struct publish_path path = {0};

    (void)blob_path(d, path.file);
    memcpy(path.dir, path.file, (size_t)(strrchr(path.file, '/') - path.file));
    return path;
}

/* ---- in the slow pool ---- */

static void run(struct pg_job *job)
{
    struct publish *p = pg_container_of(job, struct publish, job);
    struct stat st;

    if (PG_FAULT("publish.stat") || fstat(p->tmp_fd, &st) < 0 || PG_FAULT("publish.chmod") ||
        fchmod(p->tmp_fd, 0440) < 0 || PG_FAULT("publish.fdatasync") || fdatasync(p->tmp_fd) < 0)
        (void)partial_disk_error(p->store, errno, "making a blob durable", &p->err);
    else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != p->size)
        (void)pg_fail(&p->err, PG_E_STORE_IO, "somebody else changed a file of the cache");
}

/* ---- in the writer's thread ---- */

static bool has_whole_file(struct store *s, const char *path, uint64_t size)
{
    struct stat st;

    return !PG_FAULT("publish.look") && fstatat(s->blobs_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(st.st_mode) && (uint64_t)st.st_size == size;
}

/* Their names are durable before the commit: writer_sync_dir(). */
static int make_dir(struct store *s, const char *dir)
{
    char alg[16];

    PG_CHECK((size_t)snprintf(alg, sizeof(alg), "%.*s", (int)strcspn(dir, "/"), dir) < sizeof(alg));
    if (PG_FAULT("publish.mkdir") || (mkdirat(s->blobs_fd, alg, 0700) < 0 && errno != EEXIST) ||
        (mkdirat(s->blobs_fd, dir, 0700) < 0 && errno != EEXIST))
        return -1;
    return 0;
}

/* Filesystems that know no RENAME_NOREPLACE know links, and the other way round. */
static int rename_once(struct store *s, const char *tmp, const char *path)
{
    if (PG_FAULT("publish.rename"))
        return -1;
    if (renameat2(s->partial_fd, tmp, s->blobs_fd, path, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (linkat(s->partial_fd, tmp, s->blobs_fd, path, 0) < 0)
        return -1;
    return unlinkat(s->partial_fd, tmp, 0);
}

static bool is_vouched_for(struct publish *p, struct index_txn *txn)
{
    struct index_view v = index_txn_view(txn);
    struct pg_err err = {0};
    struct index_blob row;
    int found = index_get_blob(&v, &p->digest, &row, &err);

    pg_err_clear(&err); /* a row that cannot be read vouches for nothing */
    return found == 1 && row.size == p->size;
}

/* Something stands there. 1: it was kept, 0: replaced, -1. */
static int meet(struct publish *p, const char *path, struct index_txn *txn)
{
    if (is_vouched_for(p, txn) && has_whole_file(p->store, path, p->size)) {
        (void)unlinkat(p->store->partial_fd, p->tmp_name, 0);
        return 1;
    }
    if (PG_FAULT("publish.replace"))
        return -1;
    if (renameat(p->store->partial_fd, p->tmp_name, p->store->blobs_fd, path) == 0)
        return 0;
    if (errno != EISDIR || publish_quarantine(p->store, &p->digest) < 0)
        return -1;
    return renameat(p->store->partial_fd, p->tmp_name, p->store->blobs_fd, path);
}

static int give_name(struct publish *p, const struct publish_path *path, struct index_txn *txn)
{
    int r = rename_once(p->store, p->tmp_name, path->file);

    if (r < 0 && errno == ENOENT && make_dir(p->store, path->dir) == 0)
        r = rename_once(p->store, p->tmp_name, path->file);
    if (r < 0 && errno == EEXIST) {
        r = meet(p, path->file, txn);
        p->kept_old = r == 1;
    }
    p->named = r >= 0;
    return r < 0 ? -1 : 0;
}

static int apply(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct publish *p = pg_container_of(op, struct publish, op);
    struct index_blob row = {p->size, p->sha256, p->chunk_bytes, p->chunk_sums};
    struct publish_path path = publish_path_of(&p->digest);

    if (!p->named && give_name(p, &path, txn) < 0)
        return partial_disk_error(p->store, errno, "naming a blob", err);
    writer_sync_dir(p->store->writer, path.dir);
    if (p->kept_old && !is_vouched_for(p, txn)) /* by an operation that failed since */
        return pg_fail(err, PG_E_STORE_IO, "the blob left the cache meanwhile");
    if (!p->kept_old && index_put_blob(txn, &p->digest, &row, err) < 0)
        return -1;
    return p->apply_more != NULL ? p->apply_more(p, txn, err) : 0;
}

static void settle(struct writer_op *op)
{
    struct publish *p = pg_container_of(op, struct publish, op);

    store_is_well(p->store);
}

static bool has_row(struct store *s, const struct digest *d)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    struct pg_err err = {0};
    struct index_blob row;
    int found = index_get_blob(&v, d, &row, &err);

    pg_err_clear(&err);
    return found != 0; /* not known: as if it had one, recovery looks again */
}

/* It will not be part of the store: no byte of it stays. But what was merely not written down,
 * since the store is another's, is whole, verified and durable: the heir takes it. */
static void discard(struct publish *p)
{
    struct publish_path path = publish_path_of(&p->digest);

    if (p->err.kind == PG_E_CANCELED)
        return;
    if (!p->named)
        (void)unlinkat(p->store->partial_fd, p->tmp_name, 0);
    else if (!p->kept_old && !has_row(p->store, &p->digest))
        (void)unlinkat(p->store->blobs_fd, path.file, 0);
}

static void deliver(struct pg_mail *mail)
{
    struct publish *p = pg_container_of(mail, struct publish, job.mail);

    p->done(p);
}

static void finish(struct publish *p)
{
    struct store *s = p->store;

    if (p->err.kind != PG_E_NONE)
        discard(p);
    if (p->home != NULL) {
        p->job.mail = (struct pg_mail){.deliver = deliver};
        pg_mailbox_post(p->home, &p->job.mail);
    } else {
        p->done(p);
    }
    work_let_go(s->work);
}

static void on_written(struct writer_op *op)
{
    struct publish *p = pg_container_of(op, struct publish, op);

    pg_err_move(&p->err, &op->err);
    finish(p);
}

static void on_synced(struct pg_job *job)
{
    struct publish *p = pg_container_of(job, struct publish, job);
    struct store *s = p->store;

    if (p->err.kind != PG_E_NONE) {
        finish(p);
        return;
    }
    /* The operation may be over, and the store closing, before writer_post() is left. */
    work_hold(s->work);
    p->op = (struct writer_op){.apply = apply, .settle = settle, .done = on_written};
    writer_post(s->writer, &p->op);
    work_let_go(s->work);
}

void publish_blob(struct store *s, struct publish *p)
{
    PG_CHECK(p->done != NULL && p->tmp_fd >= 0 && p->tmp_name[0] != '\0');
    PG_CHECK(p->chunk_bytes > 0 || p->chunk_sums.n == 0);
    p->store = s;
    p->named = p->kept_old = false;
    p->job = (struct pg_job){.run = run, .done = on_synced};
    work_hold(s->work);
    pg_pool_submit(s->config.slow_pool, &p->job);
}

/* ---- leaving ---- */

struct leave {
    struct store *store;
    struct digest digest;
    enum publish_drop_why why;
    struct writer_op op;
    struct pg_job job;
    int fd;       /* of a file that was unlinked: closing it gives its space back, and takes time */
    bool dropped; /* its rows are; had_row: there was one */
    bool had_row;
    bool moved; /* its file, to quarantine/ */
    void (*on_done)(void *owner);
    void *owner;
};

int publish_quarantine(struct store *s, const struct digest *d)
{
    struct publish_path path = publish_path_of(d);
    char name[QUARANTINE_NAME_MAX];
    char text[PARTIAL_NAME_MAX];

    PG_CHECK((size_t)snprintf(name, sizeof(name), "%s.%lld", partial_name(d, text),
                              (long long)pg_clock_wall_ms()) < sizeof(name));
    if (!PG_FAULT("publish.quarantine") &&
        renameat(s->blobs_fd, path.file, s->quarantine_fd, name) == 0)
        return 1;
    return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
}

static int drop_rows(struct leave *l, struct index_txn *txn, struct pg_err *err)
{
    int had = index_del_blob(txn, &l->digest, err);

    if (had < 0 || index_del_manifest(txn, &l->digest, err) < 0)
        return -1;
    l->had_row = had == 1;
    return 0;
}

static int apply_leave(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct leave *l = pg_container_of(op, struct leave, op);
    struct publish_path path = publish_path_of(&l->digest);
    struct index_view v = index_txn_view(txn);
    struct index_blob row;
    int found;

    l->dropped = false;
    if (l->why == PUBLISH_MISSING) {
        found = index_get_blob(&v, &l->digest, &row, err);
        if (found < 0)
            return -1;
        if (found == 0 || has_whole_file(l->store, path.file, row.size))
            return 0;
    }
    if (drop_rows(l, txn, err) < 0)
        return -1;
    l->dropped = true;
    return 0;
}

static void close_unlinked(struct pg_job *job)
{
    struct leave *l = pg_container_of(job, struct leave, job);

    pg_fd_close(&l->fd);
}

static void say_stays(const struct leave *l, const char *doing)
{
    struct pg_err err = {0};

    (void)partial_disk_error(l->store, errno, doing, &err);
    pg_log_say(PG_LOG_WARN, PG_LOG_STORE, "%s: %s", err.msg, err.detail);
    pg_err_clear(&err);
}

static void move_away(struct leave *l)
{
    int r = publish_quarantine(l->store, &l->digest);

    l->moved = r == 1;
    if (r == 1)
        pg_metric_inc(PG_M_STORE_QUARANTINED);
    else if (r < 0)
        say_stays(l, "moving a blob to quarantine/");
}

static void remove_evicted(struct leave *l)
{
    struct publish_path path = publish_path_of(&l->digest);

    blob_forget(l->store, &l->digest);
    use_forget(l->store->use, &l->digest);
    l->fd = openat(l->store->blobs_fd, path.file, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (PG_FAULT("publish.unlink") || unlinkat(l->store->blobs_fd, path.file, 0) < 0) {
        if (errno != ENOENT)
            say_stays(l, "removing an evicted blob");
    } else if (l->had_row) {
        struct stat st = {0};
        pg_metric_inc(PG_M_STORE_EVICTED);
        if (l->fd >= 0 && fstat(l->fd, &st) == 0)
            pg_metric_add(PG_M_STORE_RECLAIMED_BYTES, st.st_size);
    }
}

/* The row is gone for good: the file follows, unless a later operation of the same group has
 * brought both back. A file that stays has no row, and recovery looks at it. */
static void settle_leave(struct writer_op *op)
{
    struct leave *l = pg_container_of(op, struct leave, op);

    if (!l->dropped || has_row(l->store, &l->digest))
        return;
    if (l->why == PUBLISH_EVICTED)
        remove_evicted(l);
    else
        move_away(l);
}

static void log_leave(const struct leave *l)
{
    static const char *const what[] = {[PUBLISH_DAMAGED] = "damaged",
                                       [PUBLISH_MISSING] = "missing or of another size",
                                       [PUBLISH_EVICTED] = "evicted"};
    char text[DIGEST_TEXT_MAX];
    struct sl d = digest_write(&l->digest, text);

    if (l->op.err.kind != PG_E_NONE)
        pg_log_say(PG_LOG_ERROR, PG_LOG_STORE, "blob " SL_FMT ", which is %s, does not leave: %s",
                   SL_ARG(d), what[l->why], l->op.err.msg);
    else if (l->why != PUBLISH_EVICTED && (l->moved || l->had_row))
        pg_log_say(PG_LOG_WARN, PG_LOG_STORE, "blob " SL_FMT " is %s; it will be fetched again%s",
                   SL_ARG(d), what[l->why], l->moved ? "; the file is in quarantine/" : "");
}

static void free_leave(struct pg_job *job)
{
    struct leave *l = pg_container_of(job, struct leave, job);
    struct store *s = l->store;

    free(l);
    work_let_go(s->work);
}

static void on_left(struct writer_op *op)
{
    struct leave *l = pg_container_of(op, struct leave, op);

    log_leave(l);
    pg_err_clear(&op->err);
    if (l->on_done != NULL)
        l->on_done(l->owner);
    if (l->fd >= 0)
        pg_pool_submit(l->store->config.slow_pool, &l->job);
    else
        free_leave(&l->job);
}

void publish_drop(struct store *s, const struct digest *d, enum publish_drop_why why,
                  void (*on_done)(void *owner), void *owner)
{
    struct leave *l = calloc(1, sizeof(*l));

    PG_CHECK(l != NULL);
    *l = (struct leave){.store = s,
                        .digest = *d,
                        .why = why,
                        .fd = -1,
                        .on_done = on_done,
                        .owner = owner,
                        .job = {.run = close_unlinked, .done = free_leave},
                        .op = {.apply = apply_leave, .settle = settle_leave, .done = on_left}};
    work_hold(s->work);
    writer_post(s->writer, &l->op);
}
