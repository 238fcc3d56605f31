/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "cache/blob.h"
#include "cache/fill_int.h"
#include "cache/partial.h"
#include "cache/proof.h"
#include "cache/use.h"
#include "cache/writer.h"

static void go_on(struct fill_work *w);

static void start(struct fill_work *w, enum fill_doing what)
{
    struct store_config *c = &w->fill->store->config;

    PG_CHECK(w->doing == IDLE);
    w->doing = what;
    w->size = w->fill->size;
    pg_pool_submit(what == DROPPING ? c->slow_pool : c->data_pool, &w->job);
}

/* Whose bytes are to be written next: the first's or a lane's, in turn; -1: there are none. */
static int next_full(const struct fill_work *w)
{
    for (unsigned i = 0; i < 1 + EXTENT_LANES; i++) {
        unsigned who = (w->turn + i) % (1 + EXTENT_LANES);

        if (w->filling[who].n > 0)
            return (int)who;
    }
    return -1;
}

static void start_write(struct fill_work *w, int who)
{
    struct fill_half full = w->filling[who];

    w->filling[who] = w->writing;
    w->filling[who].n = 0;
    w->writing = full;
    w->turn = (unsigned)who + 1;
    start(w, WRITING);
}

static void note_written(struct fill_work *w)
{
    if (w->disk_err.kind != PG_E_NONE)
        return;
    extent_written(&w->here, w->writing.from, w->writing.from + w->writing.n);
    for (unsigned i = 0; i < EXTENT_LANES; i++) {
        if (w->here.lanes[i].state == EXTENT_CLOSING && w->filling[1 + i].n == 0)
            w->here.lanes[i] = (struct extent_lane){.state = EXTENT_FREE};
    }
}

static void free_half(struct fill_half *h)
{
    free(h->p);
    *h = (struct fill_half){0};
}

static void free_halves(struct fill_work *w)
{
    free_half(&w->writing);
    for (unsigned i = 0; i < 1 + EXTENT_LANES; i++)
        free_half(&w->filling[i]);
}

static void free_fill(struct fill_work *w)
{
    struct fill *f = w->fill;
    struct store *s = f->store;

    PG_CHECK(w->doing == IDLE && f->flight == NULL);
    fill_job_forget(w);
    pg_fd_close(&w->fd);
    if (!w->is.ready)
        pg_fd_close(&w->read_fd);
    pg_hash_free(w->hash.sha256);
    pg_hash_free(w->hash.sha512);
    (void)XXH3_freeState(w->hash.chunk);
    pg_buf_free(&w->hash.sums);
    free_halves(w);
    pg_err_clear(&w->disk_err);
    pg_err_clear(&w->where.why);
    pg_err_clear(&w->why);
    pg_err_clear(&f->err);
    free(w);
    free(f);
    atomic_fetch_sub(&s->filling.n, 1);
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
                                                    pg_buf_sl(&w->hash.sums)});
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
    if (!w->is.quitting)
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
                                  .chunk_sums = pg_buf_sl(&w->hash.sums),
                                  .tmp_fd = w->fd,
                                  .home = w->job.home,
                                  .done = on_published,
                                  .apply_more = apply_proof};
    _Static_assert(PARTIAL_NAME_MAX <= PUBLISH_NAME_MAX, "a partial is published");
    (void)partial_name(&f->digest, w->publish.tmp_name);
    free_halves(w);
    publish_blob(f->store, &w->publish);
}

/* The whole body is in the file: is it what was asked for? */
static void verify(struct fill_work *w)
{
    struct fill *f = w->fill;
    struct digest sha256 = {.alg = PG_SHA256}, named;

    pg_hash_final(w->hash.sha256, sha256.bytes);
    named = sha256;
    if (w->hash.sha512 != NULL) {
        named = (struct digest){.alg = PG_SHA512};
        pg_hash_final(w->hash.sha512, named.bytes);
    }
    fill_job_end_chunks(w);
    if (f->size != UINT64_MAX && f->size != w->hashed)
        (void)pg_fail(&f->err, PG_E_UPSTREAM_WRONG,
                      "upstream's blob has %ju bytes, and not the %ju it should have",
                      (uintmax_t)w->hashed, (uintmax_t)f->size);
    else if (!digest_eq(&named, &f->digest))
        (void)pg_fail(&f->err, PG_E_UPSTREAM_WRONG,
                      "upstream's blob does not have the digest it should have");
    w->is.wrong = f->err.kind != PG_E_NONE;
    if (w->is.wrong && w->where.place == IN_STORE) {
        start(w, DROPPING);
        return;
    }
    if (w->is.wrong) {
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
    return w->fd >= 0 && w->where.place == IN_STORE && !w->is.dropped;
}

/* The owner gave up, and no job is running. */
static void quit(struct fill_work *w)
{
    struct fill *f = w->fill;
    struct flight *flight = f->flight;
    bool is_bad = w->why.kind == PG_E_UPSTREAM_WRONG || w->disk_err.kind != PG_E_NONE;
    const struct fill_half *first = &w->filling[0];
    bool has_more = first->n > 0 && first->from == w->here.disk;
    bool is_empty = w->kept == 0 && w->here.disk == 0 && !has_more;

    if (has_partial(w) && (is_bad || is_empty || partial_is_done(f->store, &f->digest))) {
        start(w, DROPPING);
        return;
    }
    if (has_partial(w) && has_more) {
        start_write(w, 0); /* what has come is kept for the next to ask */
        return;
    }
    if (has_partial(w) && w->where.marked) {
        start(w, TRIMMING);
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

    w->is.ready = true;
    flight_file(f->flight, w->read_fd);
    f->have = w->here.disk = w->kept;
    if (w->kept > 0) {
        give_head(w);
        start(w, REHASHING);
    }
    f->on_event(f, FILL_READY);
}

static void fail(struct fill_work *w)
{
    struct fill *f = w->fill;

    if (w->is.failed)
        return;
    w->is.failed = true;
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
    return w->disk_err.kind == PG_E_CANCELED && w->is.ready && !w->is.failed &&
           !flight_call_off(w->fill->flight);
}

/* What was kept is hashed before anything is written; then the two take turns. */
static bool wants_hash(const struct fill_work *w)
{
    return w->hashed < w->here.disk && (w->hashed < w->kept || w->has_written || next_full(w) < 0);
}

/* What is next, when no job is running. An event is the last thing done: the owner may call back,
 * and that may free the fill. */
static void go_on(struct fill_work *w)
{
    PG_CHECK(w->doing == IDLE);
    if (!w->is.wrong)
        tell(w);
    if (w->is.quitting) {
        quit(w);
    } else if (is_asked_for_since(w)) {
        pg_err_clear(&w->disk_err);
        start(w, WRITING);
    } else if (w->disk_err.kind != PG_E_NONE) {
        fail(w);
    } else if (w->is.wrong) {
        w->fill->on_event(w->fill, FILL_WRONG);
    } else if (!w->is.ready) {
        get_ready(w);
    } else if (wants_hash(w)) {
        start(w, REHASHING);
    } else if (next_full(w) >= 0) {
        start_write(w, next_full(w));
        answer_room(w);
    } else if (w->is.ending && w->where.marked && w->where.place == IN_STORE) {
        start(w, TRIMMING);
    } else if (w->is.ending) {
        verify(w);
    } else {
        answer_room(w);
    }
}

static void on_job(struct pg_job *job)
{
    struct fill_work *w = pg_container_of(job, struct fill_work, job);

    if (w->doing == DROPPING)
        w->is.dropped = true;
    w->has_written = w->doing == WRITING;
    if (w->doing == WRITING)
        note_written(w);
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
                       .until = UINT64_MAX,
                       .on_event = on_event,
                       .owner = owner,
                       .work = w};
    *w = (struct fill_work){.fill = f,
                            .job = {.run = fill_job_run, .done = on_job, .home = home},
                            .here = {.segment = EXTENT_SEGMENT_BYTES},
                            .fd = -1,
                            .read_fd = -1,
                            .hash = {.sha256 = pg_hash_new(PG_SHA256),
                                     .sha512 = d->alg == PG_SHA512 ? pg_hash_new(PG_SHA512) : NULL,
                                     .chunk = XXH3_createState()}};
    PG_CHECK(w->hash.chunk != NULL);
    (void)XXH3_64bits_reset(w->hash.chunk);
    pg_buf_init(&w->hash.sums, BLOB_SUMS_MAX);
    atomic_fetch_add(&s->filling.n, 1);
    start(w, OPENING);
    return f;
}

int fill_size(struct fill *f, uint64_t size, struct pg_err *err)
{
    PG_CHECK(f->work->is.ready && size != UINT64_MAX);
    if ((f->size != UINT64_MAX && f->size != size) || f->have > size || size > BLOB_BYTES_MAX)
        return pg_fail(err, PG_E_UPSTREAM_WRONG,
                       "upstream says that the blob has %ju bytes, which cannot be",
                       (uintmax_t)size);
    f->size = size;
    if (size > 0) /* the head of an empty blob is all of it: it is given when the digest matched */
        give_head(f->work);
    return 0;
}

static void append(struct fill_half *h, uint64_t at, struct sl bytes)
{
    if (h->p == NULL) {
        h->p = malloc(FILL_BUFFER_BYTES);
        PG_CHECK(h->p != NULL);
    }
    if (h->n == 0)
        h->from = at;
    PG_CHECK(h->from + h->n == at);
    memcpy(h->p + h->n, bytes.p, bytes.n);
    h->n += bytes.n;
}

/* Of who comes at `at`: 1, or 0: there is no room. */
static int take(struct fill_work *w, unsigned who, uint64_t at, struct sl bytes)
{
    struct fill_half *h = &w->filling[who];

    PG_CHECK(w->is.ready && !w->is.ending && !w->is.quitting);
    PG_CHECK(bytes.n <= FILL_BUFFER_BYTES);
    if (w->is.failed)
        return 0;
    if (h->n + bytes.n > FILL_BUFFER_BYTES || (h->n > 0 && h->from + h->n != at)) {
        w->want_room = true;
        w->fill->refused++;
        return 0;
    }
    w->fill->taken++;
    w->fill->taken_bytes += bytes.n;
    append(h, at, bytes);
    return 1;
}

static void go_on_if_idle(struct fill_work *w)
{
    if (w->doing == IDLE && w->disk_err.kind == PG_E_NONE)
        go_on(w);
}

int fill_write(struct fill *f, struct sl bytes, struct pg_err *err)
{
    struct fill_work *w = f->work;
    uint64_t most = f->until < f->size ? f->until : f->size;

    if (bytes.n > most - f->have && !w->is.failed)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream sends more than the blob's %ju bytes",
                       (uintmax_t)most);
    if (bytes.n == 0)
        return 1;
    if (take(w, 0, f->have, bytes) == 0)
        return 0;
    f->have += bytes.n;
    give_head(w);
    if (w->doing == IDLE)
        start_write(w, 0);
    return 1;
}

/* ---- several connections ---- */

void fill_set_segment(struct fill *f, uint64_t nbytes)
{
    f->work->here.segment = nbytes;
}

int fill_next(struct fill *f, unsigned segments)
{
    struct extent *e = &f->work->here;
    uint64_t size = f->size, end;
    int lane;

    PG_CHECK(f->work->is.ready && !f->work->is.ending);
    f->have = extent_skip(e, f->have);
    f->until = UINT64_MAX;
    if (size == UINT64_MAX)
        return FILL_RUN;
    lane = extent_lane_at(e, f->have);
    f->until = f->have;
    if (lane >= 0)
        return lane;
    if (f->have == size)
        return FILL_ALL;
    f->until = extent_next(e, f->have, size);
    end = (f->have / e->segment + segments) * e->segment;
    if (segments > 0 && end < f->until)
        f->until = end;
    return FILL_RUN;
}

bool fill_lane_open(struct fill *f, unsigned lane)
{
    struct extent *e = &f->work->here;
    struct extent_run run;

    PG_CHECK(f->work->is.ready && lane < EXTENT_LANES && e->lanes[lane].state != EXTENT_OPEN);
    if (e->lanes[lane].state != EXTENT_FREE || f->size == UINT64_MAX || f->until >= f->size ||
        !extent_gap(e, f->until, f->size, &run))
        return false;
    e->lanes[lane] = (struct extent_lane){EXTENT_OPEN, run.from, run.from, run.end};
    return true;
}

int fill_lane_write(struct fill *f, unsigned lane, struct sl bytes, struct pg_err *err)
{
    struct extent_lane *l = &f->work->here.lanes[lane];

    PG_CHECK(l->state == EXTENT_OPEN);
    if (bytes.n > l->end - l->at)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream sends more than the part asked for");
    if (bytes.n == 0)
        return 1;
    if (take(f->work, 1 + lane, l->at, bytes) == 0)
        return 0;
    l->at += bytes.n;
    if (f->work->doing == IDLE)
        start_write(f->work, 1 + (int)lane);
    return 1;
}

void fill_lane_close(struct fill *f, unsigned lane)
{
    struct fill_work *w = f->work;
    struct extent_lane *l = &w->here.lanes[lane];
    bool is_written = w->filling[1 + lane].n == 0 && w->doing != WRITING;

    PG_CHECK(l->state == EXTENT_OPEN);
    l->end = l->at;
    l->state = EXTENT_CLOSING;
    if (is_written || l->from == l->at)
        *l = (struct extent_lane){.state = EXTENT_FREE};
}

const struct extent_lane *fill_lane_look(const struct fill *f, unsigned lane)
{
    return &f->work->here.lanes[lane];
}

void fill_end(struct fill *f)
{
    struct fill_work *w = f->work;

    PG_CHECK(w->is.ready && !w->is.ending && !w->is.quitting);
    w->is.ending = true;
    go_on_if_idle(w);
}

void fill_fail(struct fill *f, const struct pg_err *why)
{
    struct fill_work *w = f->work;

    PG_CHECK(!w->is.quitting && why->kind != PG_E_NONE);
    pg_err_copy(&w->why, why);
    w->is.quitting = true;
    if (w->doing == IDLE)
        go_on(w);
}

unsigned fill_count(struct store *s)
{
    return atomic_load(&s->filling.n);
}
