/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/fill.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metric.h"
#include "cache/blob.h"
#include "cache/partial.h"
#include "cache/publish.h"
#include "cache/use.h"

#define REHASH_BYTES ((uint64_t)1024 * 1024)      /* by one job */
#define SUMS_MAX     ((size_t)64 * 1024 * 1024)   /* of checksums: a blob of 2 TiB */
#define ROOM_BYTES   ((uint64_t)64 * 1024 * 1024) /* asked for at once, as they come */

enum doing { IDLE, OPENING, REHASHING, WRITING, DROPPING, PUBLISHING };

struct half {
    char *p;
    size_t n;
};

struct hashes {
    struct pg_hash *sha256, *sha512; /* the second only for a name that is made with it */
    XXH3_state_t *chunk;             /* of the chunk that `hashed` is in */
    struct pg_buf sums;
};

/* While a job runs, all from `fd` to `disk_err` is its own; the rest is the owner's. */
struct fill_work {
    struct fill *fill;
    struct pg_job job;
    struct publish publish;
    enum doing doing;
    int fd, read_fd;
    uint64_t kept;   /* the prefix that an earlier fill left */
    uint64_t hashed; /* on the disk and in the hashes */
    struct hashes is;
    uint64_t size; /* fill->size as of the job's start */
    uint64_t room; /* so far up to here the store had room */
    struct half writing;
    struct pg_err disk_err; /* how the job failed */

    struct half filling;
    uint64_t told; /* committed to the flight */
    bool is_ready, has_head, want_room, is_ending, is_wrong, is_dropped;
    bool has_failed; /* the disk; the owner knows */
    bool is_quitting;
    struct pg_err why;
};

static void go_on(struct fill_work *w);

/* ---- jobs: in a pool ---- */

static void end_chunk(struct fill_work *w)
{
    uint64_t sum = htole64(XXH3_64bits_digest(w->is.chunk));

    if (pg_buf_put(&w->is.sums, (struct sl){(const char *)&sum, sizeof(sum)}) < 0)
        (void)pg_fail(&w->disk_err, PG_E_STORE_IO, "the blob is too large for the cache");
    (void)XXH3_64bits_reset(w->is.chunk);
}

/* Bytes that are in the file, in order. */
static void hash(struct fill_work *w, const char *p, size_t n)
{
    pg_hash_update(w->is.sha256, p, n);
    if (w->is.sha512 != NULL)
        pg_hash_update(w->is.sha512, p, n);
    while (n > 0) {
        size_t room = (size_t)(BLOB_CHUNK_BYTES - w->hashed % BLOB_CHUNK_BYTES);
        size_t part = n < room ? n : room;

        (void)XXH3_64bits_update(w->is.chunk, p, part);
        w->hashed += part;
        if (part == room)
            end_chunk(w);
        p += part;
        n -= part;
    }
}

static int open_files(struct fill_work *w)
{
    struct fill *f = w->fill;
    char name[PARTIAL_NAME_MAX];

    if (partial_open(f->store, &f->digest, w->size, &w->fd, &w->kept, &w->disk_err) < 0)
        return -1;
    w->read_fd = PG_FAULT("fill.open")
                     ? -1
                     : openat(f->store->partial_fd, partial_name(&f->digest, name),
                              O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (w->read_fd < 0)
        return partial_disk_error(f->store, errno, "opening a file in partial/", &w->disk_err);
    return store_make_room(f->store, w->size != UINT64_MAX ? w->size - w->kept : 0, &w->disk_err);
}

static void run_open(struct fill_work *w)
{
    partial_claim_wait(w->fill->store, &w->fill->digest);
    if (open_files(w) < 0)
        PG_CHECK(w->disk_err.kind != PG_E_NONE); /* on_job() looks at it */
}

static void run_rehash(struct fill_work *w)
{
    uint64_t end = w->kept - w->hashed < REHASH_BYTES ? w->kept : w->hashed + REHASH_BYTES;
    char *p = malloc(FILL_BUFFER_BYTES);

    PG_CHECK(p != NULL);
    while (w->hashed < end && w->disk_err.kind == PG_E_NONE) {
        uint64_t left = end - w->hashed;
        size_t n = left < FILL_BUFFER_BYTES ? (size_t)left : FILL_BUFFER_BYTES;

        if (PG_FAULT("fill.pread") || pg_fd_pread(w->fd, p, n, w->hashed) < 0)
            (void)partial_disk_error(w->fill->store, errno, "reading what was kept of a blob",
                                     &w->disk_err);
        else
            hash(w, p, n);
    }
    free(p);
}

/* The whole was asked for at the beginning, if its size was known; but room is made only as far
 * ahead as bytes have come. */
static int find_room(struct fill_work *w)
{
    uint64_t left = w->size - w->hashed, need = left < ROOM_BYTES ? left : ROOM_BYTES;

    if (w->hashed + w->writing.n <= w->room)
        return 0;
    w->room = w->hashed + need;
    return store_make_room(w->fill->store, need, &w->disk_err);
}

static void run_write(struct fill_work *w)
{
    struct store *s = w->fill->store;

    if (find_room(w) < 0)
        return;
    if (PG_FAULT("fill.pwrite") || pg_fd_pwrite(w->fd, w->writing.p, w->writing.n, w->hashed) < 0) {
        (void)partial_disk_error(s, errno, "writing a blob", &w->disk_err);
        if (ftruncate(w->fd, (off_t)w->hashed) < 0) /* it is counted as so long */
            pg_metric_inc(PG_M_STORE_ERRORS);       /* and rehashed when it is gone on with */
        return;
    }
    atomic_fetch_add(&s->partial_bytes, w->writing.n);
    hash(w, w->writing.p, w->writing.n);
}

static void run(struct pg_job *job)
{
    struct fill_work *w = pg_container_of(job, struct fill_work, job);

    switch (w->doing) {
    case OPENING:
        run_open(w);
        return;
    case REHASHING:
        run_rehash(w);
        return;
    case WRITING:
        run_write(w);
        return;
    case DROPPING:
        partial_drop(w->fill->store, &w->fill->digest);
        return;
    case IDLE:
    case PUBLISHING:
        break;
    }
    PG_BUG("no such job");
}

/* ---- the owner's thread ---- */

static void start(struct fill_work *w, enum doing what)
{
    struct store_config *c = &w->fill->store->config;

    PG_CHECK(w->doing == IDLE);
    w->doing = what;
    w->size = w->fill->size;
    pg_pool_submit(what == DROPPING ? c->slow_pool : c->data_pool, &w->job);
}

static void start_write(struct fill_work *w)
{
    struct half full = w->filling;

    w->filling = w->writing;
    w->filling.n = 0;
    w->writing = full;
    start(w, WRITING);
}

static void free_half(struct half *h)
{
    free(h->p);
    *h = (struct half){0};
}

static void free_fill(struct fill_work *w)
{
    struct fill *f = w->fill;
    struct store *s = f->store;

    PG_CHECK(w->doing == IDLE && f->flight == NULL);
    pg_fd_close(&w->fd);
    pg_fd_close(&w->read_fd);
    pg_hash_free(w->is.sha256);
    pg_hash_free(w->is.sha512);
    (void)XXH3_freeState(w->is.chunk);
    pg_buf_free(&w->is.sums);
    free_half(&w->writing);
    free_half(&w->filling);
    pg_err_clear(&w->disk_err);
    pg_err_clear(&w->why);
    pg_err_clear(&f->err);
    free(w);
    free(f);
    atomic_fetch_sub(&s->fills, 1);
}

static void tell(struct fill_work *w)
{
    if (w->has_head && w->hashed > w->told) {
        flight_commit(w->fill->flight, w->hashed - w->told);
        w->told = w->hashed;
    }
}

static void give_head(struct fill_work *w)
{
    if (w->has_head || w->fill->size == UINT64_MAX)
        return;
    w->has_head = true;
    flight_head(w->fill->flight, w->fill->size);
    tell(w);
}

static void on_published(struct publish *p)
{
    struct fill_work *w = pg_container_of(p, struct fill_work, publish);
    struct fill *f = w->fill;
    struct flight *flight = f->flight;

    w->doing = IDLE;
    partial_take_off(f->store, w->hashed);
    partial_release(f->store, &f->digest);
    if (p->err.kind == PG_E_NONE) {
        blob_filled(f->store, &(struct blob_filled){f->digest, p->sha256, w->hashed,
                                                    TAKE_FD(w->read_fd), p->chunk_sums});
        use_touch(f->store->use, &f->digest, pg_clock_wall_s());
        flight_finish(flight);
    } else {
        pg_log_say(PG_LOG_ERROR, PG_LOG_STORE, "a blob was served and is not kept: %s (%s)",
                   p->err.msg, p->err.detail != NULL ? p->err.detail : "");
        flight_fail(flight, &p->err);
    }
    f->flight = NULL;
    pg_err_clear(&p->err);
    if (!w->is_quitting)
        f->on_event(f, FILL_LANDED);
    free_fill(w);
}

static void start_publish(struct fill_work *w, const struct digest *sha256)
{
    struct fill *f = w->fill;

    w->doing = PUBLISHING;
    w->publish = (struct publish){.digest = f->digest,
                                  .sha256 = *sha256,
                                  .size = w->hashed,
                                  .chunk_bytes = BLOB_CHUNK_BYTES,
                                  .chunk_sums = pg_buf_sl(&w->is.sums),
                                  .tmp_fd = w->fd,
                                  .home = w->job.home,
                                  .done = on_published};
    _Static_assert(PARTIAL_NAME_MAX <= PUBLISH_NAME_MAX, "a partial is published");
    (void)partial_name(&f->digest, w->publish.tmp_name);
    free_half(&w->writing);
    free_half(&w->filling);
    publish_blob(f->store, &w->publish);
}

/* The whole body is in the file: is it what was asked for? */
static void verify(struct fill_work *w)
{
    struct fill *f = w->fill;
    struct digest sha256 = {.alg = PG_SHA256}, named;

    pg_hash_final(w->is.sha256, sha256.bytes);
    named = sha256;
    if (w->is.sha512 != NULL) {
        named = (struct digest){.alg = PG_SHA512};
        pg_hash_final(w->is.sha512, named.bytes);
    }
    if (w->hashed % BLOB_CHUNK_BYTES != 0)
        end_chunk(w);
    if (f->size != UINT64_MAX && f->size != w->hashed)
        (void)pg_fail(&f->err, PG_E_UPSTREAM_WRONG,
                      "upstream's blob has %ju bytes, and not the %ju it should have",
                      (uintmax_t)w->hashed, (uintmax_t)f->size);
    else if (!digest_eq(&named, &f->digest))
        (void)pg_fail(&f->err, PG_E_UPSTREAM_WRONG,
                      "upstream's blob does not have the digest it should have");
    w->is_wrong = f->err.kind != PG_E_NONE;
    if (w->is_wrong) {
        start(w, DROPPING);
        return;
    }
    f->size = w->hashed;
    give_head(w);
    flight_verify(f->flight);
    start_publish(w, &sha256);
}

/* The owner gave up, and no job is running. */
static void quit(struct fill_work *w)
{
    struct fill *f = w->fill;
    struct flight *flight = f->flight;
    bool is_bad = w->why.kind == PG_E_UPSTREAM_WRONG || w->disk_err.kind != PG_E_NONE;
    bool is_empty = w->kept == 0 && w->hashed == 0 && w->filling.n == 0;

    if (w->fd >= 0 && !w->is_dropped && (is_bad || is_empty)) {
        start(w, DROPPING);
        return;
    }
    if (w->fd >= 0 && !w->is_dropped && w->filling.n > 0 && w->hashed >= w->kept) {
        start_write(w); /* what has come is kept for the next to ask */
        return;
    }
    partial_release(f->store, &f->digest);
    f->flight = NULL;
    flight_fail(flight, &w->why);
    free_fill(w);
}

static void get_ready(struct fill_work *w)
{
    struct fill *f = w->fill;

    w->is_ready = true;
    f->have = w->kept;
    if (w->kept > 0) {
        give_head(w);
        start(w, REHASHING);
    }
    f->on_event(f, FILL_READY);
}

static void fail(struct fill_work *w)
{
    struct fill *f = w->fill;

    if (w->has_failed)
        return;
    w->has_failed = true;
    pg_err_copy(&f->err, &w->disk_err);
    f->on_event(f, FILL_DISK);
}

static void answer_room(struct fill_work *w)
{
    struct fill *f = w->fill;

    if (!w->want_room)
        return;
    w->want_room = false;
    f->on_event(f, FILL_ROOM);
}

/* What is next, when no job is running. An event is the last thing done: the owner may call back,
 * and that may free the fill. */
static void go_on(struct fill_work *w)
{
    PG_CHECK(w->doing == IDLE);
    if (!w->is_wrong)
        tell(w);
    if (w->is_quitting) {
        quit(w);
    } else if (w->disk_err.kind != PG_E_NONE) {
        fail(w);
    } else if (w->is_wrong) {
        w->fill->on_event(w->fill, FILL_WRONG);
    } else if (!w->is_ready) {
        get_ready(w);
    } else if (w->hashed < w->kept) {
        start(w, REHASHING);
    } else if (w->filling.n > 0) {
        start_write(w);
        answer_room(w);
    } else if (w->is_ending) {
        verify(w);
    } else {
        answer_room(w);
    }
}

static void on_job(struct pg_job *job)
{
    struct fill_work *w = pg_container_of(job, struct fill_work, job);

    if (w->doing == DROPPING)
        w->is_dropped = true;
    w->doing = IDLE;
    go_on(w);
}

/* NOLINTNEXTLINE(readability-function-size): all of them differ from fill to fill */
struct fill *fill_open(struct store *s, struct flight *flight, const struct digest *d,
                       uint64_t size, struct pg_mailbox *home,
                       void (*on_event)(struct fill *f, enum fill_event event), void *owner)
{
    struct fill *f = calloc(1, sizeof(*f));
    struct fill_work *w = calloc(1, sizeof(*w));

    PG_CHECK(f != NULL && w != NULL);
    PG_CHECK(home != NULL);
    *f = (struct fill){.store = s,
                       .flight = flight,
                       .digest = *d,
                       .size = size,
                       .on_event = on_event,
                       .owner = owner,
                       .work = w};
    *w = (struct fill_work){.fill = f,
                            .job = {.run = run, .done = on_job, .home = home},
                            .fd = -1,
                            .read_fd = -1,
                            .is = {.sha256 = pg_hash_new(PG_SHA256),
                                   .sha512 = d->alg == PG_SHA512 ? pg_hash_new(PG_SHA512) : NULL,
                                   .chunk = XXH3_createState()}};
    PG_CHECK(w->is.chunk != NULL);
    (void)XXH3_64bits_reset(w->is.chunk);
    pg_buf_init(&w->is.sums, SUMS_MAX);
    atomic_fetch_add(&s->fills, 1);
    start(w, OPENING);
    return f;
}

int fill_size(struct fill *f, uint64_t size, struct pg_err *err)
{
    PG_CHECK(f->work->is_ready && size != UINT64_MAX);
    if ((f->size != UINT64_MAX && f->size != size) || f->have > size)
        return pg_fail(err, PG_E_UPSTREAM_WRONG,
                       "upstream says that the blob has %ju bytes, which cannot be",
                       (uintmax_t)size);
    f->size = size;
    give_head(f->work);
    return 0;
}

static void append(struct half *h, struct sl bytes)
{
    if (h->p == NULL) {
        h->p = malloc(FILL_BUFFER_BYTES);
        PG_CHECK(h->p != NULL);
    }
    memcpy(h->p + h->n, bytes.p, bytes.n);
    h->n += bytes.n;
}

int fill_write(struct fill *f, struct sl bytes, struct pg_err *err)
{
    struct fill_work *w = f->work;

    PG_CHECK(w->is_ready && !w->is_ending && !w->is_quitting);
    PG_CHECK(bytes.n <= FILL_BUFFER_BYTES);
    if (w->has_failed)
        return 0;
    if (bytes.n > f->size - f->have)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream sends more than the blob's %ju bytes",
                       (uintmax_t)f->size);
    if (bytes.n == 0)
        return 1;
    if (w->filling.n + bytes.n > FILL_BUFFER_BYTES) {
        w->want_room = true;
        return 0;
    }
    append(&w->filling, bytes);
    f->have += bytes.n;
    give_head(w);
    if (w->doing == IDLE)
        start_write(w);
    return 1;
}

void fill_end(struct fill *f)
{
    struct fill_work *w = f->work;

    PG_CHECK(w->is_ready && !w->is_ending && !w->is_quitting);
    w->is_ending = true;
    if (w->doing == IDLE && w->disk_err.kind == PG_E_NONE)
        go_on(w);
}

void fill_fail(struct fill *f, const struct pg_err *why)
{
    struct fill_work *w = f->work;

    PG_CHECK(!w->is_quitting && why->kind != PG_E_NONE);
    pg_err_copy(&w->why, why);
    w->is_quitting = true;
    if (w->doing == IDLE)
        go_on(w);
}

unsigned fill_count(struct store *s)
{
    return atomic_load(&s->fills);
}

int fill_reader_fd(struct store *s, const struct digest *d, int *fd_r, struct pg_err *err)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, fd = -1;
    char name[PARTIAL_NAME_MAX], path[BLOB_PATH_MAX];

    (void)partial_name(d, name);
    (void)blob_path(d, path);
    errno = 0;
    if (PG_FAULT("fill.reader"))
        return partial_disk_error(s, errno, "opening a blob that is coming", err);
    for (int i = 0; i < 2 && fd < 0; i++) { /* it may move from one place to the other meanwhile */
        fd = openat(s->partial_fd, name, flags);
        if (fd < 0 && errno == ENOENT)
            fd = openat(s->blobs_fd, path, flags);
        if (fd < 0 && errno != ENOENT)
            break;
    }
    if (fd < 0)
        return partial_disk_error(s, errno, "opening a blob that is coming", err);
    *fd_r = fd;
    return 0;
}
