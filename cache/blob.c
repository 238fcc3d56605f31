/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/blob.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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
#include "base/map.h"
#include "cache/index.h"
#include "cache/partial.h"
#include "cache/publish.h"

#define IDLE_MAX        256 /* blobs that stay open without a reader */
#define CHECK_AHEAD     4   /* chunks checked by one job */
#define LOOK_MAX        256 /* chunks looked at by one blob_checked_to() */
#define CHUNK_BYTES_MIN UINT32_C(65536)
#define CHUNK_BYTES_MAX UINT32_C(1048576)
#define READ_BYTES      ((size_t)256 * 1024)

struct entry {
    struct blob pub;
    struct store *store;
    struct pg_map_node node; /* this and the next four: under the table's lock */
    struct pg_list idle;     /* in the table and without a reader, the longest first */
    unsigned refs;           /* readers, checks, and the drop that is under way */
    bool in_table;
    bool gone; /* its drop is under way: it is in the table so that nobody opens it */
    struct stat id;
    uint64_t span;  /* bytes of a chunk; of the whole file when there are no checksums */
    uint64_t *sums; /* NULL: none, the digest is checked */
    size_t nchunks;
    _Atomic uint32_t checked[]; /* of each chunk: when, as stamp() tells it; 0: not yet */
};

struct blob_table {
    pthread_mutex_t lock;
    struct pg_map map;
    struct pg_list idle;
    unsigned nidle;
};

static void lock(struct blob_table *t)
{
    PG_CHECK(pthread_mutex_lock(&t->lock) == 0);
}

static void unlock(struct blob_table *t)
{
    PG_CHECK(pthread_mutex_unlock(&t->lock) == 0);
}

static struct entry *entry_of(struct blob *b)
{
    return pg_container_of(b, struct entry, pub);
}

static struct sl key_of(const struct digest *d)
{
    return (struct sl){(const char *)d, sizeof(*d)}; /* a value without padding */
}

_Static_assert(sizeof(struct digest) == sizeof(enum pg_hash_alg) + PG_HASH_BYTES_MAX, "no padding");

static uint32_t stamp(void)
{
    return (uint32_t)(pg_clock_mono_ms() / 1000) + 1;
}

const char *blob_path(const struct digest *d, char out[BLOB_PATH_MAX])
{
    char text[DIGEST_TEXT_MAX];
    struct sl t = digest_write(d, text);
    const char *hex = strchr(text, ':') + 1;
    int n = snprintf(out, BLOB_PATH_MAX, "%s/%.2s/%s", digest_alg_name(d->alg), hex, hex);

    PG_CHECK(t.n < DIGEST_TEXT_MAX && n > 0 && n < BLOB_PATH_MAX);
    return out;
}

/* ---- the table: under its lock ---- */

static struct entry *find(struct blob_table *t, const struct digest *d)
{
    struct pg_map_node *node = pg_map_get(&t->map, key_of(d));

    return node != NULL ? pg_container_of(node, struct entry, node) : NULL;
}

static void take_ref(struct blob_table *t, struct entry *e)
{
    if (!pg_list_empty(&e->idle)) {
        pg_list_remove(&e->idle);
        t->nidle--;
    }
    e->refs++;
}

static void insert(struct blob_table *t, struct entry *e)
{
    PG_CHECK(!e->in_table);
    pg_map_put(&t->map, &e->node, key_of(&e->pub.digest));
    e->in_table = true;
}

/* Out of the table. The entry, when nobody holds it: to be freed after unlock(). */
static struct entry *detach(struct blob_table *t, struct entry *e)
{
    if (e->in_table) {
        pg_map_remove(&t->map, &e->node);
        e->in_table = false;
    }
    if (!pg_list_empty(&e->idle)) {
        pg_list_remove(&e->idle);
        t->nidle--;
    }
    return e->refs == 0 ? e : NULL;
}

/* Gives a reference back; returns what is to be freed. */
static struct entry *drop_ref(struct blob_table *t, struct entry *e)
{
    PG_CHECK(e->refs > 0);
    if (--e->refs > 0)
        return NULL;
    if (!e->in_table)
        return e;
    pg_list_push(&t->idle, &e->idle);
    if (++t->nidle <= IDLE_MAX)
        return NULL;
    return detach(t, pg_container_of(t->idle.next, struct entry, idle));
}

/* ---- entries ---- */

static void free_entry(struct entry *e)
{
    if (e == NULL)
        return;
    PG_CHECK(e->refs == 0 && !e->in_table);
    pg_fd_close(&e->pub.fd);
    free(e->sums);
    free(e);
}

static bool has_sums(const struct index_blob *row)
{
    uint32_t c = row->chunk_bytes;

    return c >= CHUNK_BYTES_MIN && c <= CHUNK_BYTES_MAX && row->size > 0 &&
           row->chunk_sums.n == ((row->size - 1) / c + 1) * sizeof(uint64_t);
}

/* A new one with one reference and no descriptor. */
static struct entry *make_entry(struct store *s, const struct digest *d,
                                const struct index_blob *row)
{
    size_t nchunks = has_sums(row) ? row->chunk_sums.n / sizeof(uint64_t) : row->size > 0;
    struct entry *e = calloc(1, sizeof(*e) + nchunks * sizeof(e->checked[0]));

    PG_CHECK(e != NULL);
    e->pub = (struct blob){.fd = -1, .size = row->size, .digest = *d, .sha256 = row->sha256};
    e->store = s;
    e->refs = 1;
    e->nchunks = nchunks;
    e->span = row->size;
    pg_list_init(&e->idle);
    if (has_sums(row)) {
        e->span = row->chunk_bytes;
        e->sums = malloc(row->chunk_sums.n);
        PG_CHECK(e->sums != NULL);
        memcpy(e->sums, row->chunk_sums.p, row->chunk_sums.n);
    }
    return e;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           S_ISREG(a->st_mode) && S_ISREG(b->st_mode) && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void release(struct entry *e)
{
    struct blob_table *t = e->store->open_blobs;
    struct entry *dead;

    lock(t);
    dead = drop_ref(t, e);
    unlock(t);
    free_entry(dead);
}

static void on_dropped(void *owner)
{
    struct entry *e = owner, *dead;
    struct blob_table *t = e->store->open_blobs;

    lock(t);
    (void)detach(t, e);
    dead = drop_ref(t, e);
    unlock(t);
    free_entry(dead);
}

/* The file is not what the row says. One drop at a time, and until it is done nobody opens. The
 * caller holds a reference. */
static void report(struct entry *e, enum publish_drop_why why)
{
    struct blob_table *t = e->store->open_blobs;
    struct entry *there, *dead = NULL;
    bool first;

    lock(t);
    there = find(t, &e->pub.digest);
    first = there == NULL || !there->gone;
    if (first) {
        if (there != NULL && there != e)
            dead = detach(t, there);
        if (there != e)
            insert(t, e);
        e->gone = true;
        e->refs++;
    }
    unlock(t);
    free_entry(dead);
    if (first)
        publish_drop(e->store, &e->pub.digest, why, on_dropped, e);
}

/* ---- opening ---- */

static int load_row(struct store *s, const struct digest *d, struct entry **e_r, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    struct index_blob row;
    int found = index_get_blob(&v, d, &row, err);

    if (found == 1)
        *e_r = make_entry(s, d, &row);
    return found;
}

/* 1 open; 0: not the file of the row; -1. */
static int open_file(struct entry *e, struct pg_err *err)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    char path[BLOB_PATH_MAX];
    _fd_ int fd = -1;

    (void)blob_path(&e->pub.digest, path);
    fd = PG_FAULT("blob.open") ? -1 : openat(e->store->blobs_fd, path, flags);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO ||
                   errno == EACCES || errno == EPERM))
        return 0;
    if (fd < 0 || PG_FAULT("blob.stat") || fstat(fd, &e->id) < 0)
        return partial_disk_error(e->store, errno, "opening a blob", err);
    if (!S_ISREG(e->id.st_mode) || (uint64_t)e->id.st_size != e->pub.size)
        return 0;
    e->pub.fd = TAKE_FD(fd);
    return 1;
}

/* Two may open one blob at once: the second uses what the first put into the table. NULL: it is
 * known to be gone. Takes e over. */
static struct entry *share(struct entry *e)
{
    struct blob_table *t = e->store->open_blobs;
    struct entry *there, *dead = NULL;

    lock(t);
    there = find(t, &e->pub.digest);
    if (there == NULL) {
        insert(t, e);
    } else if (there->gone || is_same_file(&there->id, &e->id)) {
        dead = drop_ref(t, e);
        e = there->gone ? NULL : there;
        if (e != NULL)
            take_ref(t, e);
    } else {
        dead = detach(t, there);
        insert(t, e);
    }
    unlock(t);
    free_entry(dead);
    return e;
}

static struct entry *take(struct blob_table *t, const struct digest *d)
{
    struct entry *e;

    lock(t);
    e = find(t, d);
    if (e != NULL)
        take_ref(t, e);
    unlock(t);
    return e;
}

static void forget(struct entry *e)
{
    struct blob_table *t = e->store->open_blobs;
    struct entry *dead;

    lock(t);
    (void)detach(t, e);
    dead = drop_ref(t, e);
    unlock(t);
    free_entry(dead);
}

static int open_anew(struct store *s, const struct digest *d, struct entry **e_r,
                     struct pg_err *err)
{
    struct entry *e;
    int r = load_row(s, d, &e, err);

    if (r != 1)
        return r;
    r = open_file(e, err);
    if (r == 0)
        report(e, PUBLISH_MISSING);
    if (r != 1) {
        release(e);
        return r;
    }
    e = share(e);
    *e_r = e;
    return e != NULL;
}

int blob_open(struct store *s, const struct digest *d, struct blob **blob_r, struct pg_err *err)
{
    struct entry *e = take(s->open_blobs, d);
    char path[BLOB_PATH_MAX];
    struct stat now;
    int r = 1;

    if (e != NULL && e->gone) {
        release(e);
        return 0;
    }
    if (e != NULL && (fstatat(s->blobs_fd, blob_path(d, path), &now, AT_SYMLINK_NOFOLLOW) < 0 ||
                      !is_same_file(&now, &e->id))) {
        forget(e);
        e = NULL;
    }
    if (e == NULL)
        r = open_anew(s, d, &e, err);
    if (r != 1)
        return r;
    *blob_r = &e->pub;
    return 1;
}

void blob_close(struct blob *b)
{
    if (b != NULL)
        release(entry_of(b));
}

void blob_filled(struct store *s, const struct blob_filled *b)
{
    struct index_blob row = {b->size, b->sha256, BLOB_CHUNK_BYTES, b->chunk_sums};
    struct entry *e = make_entry(s, &b->digest, &row);

    e->pub.fd = b->fd;
    if (fstat(b->fd, &e->id) == 0 && S_ISREG(e->id.st_mode) && (uint64_t)e->id.st_size == b->size) {
        for (size_t i = 0; i < e->nchunks; i++)
            atomic_store(&e->checked[i], stamp());
        e = share(e);
    }
    if (e != NULL)
        release(e);
}

void blob_forget(struct store *s, const struct digest *d)
{
    struct entry *e = take(s->open_blobs, d);

    if (e == NULL)
        return;
    if (e->gone)
        release(e);
    else
        forget(e);
}

struct blob_table *blob_table_new(void)
{
    struct blob_table *t = calloc(1, sizeof(*t));

    PG_CHECK(t != NULL);
    PG_CHECK(pthread_mutex_init(&t->lock, NULL) == 0);
    pg_map_init(&t->map);
    pg_list_init(&t->idle);
    return t;
}

void blob_table_free(struct blob_table *table)
{
    if (table == NULL)
        return;
    pg_list_each_safe (it, tmp, &table->idle)
        free_entry(detach(table, pg_container_of(it, struct entry, idle)));
    PG_CHECK(table->map.n == 0 && table->nidle == 0);
    pg_map_free(&table->map);
    PG_CHECK(pthread_mutex_destroy(&table->lock) == 0);
    free(table);
}

/* ---- checks ---- */

static bool is_fresh(const struct entry *e, size_t chunk, uint32_t now)
{
    uint32_t when = atomic_load(&e->checked[chunk]);

    return when != 0 && now - when < BLOB_CHECK_S;
}

uint64_t blob_checked_to(struct blob *b, uint64_t from, uint64_t end)
{
    struct entry *e = entry_of(b);
    uint32_t now = stamp();
    uint64_t to = from;

    PG_CHECK(from <= end && end <= b->size);
    for (int i = 0; i < LOOK_MAX && to < end; i++) {
        size_t chunk = (size_t)(to / e->span);

        if (!is_fresh(e, chunk, now))
            break;
        to = (chunk + 1) * e->span;
    }
    return to < end ? to : end;
}

/* The bytes from `at` on, read and either summed or, without checksums, hashed as a whole. */
static bool is_whole(struct entry *e)
{
    char *p = malloc(READ_BYTES);
    struct pg_hash *h = pg_hash_new(e->pub.digest.alg);
    struct digest is = {.alg = e->pub.digest.alg};
    uint64_t at = 0;

    PG_CHECK(p != NULL);
    while (at < e->pub.size) {
        uint64_t left = e->pub.size - at;
        size_t n = left < READ_BYTES ? (size_t)left : READ_BYTES;

        if (PG_FAULT("blob.pread") || pg_fd_pread(e->pub.fd, p, n, at) < 0)
            break;
        pg_hash_update(h, p, n);
        at += n;
    }
    pg_hash_final(h, is.bytes);
    pg_hash_free(h);
    free(p);
    return at == e->pub.size && digest_eq(&is, &e->pub.digest);
}

static bool is_sound(struct entry *e, size_t chunk)
{
    uint64_t at = chunk * e->span, left = e->pub.size - at;
    size_t n = left < e->span ? (size_t)left : (size_t)e->span;
    bool ok;
    char *p;

    if (e->sums == NULL)
        return is_whole(e);
    p = malloc(n);
    PG_CHECK(p != NULL);
    ok = !PG_FAULT("blob.pread") && pg_fd_pread(e->pub.fd, p, n, at) == 0 &&
         XXH3_64bits(p, n) == le64toh(e->sums[chunk]);
    free(p);
    return ok;
}

/* A reader may hold a file whose name another has by now: then that one is not to blame. */
static bool is_in_place(const struct entry *e)
{
    char path[BLOB_PATH_MAX];
    struct stat now;

    return fstatat(e->store->blobs_fd, blob_path(&e->pub.digest, path), &now,
                   AT_SYMLINK_NOFOLLOW) == 0 &&
           now.st_ino == e->id.st_ino && now.st_dev == e->id.st_dev;
}

static void run_check(struct pg_job *job)
{
    struct blob_check *c = pg_container_of(job, struct blob_check, job);
    struct entry *e = entry_of(c->blob);
    size_t first = (size_t)(c->at / e->span);

    for (size_t i = first; i < first + CHECK_AHEAD && i < e->nchunks; i++) {
        if (is_fresh(e, i, stamp()))
            continue;
        if (!is_sound(e, i)) {
            c->failed = true;
            if (is_in_place(e))
                report(e, PUBLISH_DAMAGED);
            return;
        }
        atomic_store(&e->checked[i], stamp());
    }
}

static void on_checked(struct pg_job *job)
{
    struct blob_check *c = pg_container_of(job, struct blob_check, job);

    blob_close(c->blob);
    c->blob = NULL;
    c->busy = false;
    if (c->orphan)
        free(c);
    else
        c->done(c);
}

struct blob_check *blob_check_new(struct pg_mailbox *home, void (*done)(struct blob_check *c))
{
    struct blob_check *c = calloc(1, sizeof(*c));

    PG_CHECK(c != NULL);
    c->job = (struct pg_job){.run = run_check, .done = on_checked, .home = home};
    c->done = done;
    return c;
}

void blob_check_start(struct blob_check *c, struct blob *b, uint64_t at)
{
    struct entry *e = entry_of(b);
    struct blob_table *t = e->store->open_blobs;

    PG_CHECK(!c->busy && !c->orphan);
    PG_CHECK(at < b->size);
    lock(t);
    take_ref(t, e);
    unlock(t);
    c->blob = b;
    c->at = at;
    c->busy = true;
    c->failed = false;
    pg_pool_submit(e->store->config.data_pool, &c->job);
}

void blob_check_free(struct blob_check *c)
{
    if (c == NULL)
        return;
    if (c->busy)
        c->orphan = true;
    else
        free(c);
}
