/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/fill.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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
#include "base/random.h"
#include "cache/blob.h"
#include "cache/gc.h"
#include "cache/partial.h"
#include "cache/proof.h"
#include "cache/publish.h"
#include "cache/uncached.h"
#include "cache/use.h"
#include "cache/writer.h"

#define REHASH_BYTES ((uint64_t)1024 * 1024)      /* by one job */
#define ROOM_BYTES   ((uint64_t)64 * 1024 * 1024) /* asked for at once, as they come */
#define SOME_BYTES   ((uint64_t)1024 * 1024)      /* the same when it is not known how many come */

enum place { IN_STORE, NAMELESS, IN_MEMORY };
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

struct whereabouts {
    enum place place;
    struct pg_err why; /* it is not IN_STORE any more */
    uint64_t active;   /* of store->filling_bytes */
    uint64_t promised; /* partial_promise() */
};

/* While a job runs, all from `fd` to `disk_err` is its own; the rest is the owner's. */
struct fill_work {
    struct fill *fill;
    struct pg_job job;
    struct publish publish;
    enum doing doing;
    int fd, read_fd; /* the second is the flight's once is_ready */
    struct whereabouts where;
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

/* The bytes [0, have) of the file are this fill's now, and its partial's. */
static void note_active(struct fill_work *w, uint64_t have)
{
    struct store *s = w->fill->store;

    (void)atomic_fetch_add(&s->filling_bytes, have - w->where.active);
    w->where.active = have;
}

/* What nobody has asked for yet comes only where there is room for it, and for all like it. */
static int find_spare_room(struct fill_work *w, uint64_t need)
{
    struct store *s = w->fill->store;
    struct gc_room room;

    if (gc_room(s, need, &room, &w->disk_err) < 0)
        return -1;
    return room.excess == 0 ? 0
                            : pg_fail(&w->disk_err, PG_E_CANCELED,
                                      "there is no room for what nobody has asked for yet");
}

/* Whoever joins while it is looked for is worth more. */
static int make_room(struct fill_work *w, uint64_t need)
{
    if (flight_is_unasked(w->fill->flight) && find_spare_room(w, need) == 0)
        return 0;
    if (flight_is_unasked(w->fill->flight))
        return -1;
    pg_err_clear(&w->disk_err);
    return store_make_room(w->fill->store, need, &w->disk_err);
}

static int promise(struct fill_work *w)
{
    if (!flight_is_unasked(w->fill->flight) || w->size == UINT64_MAX)
        return 0;
    w->where.promised = w->size;
    if (find_spare_room(w, partial_promise(w->fill->store, w->size)) < 0 &&
        flight_is_unasked(w->fill->flight))
        return -1;
    pg_err_clear(&w->disk_err);
    return 0;
}

static void forget_active(struct fill_work *w)
{
    (void)atomic_fetch_sub(&w->fill->store->filling_bytes, w->where.active);
    w->where.active = 0;
}

static void drop_partial(struct fill_work *w)
{
    partial_drop(w->fill->store, &w->fill->digest);
    forget_active(w);
}

static bool lose_name(struct fill_work *w)
{
    struct store *s = w->fill->store;
    uint64_t left = w->size != UINT64_MAX ? w->size - w->hashed : ROOM_BYTES;

    if (w->where.place != IN_STORE || w->read_fd < 0 || s->config.uncached_bytes == 0 ||
        !uncached_has_disk(s, left))
        return false;
    drop_partial(w);
    w->where.place = NAMELESS;
    return true;
}

/* The descriptor that readers have stays theirs: another file takes its place behind it. */
static bool go_to_memory(struct fill_work *w)
{
    struct fill *f = w->fill;
    uint64_t have = w->hashed > w->kept ? w->hashed : w->kept;
    _fd_ int fd = -1;

    if (w->where.place == IN_MEMORY || w->size == UINT64_MAX ||
        !uncached_take(f->store, w->fd, have, w->size, &fd))
        return false;
    if (w->read_fd < 0)
        w->read_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (w->read_fd < 0 || dup3(fd, w->read_fd, O_CLOEXEC) < 0) {
        uncached_give_back(f->store, w->size);
        return false;
    }
    flight_charge(f->flight, &f->store->uncached, w->size);
    if (w->where.place == IN_STORE)
        drop_partial(w);
    w->where.place = IN_MEMORY;
    pg_fd_close(&w->fd);
    w->fd = TAKE_FD(fd);
    return true;
}

/* The store has no room, or its disk does not take the bytes: is there another place for them? */
static bool go_elsewhere(struct fill_work *w)
{
    if (w->disk_err.kind == PG_E_CANCELED || (!lose_name(w) && !go_to_memory(w)))
        return false;
    if (w->where.why.kind == PG_E_NONE)
        pg_err_move(&w->where.why, &w->disk_err);
    pg_err_clear(&w->disk_err);
    return true;
}

/* What another upstream left is no proof that this one has the blob. */
static bool is_of_same_upstream(const struct fill_work *w)
{
    struct sl whose = flight_whose(w->fill->flight);

    return whose.n == 0 || proof_partial_is(w->fill->store, whose, &w->fill->digest);
}

static int begin_anew(struct fill_work *w)
{
    if (ftruncate(w->fd, 0) < 0)
        return partial_disk_error(w->fill->store, errno, "emptying a file in partial/",
                                  &w->disk_err);
    partial_take_off(w->fill->store, w->kept);
    w->kept = 0;
    return 0;
}

/* The partial of this digest is another fill's, and so is the place in the store: the file has its
 * name for a moment alone (partial_recover() removes what is left of that). */
static int open_beside(struct fill_work *w)
{
    struct store *s = w->fill->store;
    char name[40];

    (void)snprintf(name, sizeof(name), "beside-%016jx", (uintmax_t)pg_random_u64());
    w->fd = openat(s->partial_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    w->read_fd = w->fd < 0 ? -1 : openat(s->partial_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (w->fd >= 0)
        (void)unlinkat(s->partial_fd, name, 0);
    w->where.place = NAMELESS;
    (void)pg_fail(&w->where.why, PG_E_CANCELED, "it comes from another upstream, too");
    if (w->read_fd < 0)
        return partial_disk_error(s, errno, "opening a file in partial/", &w->disk_err);
    return 0;
}

static int open_files(struct fill_work *w)
{
    struct fill *f = w->fill;
    char name[PARTIAL_NAME_MAX];

    if (partial_open(f->store, &f->digest, w->size, &w->fd, &w->kept, &w->disk_err) < 0)
        return -1;
    if (w->kept > 0 && !is_of_same_upstream(w) && begin_anew(w) < 0)
        return -1;
    if (flight_whose(f->flight).n > 0)
        proof_partial_note(f->store, flight_whose(f->flight), &f->digest);
    note_active(w, w->kept);
    w->read_fd = PG_FAULT("fill.open")
                     ? -1
                     : openat(f->store->partial_fd, partial_name(&f->digest, name),
                              O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (w->read_fd < 0)
        return partial_disk_error(f->store, errno, "opening a file in partial/", &w->disk_err);
    return make_room(w, w->size != UINT64_MAX ? w->size - w->kept : 0);
}

static void run_open(struct fill_work *w)
{
    if (w->fill->flight->beside) {
        if (open_beside(w) < 0 && !go_elsewhere(w))
            PG_CHECK(w->disk_err.kind != PG_E_NONE);
        return;
    }
    partial_claim_wait(w->fill->store, &w->fill->digest);
    if ((promise(w) < 0 || open_files(w) < 0) && !go_elsewhere(w))
        PG_CHECK(w->disk_err.kind != PG_E_NONE); /* on_job() looks at it */
    partial_opened(w->fill->store);
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
    uint64_t left = w->size != UINT64_MAX ? w->size - w->hashed : SOME_BYTES;
    uint64_t need = left < ROOM_BYTES ? left : ROOM_BYTES;

    if (w->hashed + w->writing.n <= w->room || w->where.place == IN_MEMORY)
        return 0;
    w->room = w->hashed + need;
    if (w->where.place == NAMELESS)
        return uncached_has_disk(w->fill->store, need)
                   ? 0
                   : pg_fail(&w->disk_err, PG_E_STORE_IO, "the disk of the cache is full");
    return make_room(w, need);
}

static int write_bytes(struct fill_work *w)
{
    struct store *s = w->fill->store;
    bool fails = w->where.place == IN_MEMORY ? PG_FAULT("fill.memory") : PG_FAULT("fill.pwrite");

    if (!fails && pg_fd_pwrite(w->fd, w->writing.p, w->writing.n, w->hashed) == 0)
        return 0;
    (void)partial_disk_error(s, errno, "writing a blob", &w->disk_err);
    if (ftruncate(w->fd, (off_t)w->hashed) < 0) /* it is counted as so long */
        pg_metric_inc(PG_M_STORE_ERRORS);       /* and rehashed when it is gone on with */
    return -1;
}

static void run_write(struct fill_work *w)
{
    while (find_room(w) < 0 || write_bytes(w) < 0)
        if (!go_elsewhere(w))
            return;
    if (w->where.place == IN_STORE) {
        atomic_fetch_add(&w->fill->store->partial_bytes, w->writing.n);
        note_active(w, w->hashed + w->writing.n);
    }
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
        drop_partial(w);
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
    forget_active(w);
    (void)partial_promise_end(s, w->where.promised);
    pg_fd_close(&w->fd);
    if (!w->is_ready)
        pg_fd_close(&w->read_fd);
    pg_hash_free(w->is.sha256);
    pg_hash_free(w->is.sha512);
    (void)XXH3_freeState(w->is.chunk);
    pg_buf_free(&w->is.sums);
    free_half(&w->writing);
    free_half(&w->filling);
    pg_err_clear(&w->disk_err);
    pg_err_clear(&w->where.why);
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

/* A descriptor of its own: the flight's is closed with its last reader. */
static void keep_open(struct fill_work *w, const struct digest *sha256)
{
    struct fill *f = w->fill;
    int fd = fcntl(w->read_fd, F_DUPFD_CLOEXEC, 0);

    if (fd >= 0) /* else the first hit opens it */
        blob_filled(f->store, &(struct blob_filled){f->digest, *sha256, w->hashed, fd,
                                                    pg_buf_sl(&w->is.sums)});
}

/* Who is aboard is served; who comes next begins anew. */
static void end_unkept(struct fill_work *w, const struct pg_err *why)
{
    struct fill *f = w->fill;
    struct flight *flight = f->flight;

    if (why->kind != PG_E_CANCELED) /* else the heir finds it */
        pg_log_say(PG_LOG_ERROR, PG_LOG_STORE, "a blob was served and is not kept: %s (%s)",
                   why->msg, why->detail != NULL ? why->detail : "");
    f->flight = NULL;
    flight_fail(flight, why);
}

static void release_partial(const struct fill_work *w)
{
    if (!w->fill->flight->beside)
        partial_release(w->fill->store, &w->fill->digest);
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
        keep_open(w, &p->sha256);
        use_touch(f->store->use, &f->digest, pg_clock_wall_s());
        f->flight = NULL;
        flight_finish(flight);
    } else {
        end_unkept(w, &p->err);
    }
    pg_err_clear(&p->err);
    if (!w->is_quitting)
        f->on_event(f, FILL_LANDED);
    free_fill(w);
}

static int apply_proof(struct publish *p, struct index_txn *txn, struct pg_err *err)
{
    struct fill_work *w = pg_container_of(p, struct fill_work, publish);
    struct proof_news news = {.repo = flight_whose(w->fill->flight),
                              .digest = &p->digest,
                              .size = p->size,
                              .now_s = pg_clock_wall_s()};

    return news.repo.n == 0 ? 0 : proof_apply(w->fill->store, txn, &news, err);
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
                                  .done = on_published,
                                  .apply_more = apply_proof};
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
    if (w->is_wrong && w->where.place == IN_STORE) {
        start(w, DROPPING);
        return;
    }
    if (w->is_wrong) {
        f->on_event(f, FILL_WRONG);
        return;
    }
    f->size = w->hashed;
    give_head(w);
    flight_verify(f->flight);
    if (w->where.place != IN_STORE) {
        release_partial(w);
        if (f->flight->beside && flight_whose(f->flight).n > 0)
            proof_note(f->store, flight_whose(f->flight), &f->digest, f->size);
        end_unkept(w, &w->where.why);
        f->on_event(f, FILL_LANDED);
        free_fill(w);
        return;
    }
    start_publish(w, &sha256);
}

static bool has_partial(const struct fill_work *w)
{
    return w->fd >= 0 && w->where.place == IN_STORE && !w->is_dropped;
}

/* The owner gave up, and no job is running. */
static void quit(struct fill_work *w)
{
    struct fill *f = w->fill;
    struct flight *flight = f->flight;
    bool is_bad = w->why.kind == PG_E_UPSTREAM_WRONG || w->disk_err.kind != PG_E_NONE;
    bool is_empty = w->kept == 0 && w->hashed == 0 && w->filling.n == 0;

    if (has_partial(w) && (is_bad || is_empty || partial_is_done(f->store, &f->digest))) {
        start(w, DROPPING);
        return;
    }
    if (has_partial(w) && w->filling.n > 0 && w->hashed >= w->kept) {
        start_write(w); /* what has come is kept for the next to ask */
        return;
    }
    release_partial(w);
    f->flight = NULL;
    flight_fail(flight, &w->why);
    free_fill(w);
}

static void get_ready(struct fill_work *w)
{
    struct fill *f = w->fill;

    w->is_ready = true;
    flight_file(f->flight, w->read_fd);
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

/* There was no room for it as long as nobody wanted it. */
static bool is_asked_for_since(const struct fill_work *w)
{
    return w->disk_err.kind == PG_E_CANCELED && w->is_ready && !w->has_failed &&
           !flight_is_unasked(w->fill->flight);
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
    } else if (is_asked_for_since(w)) {
        pg_err_clear(&w->disk_err);
        start(w, WRITING);
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
    pg_buf_init(&w->is.sums, BLOB_SUMS_MAX);
    atomic_fetch_add(&s->fills, 1);
    start(w, OPENING);
    return f;
}

int fill_size(struct fill *f, uint64_t size, struct pg_err *err)
{
    PG_CHECK(f->work->is_ready && size != UINT64_MAX);
    if ((f->size != UINT64_MAX && f->size != size) || f->have > size || size > BLOB_BYTES_MAX)
        return pg_fail(err, PG_E_UPSTREAM_WRONG,
                       "upstream says that the blob has %ju bytes, which cannot be",
                       (uintmax_t)size);
    f->size = size;
    if (size > 0) /* the head of an empty blob is all of it: it is given when the digest matched */
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
