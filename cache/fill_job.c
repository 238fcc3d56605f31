/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/metric.h"
#include "base/random.h"
#include "cache/blob.h"
#include "cache/fill_int.h"
#include "cache/gc.h"
#include "cache/partial.h"
#include "cache/proof.h"
#include "cache/uncached.h"

#define REHASH_BYTES    ((uint64_t)1024 * 1024)      /* by one job */
#define ROOM_BYTES      ((uint64_t)64 * 1024 * 1024) /* asked for at once, as they come */
#define SOME_BYTES      ((uint64_t)1024 * 1024) /* the same when it is not known how many come */
#define MARK_STEP_BYTES ((uint64_t)1024 * 1024) /* the mark is so much behind at most */

static void end_chunk(struct fill_work *w)
{
    uint64_t sum = htole64(XXH3_64bits_digest(w->hash.chunk));

    if (pg_buf_put(&w->hash.sums, (struct sl){(const char *)&sum, sizeof(sum)}) < 0)
        (void)pg_fail(&w->disk_err, PG_E_STORE_IO, "the blob is too large for the cache");
    (void)XXH3_64bits_reset(w->hash.chunk);
}

/* Bytes that are in the file, in order. */
static void hash(struct fill_work *w, const char *p, size_t n)
{
    pg_hash_update(w->hash.sha256, p, n);
    if (w->hash.sha512 != NULL)
        pg_hash_update(w->hash.sha512, p, n);
    while (n > 0) {
        size_t room = (size_t)(BLOB_CHUNK_BYTES - w->hashed % BLOB_CHUNK_BYTES);
        size_t part = n < room ? n : room;

        (void)XXH3_64bits_update(w->hash.chunk, p, part);
        w->hashed += part;
        if (part == room)
            end_chunk(w);
        p += part;
        n -= part;
    }
}

void fill_job_end_chunks(struct fill_work *w)
{
    if (w->hashed % BLOB_CHUNK_BYTES != 0)
        end_chunk(w);
}

/* So many bytes of the file are this fill's now, and its partial's. */
static void note_active(struct fill_work *w, uint64_t have)
{
    struct store *s = w->fill->store;

    (void)atomic_fetch_add(&s->filling.bytes, have - w->where.active);
    w->where.active = have;
}

void fill_job_forget(struct fill_work *w)
{
    note_active(w, 0);
    (void)partial_promise_end(w->fill->store, w->where.promised);
    w->where.promised = 0;
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

/* It counts with the bytes that were written; partial_drop() takes off its length. */
static void drop_partial(struct fill_work *w)
{
    if (w->where.marked)
        atomic_fetch_add(&w->fill->store->partial_bytes,
                         w->size + PARTIAL_MARK_BYTES - w->where.written);
    w->where.marked = false;
    partial_drop(w->fill->store, &w->fill->digest);
    note_active(w, 0);
}

static bool lose_name(struct fill_work *w)
{
    struct store *s = w->fill->store;
    uint64_t left = w->size != UINT64_MAX ? w->size - w->where.written : ROOM_BYTES;

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
    _fd_ int fd = -1;

    if (w->where.place == IN_MEMORY || w->size == UINT64_MAX ||
        !uncached_take(f->store, w->fd, w->where.top, w->size, &fd))
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
    uint64_t kept = w->kept;

    w->kept = 0;
    if (ftruncate(w->fd, 0) < 0)
        return partial_disk_error(w->fill->store, errno, "emptying a file in partial/",
                                  &w->disk_err);
    partial_take_off(w->fill->store, kept);
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
    w->where.written = w->where.top = w->kept;
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
    uint64_t most = w->here.disk - w->hashed;
    uint64_t end = w->hashed + (most < REHASH_BYTES ? most : REHASH_BYTES);
    char *p = malloc(FILL_BUFFER_BYTES);

    PG_CHECK(p != NULL);
    while (w->hashed < end && w->disk_err.kind == PG_E_NONE) {
        uint64_t left = end - w->hashed;
        size_t n = left < FILL_BUFFER_BYTES ? (size_t)left : FILL_BUFFER_BYTES;

        if (PG_FAULT("fill.pread") || pg_fd_pread(w->fd, p, n, w->hashed) < 0)
            (void)partial_disk_error(w->fill->store, errno, "reading what is here of a blob",
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
    uint64_t have = w->where.written, left = w->size != UINT64_MAX ? w->size - have : SOME_BYTES;
    uint64_t need = left < ROOM_BYTES ? left : ROOM_BYTES;

    if (have + w->writing.n <= w->where.room || w->where.place == IN_MEMORY)
        return 0;
    w->where.room = have + need;
    if (w->where.place == NAMELESS)
        return uncached_has_disk(w->fill->store, need)
                   ? 0
                   : pg_fail(&w->disk_err, PG_E_STORE_IO, "the disk of the cache is full");
    return make_room(w, need);
}

/* After a write that failed: without a mark, its length says what is here. */
static void cut_to_top(struct fill_work *w)
{
    if (!w->where.marked && ftruncate(w->fd, (off_t)w->where.top) < 0)
        pg_metric_inc(PG_M_STORE_ERRORS); /* it is rehashed when it is gone on with */
}

static int write_bytes(struct fill_work *w)
{
    struct store *s = w->fill->store;
    bool fails = w->where.place == IN_MEMORY ? PG_FAULT("fill.memory") : PG_FAULT("fill.pwrite");

    if (!fails && pg_fd_pwrite(w->fd, w->writing.p, w->writing.n, w->writing.from) == 0)
        return 0;
    (void)partial_disk_error(s, errno, "writing a blob", &w->disk_err);
    cut_to_top(w);
    return -1;
}

/* What is not written in order yet needs a mark, before it. */
static int keep_mark(struct fill_work *w)
{
    struct fill_where *where = &w->where;

    if (where->place != IN_STORE || (!where->marked && w->writing.from <= w->here.disk) ||
        (where->marked && w->here.disk - where->mark < MARK_STEP_BYTES))
        return 0;
    if (partial_mark(w->fd, w->size, w->here.disk) < 0) {
        (void)partial_disk_error(w->fill->store, errno, "writing a blob", &w->disk_err);
        cut_to_top(w);
        return -1;
    }
    where->marked = true;
    where->mark = w->here.disk;
    return 0;
}

/* Only what came in order is left of it. */
static void run_trim(struct fill_work *w)
{
    struct fill_where *where = &w->where;

    if (PG_FAULT("fill.trim") || ftruncate(w->fd, (off_t)w->here.disk) < 0) {
        (void)partial_disk_error(w->fill->store, errno, "cutting a blob", &w->disk_err);
        (void)go_elsewhere(w);
        return;
    }
    partial_take_off(w->fill->store, where->written - w->here.disk);
    where->written = where->top = w->here.disk;
    note_active(w, w->here.disk);
    where->marked = false;
}

static void run_write(struct fill_work *w)
{
    const struct fill_half *h = &w->writing;

    while (find_room(w) < 0 || keep_mark(w) < 0 || write_bytes(w) < 0)
        if (!go_elsewhere(w))
            return;
    w->where.written += h->n;
    w->where.top = h->from + h->n > w->where.top ? h->from + h->n : w->where.top;
    if (w->where.place == IN_STORE) {
        atomic_fetch_add(&w->fill->store->partial_bytes, h->n);
        note_active(w, w->where.written);
    }
    if (h->from == w->hashed)
        hash(w, h->p, h->n);
}

void fill_job_run(struct pg_job *job)
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
    case TRIMMING:
        run_trim(w);
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
