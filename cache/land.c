/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/land.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/news.h"
#include "base/steady.h"
#include "cache/event_int.h"
#include "cache/landing_int.h"
#include "cache/partial.h"
#include "cache/publish.h"
#include "cache/replay_int.h"
#include "cache/use.h"
#include "cache/work.h"
#include "cache/writer.h"

#define PENDING_MAX       4096                          /* arrivals on their way to a commit */
#define PENDING_BYTES_MAX ((uint64_t)256 * 1024 * 1024) /* of manifests among them */
#define ARENA_BUDGET      ((size_t)1 << 20)

struct land {
    struct event_queue *events;
    _Atomic uint64_t pending, pending_bytes;
    _Atomic uint64_t numbers; /* of temporary names */
};

/* One arrival, from the call until it is durable or lost. */
struct arrival {
    struct store *store;
    struct landing landing;
    struct pg_arena arena;
    struct pg_bytes *bytes;      /* of a manifest, or NULL */
    struct overlay_batch *batch; /* NULL: it could not be shown */
    struct writer_op op;         /* of one that writes no file */
    struct pg_job job;
    struct publish publish;
    struct pg_err err;
    bool has_moved;    /* its tag */
    struct digest was; /* what it named then */
};

struct land *land_new(struct store *s)
{
    struct land *l = calloc(1, sizeof(*l));

    PG_CHECK(l != NULL);
    l->events = event_new(s);
    return l;
}

void land_free(struct store *s)
{
    event_free(s->land->events);
    work_wait(s->work);
    PG_CHECK(atomic_load(&s->land->pending) == 0);
    free(s->land);
    s->land = NULL;
}

/* ---- the end of an arrival ---- */

static void log_lost(const struct arrival *a)
{
    struct pg_log_line line;
    char text[DIGEST_TEXT_MAX];

    pg_log_begin(&line, PG_LOG_STORE, PG_LOG_ERROR);
    pg_log_str(&line, "doing", SL("land"));
    pg_log_str(&line, "repo", a->landing.repo);
    if (!a->landing.tag_gone)
        pg_log_str(&line, "digest", digest_write(&a->landing.digest, text));
    pg_log_err(&line, &a->err);
    pg_log_end(&line);
}

static void say_moved(const struct arrival *a)
{
    const struct landing *l = &a->landing;
    char was[DIGEST_TEXT_MAX], is[DIGEST_TEXT_MAX];
    const struct pg_news_fact facts[] = {{"repository", l->repo, 0},
                                         {"tag", l->tag, 0},
                                         {"was", digest_write(&a->was, was), 0},
                                         {"is", digest_write(&l->digest, is), 0}};

    pg_news_say(PG_NEWS_TAG_MOVED, l->repo, facts, 4);
}

static uint64_t bytes_of(const struct arrival *a)
{
    return a->bytes != NULL ? a->bytes->n : 0;
}

static void finish(struct arrival *a)
{
    struct store *s = a->store;
    bool lost = a->err.kind != PG_E_NONE;

    if (lost && a->err.kind != PG_E_CANCELED) {
        log_lost(a);
        pg_metric_inc(PG_M_STORE_ERRORS);
        atomic_store(&s->degraded, true);
    }
    if (!lost && a->has_moved)
        say_moved(a);
    if (!lost && a->bytes != NULL)
        use_touch(s->use, &a->landing.digest, a->landing.now_s);
    if (a->batch != NULL && lost)
        overlay_fail(s->overlay, a->batch);
    else if (a->batch != NULL)
        overlay_settle(s->overlay, a->batch);
    (void)atomic_fetch_sub(&s->land->pending, 1);
    (void)atomic_fetch_sub(&s->land->pending_bytes, bytes_of(a));
    pg_fd_close(&a->publish.tmp_fd);
    pg_err_clear(&a->err);
    pg_bytes_unref(a->bytes);
    pg_arena_free(&a->arena);
    free(a);
    work_let_go(s->work);
}

/* ---- rows ---- */

static bool says_what_the_tag_is(const struct landing *l)
{
    return l->tag.p != NULL && !l->tag_gone && !l->was_asked && !l->is_fixed;
}

/* May be called twice for one arrival. */
static void see_tag(struct arrival *a, struct index_txn *txn)
{
    struct index_view v = index_txn_view(txn);
    struct pg_err ignored = {0};
    struct index_tag old;

    a->has_moved = index_get_tag(&v, a->landing.repo, a->landing.tag, &old, &ignored) > 0 &&
                   !digest_eq(&old.digest, &a->landing.digest);
    if (a->has_moved)
        a->was = old.digest;
    pg_err_clear(&ignored);
}

static int apply_rows(struct arrival *a, struct index_txn *txn, struct pg_err *err)
{
    struct store *s = a->store;
    bool with_tag = a->batch == NULL || !overlay_is_hidden(s->overlay, a->batch);

    if (with_tag && says_what_the_tag_is(&a->landing))
        see_tag(a, txn);
    return landing_apply(&a->landing, s->journal, with_tag, txn, err);
}

static int apply_op(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    return apply_rows(pg_container_of(op, struct arrival, op), txn, err);
}

static void on_written(struct writer_op *op)
{
    struct arrival *a = pg_container_of(op, struct arrival, op);

    pg_err_move(&a->err, &op->err);
    finish(a);
}

static void post_rows(struct arrival *a)
{
    a->op = (struct writer_op){.apply = apply_op, .done = on_written};
    writer_post(a->store->writer, &a->op);
}

/* ---- the file of a manifest ---- */

static int apply_published(struct publish *p, struct index_txn *txn, struct pg_err *err)
{
    return apply_rows(pg_container_of(p, struct arrival, publish), txn, err);
}

static void on_published(struct publish *p)
{
    struct arrival *a = pg_container_of(p, struct arrival, publish);

    pg_err_move(&a->err, &p->err);
    finish(a);
}

static bool is_stored(struct arrival *a)
{
    _index_view_ struct index_view v = index_view_begin(a->store->index);
    struct pg_err ignored = {0};
    struct index_blob blob;
    bool stored = index_get_blob(&v, &a->landing.digest, &blob, &ignored) > 0;

    pg_err_clear(&ignored); /* not known: publishing it again does no harm */
    return stored;
}

/* A name that is no partial's: what a crash leaves of it, the next start removes. */
static int write_file(struct arrival *a)
{
    struct store *s = a->store;
    struct publish *p = &a->publish;
    int n = snprintf(p->tmp_name, sizeof(p->tmp_name), "manifest.%" PRIu64,
                     atomic_fetch_add(&s->land->numbers, 1));

    PG_CHECK(n > 0 && (size_t)n < sizeof(p->tmp_name));
    if (store_make_room(s, a->bytes->n, &a->err) < 0)
        return -1;
    p->tmp_fd = PG_FAULT("land.open")
                    ? -1
                    : openat(s->partial_fd, p->tmp_name,
                             O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (p->tmp_fd < 0)
        return partial_disk_error(s, errno, "creating the file of a manifest", &a->err);
    if (!PG_FAULT("land.write") && pg_fd_pwrite(p->tmp_fd, a->bytes->p, a->bytes->n, 0) == 0)
        return 0;
    (void)partial_disk_error(s, errno, "writing a manifest", &a->err);
    (void)unlinkat(s->partial_fd, p->tmp_name, 0);
    return -1;
}

static void run_file(struct pg_job *job)
{
    struct arrival *a = pg_container_of(job, struct arrival, job);

    if (!is_stored(a))
        (void)write_file(a);
}

/* In the pool's thread. */
static void on_file(struct pg_job *job)
{
    struct arrival *a = pg_container_of(job, struct arrival, job);
    struct publish *p = &a->publish;

    if (a->err.kind != PG_E_NONE) {
        finish(a);
        return;
    }
    if (p->tmp_fd < 0) {
        post_rows(a);
        return;
    }
    p->digest = a->landing.digest;
    p->sha256 = a->landing.manifest.sha256;
    p->size = a->bytes->n;
    p->apply_more = apply_published;
    p->done = on_published;
    publish_blob(a->store, p);
}

/* ---- the beginning of an arrival ---- */

static struct arrival *arrival_new(struct store *s, struct sl repo, struct sl tag, int64_t now_s)
{
    struct arrival *a = calloc(1, sizeof(*a));

    PG_CHECK(a != NULL);
    a->store = s;
    a->publish.tmp_fd = -1;
    pg_arena_init(&a->arena, ARENA_BUDGET);
    a->landing.repo = pg_copy(&a->arena, repo);
    if (tag.p != NULL)
        a->landing.tag = pg_copy(&a->arena, tag);
    a->landing.now_s = now_s;
    a->landing.steady_s = pg_steady_of(now_s);
    return a;
}

/* From here on it is visible, if the overlay has room. True: it may go on to be written. */
static bool show(struct arrival *a)
{
    struct store *s = a->store;
    uint64_t pending = atomic_fetch_add(&s->land->pending, 1);
    uint64_t bytes = atomic_fetch_add(&s->land->pending_bytes, bytes_of(a));

    work_hold(s->work);
    a->batch = overlay_batch_new();
    landing_show(&a->landing, a->bytes, a->batch);
    if (!overlay_show(s->overlay, a->batch)) {
        overlay_batch_free(a->batch);
        a->batch = NULL;
    }
    if (pending < PENDING_MAX && bytes + bytes_of(a) <= PENDING_BYTES_MAX)
        return true;
    (void)pg_fail(&a->err, PG_E_STORE_IO, "too much waits to be written to the store");
    return false;
}

void land_manifest(struct store *s, const struct land_manifest *m)
{
    struct arrival *a = arrival_new(s, m->repo, m->tag, m->now_s);

    a->bytes = pg_bytes_ref(m->bytes);
    a->landing.digest = m->digest;
    landing_of_manifest(&a->landing, m->parsed, pg_bytes_sl(m->bytes), &m->sha256, &a->arena);
    a->landing.manifest.media_type = pg_copy(&a->arena, m->parsed->media_type);
    if (!show(a)) {
        finish(a);
        return;
    }
    a->job = (struct pg_job){.run = run_file, .done = on_file};
    pg_pool_submit(s->config.slow_pool, &a->job);
}

static void land_rows(struct arrival *a)
{
    if (show(a))
        post_rows(a);
    else
        finish(a);
}

void land_tag(struct store *s, struct sl repo, struct sl tag, const struct digest *d, int64_t now_s)
{
    struct arrival *a = arrival_new(s, repo, tag, now_s);

    a->landing.digest = *d;
    land_rows(a);
}

/* What a manifest in the store names, out of its edges: it is linked along with it. */
static void name_by_edges(struct arrival *a)
{
    struct landing *l = &a->landing;
    _index_view_ struct index_view v = index_view_begin(a->store->index);
    struct pg_err ignored = {0};
    struct index_manifest manifest;
    struct index_edge edge;
    size_t n = 0;

    if (index_get_manifest(&v, &l->digest, &manifest, &ignored) > 0)
        l->manifest.media_type = pg_copy(&a->arena, manifest.media_type);
    while (n < MANIFEST_CHILDREN_MAX + 2 &&
           index_next_child(&v, &l->digest, n > 0 ? &edge : NULL, &edge, &ignored) > 0)
        n++;
    l->named = pg_alloc(&a->arena, n * sizeof(l->named[0]));
    while (l->nnamed < n &&
           index_next_child(&v, &l->digest, l->nnamed > 0 ? &edge : NULL, &edge, &ignored) > 0)
        landing_name(l, &edge.child, edge.kind, 0);
    pg_err_clear(&ignored);
}

void land_link(struct store *s, struct sl repo, const struct digest *d, enum index_link_kind kind,
               uint64_t size, int64_t now_s)
{
    struct arrival *a = arrival_new(s, repo, (struct sl){NULL, 0}, now_s);

    a->landing.digest = *d;
    a->landing.has_link = true;
    a->landing.link = (struct index_link){
        .kind = kind, .first_seen_s = a->landing.steady_s, .size = size, .landed = true};
    if (kind == INDEX_LINK_MANIFEST)
        name_by_edges(a);
    land_rows(a);
}

void land_tag_gone(struct store *s, struct sl repo, struct sl tag)
{
    struct arrival *a = arrival_new(s, repo, tag, pg_clock_wall_s());

    a->landing.tag_gone = true;
    land_rows(a);
}

void land_past_asked(struct store *s, struct sl repo, struct sl tag, const struct digest *d,
                     bool is_there)
{
    struct arrival *a = arrival_new(s, repo, tag, pg_clock_wall_s());

    a->landing.digest = *d;
    a->landing.was_asked = true;
    a->landing.is_there = is_there;
    land_rows(a);
}

void land_past_fixed(struct store *s, struct sl repo, struct sl tag, const struct digest *d)
{
    struct arrival *a = arrival_new(s, repo, tag, pg_clock_wall_s());

    a->landing.digest = *d;
    a->landing.is_fixed = true;
    land_rows(a);
}

void land_tag_forgotten(struct store *s, struct sl repo, struct sl tag)
{
    struct arrival *a = arrival_new(s, repo, tag, pg_clock_wall_s());

    a->landing.tag_gone = true;
    a->landing.is_forgotten = true;
    land_rows(a);
}

void land_link_gone(struct store *s, struct sl repo, const struct digest *d)
{
    struct arrival *a = arrival_new(s, repo, (struct sl){NULL, 0}, pg_clock_wall_s());

    a->landing.digest = *d;
    a->landing.link_gone = true;
    land_rows(a);
}

void land_blob_gone(struct store *s, const struct digest *d)
{
    publish_drop(s, d, PUBLISH_MISSING, NULL, NULL);
}

void land_event(struct store *s, const struct land_event *e)
{
    struct index_event event = {e->when_s, e->caller, e->repo, e->reference, e->digest};

    event_add(s->land->events, &event);
}

int land_replay(struct store *s, struct pg_err *err)
{
    return replay_journal(s, err);
}

int land_rebuild(struct store *s, const atomic_bool *stop, struct pg_err *err)
{
    return replay_manifests(s, stop, err);
}
