/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/adopt.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/metric.h"
#include "cache/blob.h"
#include "cache/index_int.h"
#include "cache/partial.h"
#include "cache/publish.h"
#include "cache/writer.h"

#define WALK_MAX 512 /* bytes of a path below blobs/ */

/* ---- which there are ---- */

struct walk {
    struct store *store;
    int (*each)(void *arg, const struct adopt_file *f, struct pg_err *err);
    void *arg;
};

static DIR *open_dir(struct store *s, const char *path)
{
    int fd = openat(s->blobs_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (dir == NULL)
        pg_fd_close(&fd);
    return dir;
}

static bool is_blob(const char *path, struct digest *d_r)
{
    const char *slash = strchr(path, '/'), *name = strrchr(path, '/');
    char text[WALK_MAX], there[BLOB_PATH_MAX];
    struct pg_err err = {0};
    bool ok;

    if (slash == NULL || name == slash)
        return false;
    PG_CHECK((size_t)snprintf(text, sizeof(text), "%.*s:%s", (int)(slash - path), path, name + 1) <
             sizeof(text));
    ok = digest_parse((struct sl){text, strlen(text)}, d_r, &err) == 0;
    pg_err_clear(&err);
    return ok && strcmp(blob_path(d_r, there), path) == 0;
}

static bool is_dir_of_ours(struct store *s, const char *path, int depth)
{
    const char *hex = "0123456789abcdef", *two = strrchr(path, '/');
    struct stat st;

    if (depth > 1 || fstatat(s->blobs_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISDIR(st.st_mode))
        return false;
    if (depth == 0)
        return strcmp(path, "sha256") == 0 || strcmp(path, "sha512") == 0;
    return two != NULL && strlen(two) == 3 && strchr(hex, two[1]) != NULL &&
           strchr(hex, two[2]) != NULL;
}

static int walk_dir(const struct walk *w, const char *path, int depth, struct pg_err *err);

static int meet(const struct walk *w, const char *path, int depth, /* NOLINT(misc-no-recursion) */
                struct pg_err *err)
{
    struct adopt_file f = {.path = path};

    if (is_dir_of_ours(w->store, path, depth))
        return walk_dir(w, path, depth + 1, err);
    f.is_blob = is_blob(path, &f.digest);
    return w->each(w->arg, &f, err);
}

/* Not deeper than <alg>/<2>/. What cannot be listed is an error: it would look like no files. */
static int walk_dir(const struct walk *w, const char *path, /* NOLINT(misc-no-recursion) */
                    int depth, struct pg_err *err)
{
    DIR *dir = PG_FAULT("adopt.list") ? NULL : open_dir(w->store, path);
    char below[WALK_MAX];
    struct dirent *e;
    int r = 0;

    if (dir == NULL)
        return partial_disk_error(w->store, errno, "listing blobs/", err);
    while (r == 0 && (e = readdir(dir)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if ((size_t)snprintf(below, sizeof(below), "%s%s%s", depth > 0 ? path : "",
                             depth > 0 ? "/" : "", e->d_name) < sizeof(below))
            r = meet(w, below, depth, err);
    }
    (void)closedir(dir);
    return r;
}

int adopt_walk(struct store *s,
               int (*each)(void *arg, const struct adopt_file *f, struct pg_err *err), void *arg,
               struct pg_err *err)
{
    struct walk w = {s, each, arg};

    return walk_dir(&w, ".", 0, err);
}

/* ---- what is in them ---- */

struct reading {
    int fd;
    const atomic_bool *stop;
    struct pg_hash *named, *sha256;
    char *p;
};

static int read_all(struct reading *r, struct adopt_measure *m, struct pg_err *err)
{
    uint64_t at = 0;

    while (at < m->size) {
        uint64_t left = m->size - at, sum;
        size_t n = left < BLOB_CHUNK_BYTES ? (size_t)left : BLOB_CHUNK_BYTES;

        if (r->stop != NULL && atomic_load(r->stop))
            return pg_fail(err, PG_E_CANCELED, "the store closes");
        if (PG_FAULT("adopt.pread") || pg_fd_pread(r->fd, r->p, n, at) < 0) {
            pg_metric_inc(PG_M_STORE_ERRORS);
            return 0;
        }
        pg_hash_update(r->named, r->p, n);
        pg_hash_update(r->sha256, r->p, n);
        sum = htole64(XXH3_64bits(r->p, n));
        if (pg_buf_put(&m->sums, (struct sl){(const char *)&sum, sizeof(sum)}) < 0)
            return 0;
        at += n;
    }
    return 1;
}

/* m->size is set, and the algorithm of m->named. */
static int measure(int fd, const atomic_bool *stop, struct adopt_measure *m, struct pg_err *err)
{
    struct reading r = {.fd = fd,
                        .stop = stop,
                        .named = pg_hash_new(m->named.alg),
                        .sha256 = pg_hash_new(PG_SHA256),
                        .p = malloc(BLOB_CHUNK_BYTES)};
    int ok;

    PG_CHECK(r.p != NULL);
    m->sha256 = (struct digest){.alg = PG_SHA256};
    pg_buf_init(&m->sums, BLOB_SUMS_MAX);
    ok = read_all(&r, m, err);
    pg_hash_final(r.named, m->named.bytes);
    pg_hash_final(r.sha256, m->sha256.bytes);
    pg_hash_free(r.named);
    pg_hash_free(r.sha256);
    free(r.p);
    if (ok != 1)
        pg_buf_free(&m->sums);
    return ok;
}

/* 1, 0 no file to be read, -1 */
static int open_one(struct store *s, const struct digest *d, int *fd_r, struct stat *st,
                    struct pg_err *err)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    char path[BLOB_PATH_MAX];
    _fd_ int fd = PG_FAULT("adopt.open") ? -1 : openat(s->blobs_fd, blob_path(d, path), flags);

    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
        return partial_disk_error(s, errno, "opening a blob", err);
    if (fd < 0 || fstat(fd, st) < 0 || !S_ISREG(st->st_mode))
        return 0;
    *fd_r = TAKE_FD(fd);
    return 1;
}

int adopt_measure(struct store *s, const struct digest *d, const atomic_bool *stop,
                  struct adopt_measure *m_r, struct pg_err *err)
{
    struct adopt_measure m = {.named = {.alg = d->alg}};
    _fd_ int fd = -1;
    struct stat st = {0};
    int r = open_one(s, d, &fd, &st, err);

    if (r != 1)
        return r;
    m.size = (uint64_t)st.st_size;
    r = measure(fd, stop, &m, err);
    if (r == 1)
        *m_r = m;
    return r;
}

/* ---- a row for one that has none ---- */

struct adopting {
    struct store *store;
    struct digest digest;
    struct adopt_measure measure;
    struct stat st;
    struct writer_op op;
    bool is_bad, adopted;
    void (*done)(void *owner, int adopted); /* of adopt_post() */
    void *owner;
};

/* In the writer's thread, where names change: it is still the file that was read. */
static bool is_in_place(const struct adopting *a)
{
    char path[BLOB_PATH_MAX];
    struct stat now;

    return fstatat(a->store->blobs_fd, blob_path(&a->digest, path), &now, AT_SYMLINK_NOFOLLOW) ==
               0 &&
           now.st_ino == a->st.st_ino && now.st_dev == a->st.st_dev && now.st_size == a->st.st_size;
}

static int set_aside(struct adopting *a, struct pg_err *err)
{
    if (publish_quarantine(a->store, &a->digest) < 0)
        return partial_disk_error(a->store, errno, "moving a file to quarantine/", err);
    pg_metric_inc(PG_M_STORE_QUARANTINED);
    return 0;
}

static int apply(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct adopting *a = pg_container_of(op, struct adopting, op);
    struct index_blob row = {a->measure.size, a->measure.sha256, BLOB_CHUNK_BYTES,
                             pg_buf_sl(&a->measure.sums)};
    struct index_view v = index_txn_view(txn);
    struct index_blob there;
    int found = index_get_blob(&v, &a->digest, &there, err);

    if (found < 0)
        return -1;
    a->adopted = false;
    if (found == 1 || !is_in_place(a))
        return 0;
    if (a->is_bad)
        return set_aside(a, err);
    a->adopted = true;
    writer_sync_dir(a->store->writer, publish_path_of(&a->digest).dir);
    return index_put_blob(txn, &a->digest, &row, err);
}

/* What it is, and, if it is right, durably. 1; 0: there is none; -1. */
static int look_at(struct adopting *a, const atomic_bool *stop, struct pg_err *err)
{
    char path[BLOB_PATH_MAX];
    _fd_ int fd = -1;
    int r;

    if (fstatat(a->store->blobs_fd, blob_path(&a->digest, path), &a->st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    r = open_one(a->store, &a->digest, &fd, &a->st, err);
    a->measure.size = (uint64_t)a->st.st_size;
    if (r == 1)
        r = measure(fd, stop, &a->measure, err);
    if (r < 0)
        return -1;
    a->is_bad = r == 0 || !digest_eq(&a->measure.named, &a->digest);
    if (!a->is_bad && (PG_FAULT("adopt.fdatasync") || fchmod(fd, 0440) < 0 || fdatasync(fd) < 0))
        return partial_disk_error(a->store, errno, "adopting a blob", err);
    return 1;
}

int adopt_file(struct store *s, const struct digest *d, const atomic_bool *stop, struct pg_err *err)
{
    struct adopting a = {.store = s, .digest = *d, .measure = {.named = {.alg = d->alg}}};
    int r = look_at(&a, stop, err);

    a.op = (struct writer_op){.apply = apply};
    if (r == 1)
        r = writer_do(s->writer, &a.op, err) < 0 ? -1 : a.adopted;
    if (r == 1)
        pg_metric_inc(PG_M_STORE_RECOVERED);
    pg_buf_free(&a.measure.sums);
    return r;
}

static void on_written(struct writer_op *op)
{
    struct adopting *a = pg_container_of(op, struct adopting, op);
    bool failed = op->err.kind != PG_E_NONE; /* the writer has said so */

    if (!failed && a->adopted)
        pg_metric_inc(PG_M_STORE_RECOVERED);
    a->done(a->owner, failed ? -1 : a->adopted);
    pg_err_clear(&op->err);
    pg_buf_free(&a->measure.sums);
    free(a);
}

int adopt_post(struct store *s, const struct digest *d, const atomic_bool *stop,
               void (*done)(void *owner, int adopted), void *owner, struct pg_err *err)
{
    struct adopting *a = calloc(1, sizeof(*a));

    PG_CHECK(a != NULL);
    *a = (struct adopting){.store = s,
                           .digest = *d,
                           .measure = {.named = {.alg = d->alg}},
                           .op = {.apply = apply, .done = on_written},
                           .done = done,
                           .owner = owner};
    if (look_at(a, stop, err) < 0) {
        pg_buf_free(&a->measure.sums);
        free(a);
        return -1;
    }
    writer_post(s->writer, &a->op); /* also when it is gone by now: then it is not in its place */
    return 0;
}

int adopt_remove_stray(struct store *s, const char *path, struct pg_err *err)
{
    static atomic_uint number;
    char name[64];

    PG_CHECK((size_t)snprintf(name, sizeof(name), "stray.%lld.%u", (long long)pg_clock_wall_ms(),
                              atomic_fetch_add(&number, 1)) < sizeof(name));
    if (PG_FAULT("adopt.stray") || renameat(s->blobs_fd, path, s->quarantine_fd, name) < 0)
        return partial_disk_error(s, errno, "moving a stray file to quarantine/", err);
    return 0;
}
