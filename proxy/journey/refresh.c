/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/refresh.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/metric.h"
#include "cache/access.h"
#include "cache/land.h"
#include "cache/lost.h"
#include "cache/overlay.h"
#include "oci/manifest.h"
#include "oci/media.h"
#include "proxy/journey/aside.h"

struct refresh {
    struct rq rq;
    struct pg_list node; /* in home->refreshes, until it has ended */
    struct journey_home *home;
    struct snapshot *snapshot;
    struct target target;        /* slices in the strings below */
    struct sl reference, caller; /* of the journey that began it */
    bool by_digest, has_have;
    struct digest have;
    struct fetch_ask *ask;
    struct reading *reading; /* of what came */
    unsigned ticket;
    struct pg_list readers;
    unsigned refs;
    struct pg_arena names;      /* target and media type: they outlive the request's own arena */
    struct trace_context trace; /* of the journey that began it */
    struct refresh_answer answer;
};

/* A manifest that is read and landed, perhaps when its loop has ended: r is a reference, and of it
 * nothing is looked at but its names. */
struct reading {
    struct aside aside;
    struct refresh *r;
    struct store *store;
    struct land_manifest land;
    struct pg_arena arena; /* larger than a request's: it holds upstream's descriptors */
    struct sl content_type;
    struct manifest manifest;
    struct pg_err err;
};

#define REFRESH_STAGES(X)                                                                          \
    X(start, CLIENT)                                                                               \
    X(head, UPSTREAM) X(get, CLIENT) X(got, UPSTREAM) X(read, UPSTREAM) X(failed, UPSTREAM)

#define X(name, origin) static enum rq_next st_##name(struct rq *rq);
REFRESH_STAGES(X)
#undef X
#define X(name, origin)                                                                            \
    static const struct rq_stage ST_##name = {"refresh." #name, st_##name, RQ_##origin};
REFRESH_STAGES(X)
#undef X

static struct refresh *refresh_of(struct rq *rq)
{
    return pg_container_of(rq, struct refresh, rq);
}

static void unref(struct refresh *r)
{
    if (--r->refs > 0)
        return;
    pg_bytes_unref(r->answer.bytes);
    pg_err_clear(&r->answer.err);
    pg_arena_free(&r->names);
    config_snapshot_unref(r->snapshot);
    free(r);
}

static void end_ask(struct refresh *r)
{
    if (r->ask != NULL)
        fetch_ask_free(r->ask);
    r->ask = NULL;
}

static void stop_asking(struct rq *rq)
{
    end_ask(refresh_of(rq));
}

static void on_answered(struct fetch_ask *ask)
{
    struct refresh *r = ask->owner;

    rq_wake(&r->rq, r->ticket);
}

static bool follows(const struct refresh *r)
{
    return r->target.upstream->upstream_when_deleted == CONFIG_FOLLOW;
}

/* What upstream has withdrawn is not to be had from a mirror. */
static bool is_withdrawn(const struct refresh *r)
{
    struct access access;
    struct pg_err ignored = {0};
    bool is_known = access_look(r->home->store, r->target.canonical, &access, &ignored) == 0;

    pg_err_clear(&ignored);
    return follows(r) && (!is_known || access.withdrawn);
}

/* Bytes are welcome from a mirror. What is here already is asked for to hear whether it may be
 * read, which no mirror has to say. */
static bool wants_authority(const struct refresh *r)
{
    return r->has_have || is_withdrawn(r);
}

static enum rq_next ask(struct refresh *r, enum fetch_kind kind, const struct rq_stage *then)
{
    struct fetch_question q = {.kind = kind,
                               .snapshot = r->snapshot,
                               .upstream = r->target.upstream,
                               .repo = r->target.repo,
                               .reference = r->reference,
                               .caller = r->caller,
                               .is_cold = !r->has_have,
                               .of_authority = wants_authority(r),
                               .trace = r->trace};

    end_ask(r);
    r->ticket = rq_ticket(&r->rq);
    r->ask = fetch_ask(r->home->fetch, &q, &r->home->loop->mail, on_answered, r);
    return rq_wait(&r->rq, then, (unsigned)r->snapshot->config.limits_answer_timeout, stop_asking);
}

static void note_access(struct refresh *r, bool denied)
{
    access_note(r->home->store, r->target.canonical, denied, pg_clock_wall_s());
}

static enum rq_next fail_with(struct refresh *r, struct pg_err *err)
{
    r->answer.denied = r->ask->denied;
    r->answer.retry_after_s = r->ask->retry_after_s;
    pg_err_move(&r->rq.err, err);
    return rq_fail_now(&r->rq);
}

static enum rq_next st_start(struct rq *rq)
{
    struct refresh *r = refresh_of(rq);

    if (r->has_have)
        return ask(r, FETCH_MANIFEST_HEAD, &ST_head);
    return rq_go(rq, &ST_get);
}

static void land_confirmed(struct refresh *r)
{
    struct store *s = r->home->store;
    int64_t now_s = pg_clock_wall_s();

    lost_found(s, r->target.canonical, &r->have);
    if (r->by_digest)
        land_link(s, r->target.canonical, &r->have, INDEX_LINK_MANIFEST, 0, now_s);
    else
        land_tag(s, r->target.canonical, r->reference, &r->have, now_s);
}

/* A HEAD is worth what it says in our favour: the digest, in so many letters. Where it says
 * another, or no, or nothing (which is how a registry without HEAD answers), GET tells. */
static enum rq_next st_head(struct rq *rq)
{
    struct refresh *r = refresh_of(rq);
    const struct fetch_answer *a = &r->ask->answer;
    enum pg_ekind kind = r->ask->err.kind;

    if (kind != PG_E_NONE && kind != PG_E_UPSTREAM_WRONG && kind != PG_E_MANIFEST_UNKNOWN)
        return fail_with(r, &r->ask->err);
    if (kind != PG_E_NONE || !a->has_digest || !digest_eq(&a->digest, &r->have))
        return rq_go(rq, &ST_get);
    r->answer.digest = r->have;
    land_confirmed(r);
    note_access(r, false);
    return rq_end(rq);
}

static enum rq_next st_get(struct rq *rq)
{
    return ask(refresh_of(rq), FETCH_MANIFEST, &ST_got);
}

static void free_reading(struct aside *a)
{
    struct reading *g = pg_container_of(a, struct reading, aside);

    pg_bytes_unref(g->land.bytes);
    pg_arena_free(&g->arena);
    pg_err_clear(&g->err);
    unref(g->r);
    free(g);
}

static bool has_urls(const struct manifest *m)
{
    for (size_t i = 0; i < m->nchildren; i++)
        if (m->children[i].has_urls)
            return true;
    return m->config.has_urls || m->subject.has_urls;
}

/* Landed here, too: a manifest of thousands of children gives as many links. */
static void read_it(struct aside *a)
{
    struct reading *g = pg_container_of(a, struct reading, aside);

    if (manifest_parse(pg_bytes_sl(g->land.bytes), g->content_type, &g->arena, &g->manifest,
                       &g->err) < 0)
        return;
    if (has_urls(&g->manifest))
        pg_metric_inc(PG_M_MANIFESTS_WITH_URLS);
    g->land.parsed = &g->manifest;
    land_manifest(g->store, &g->land);
}

static void on_read(struct aside *a)
{
    struct refresh *r = pg_container_of(a, struct reading, aside)->r;

    rq_wake(&r->rq, r->ticket);
}

static struct reading *new_reading(struct refresh *r)
{
    const struct fetch_answer *a = &r->ask->answer;
    struct sl type = media_strip(a->content_type);
    struct reading *g = calloc(1, sizeof(*g));

    PG_CHECK(g != NULL);
    g->aside = (struct aside){.run = read_it, .done = on_read, .free = free_reading};
    g->r = r;
    r->refs++;
    g->store = r->home->store;
    g->land = (struct land_manifest){.repo = r->target.canonical,
                                     .tag = r->by_digest ? (struct sl){NULL, 0} : r->reference,
                                     .digest = a->digest,
                                     .sha256 = a->sha256,
                                     .bytes = pg_bytes_ref(a->body),
                                     .now_s = pg_clock_wall_s()};
    pg_arena_init(&g->arena, MANIFEST_ARENA_BYTES);
    g->content_type = media_is_generic(type) ? SL("") : pg_copy(&g->arena, type);
    return g;
}

static void end_reading(struct refresh *r)
{
    if (r->reading != NULL)
        aside_leave(&r->reading->aside);
    r->reading = NULL;
}

static void stop_reading(struct rq *rq)
{
    end_reading(refresh_of(rq));
}

/* By digest it may be in the store for another repository, of which nobody is to hear. */
static bool is_linked(const struct refresh *r)
{
    struct index_link link;
    struct pg_err ignored = {0};
    int found = !r->has_have ? 0
                             : overlay_get_link(r->home->store, r->target.canonical, &r->have,
                                                &link, &ignored);

    pg_err_clear(&ignored);
    return found > 0;
}

/* Who was let in once and is not any more: that is a withdrawal. Of what we never saw, upstream's
 * no says nothing. */
static bool is_withdrawal(const struct refresh *r)
{
    struct access before = {0};
    struct pg_err ignored = {0};

    if (access_look(r->home->store, r->target.canonical, &before, &ignored) < 0)
        pg_err_clear(&ignored);
    return before.at_s > 0 || (r->has_have && !r->by_digest) || is_linked(r);
}

static void follow(struct refresh *r)
{
    if (!follows(r))
        return;
    if (r->ask->denied) {
        r->answer.withdrawn = is_withdrawal(r);
        if (r->answer.withdrawn)
            note_access(r, true);
    } else if (!r->by_digest) {
        land_tag_gone(r->home->store, r->target.canonical, r->reference);
    } else if (r->has_have) {
        land_link_gone(r->home->store, r->target.canonical, &r->have);
    }
}

static enum rq_next st_got(struct rq *rq)
{
    struct refresh *r = refresh_of(rq);

    if (r->ask->err.kind == PG_E_MANIFEST_UNKNOWN) {
        if (r->has_have && !r->ask->denied)
            lost_note(r->home->store, r->target.canonical, &r->have);
        follow(r);
    }
    if (r->ask->err.kind != PG_E_NONE)
        return fail_with(r, &r->ask->err);
    if (r->ask->answer.has_authority) /* a mirror lets in whom it likes */
        note_access(r, false);
    r->reading = new_reading(r);
    r->ticket = rq_ticket(rq);
    if (r->ask->answer.body->n > ASIDE_BYTES)
        aside_start(&r->reading->aside, r->home->loop);
    else
        aside_at_once(&r->reading->aside);
    return rq_wait(rq, &ST_read, (unsigned)r->snapshot->config.limits_answer_timeout, stop_reading);
}

static enum rq_next st_read(struct rq *rq)
{
    struct refresh *r = refresh_of(rq);
    struct reading *g = r->reading;

    if (g->err.kind != PG_E_NONE) {
        pg_err_move(&rq->err, &g->err);
        return rq_fail_now(rq);
    }
    lost_found(r->home->store, r->target.canonical, &g->land.digest);
    r->answer.digest = g->land.digest;
    r->answer.sha256 = g->land.sha256;
    r->answer.media_type = pg_copy(&r->names, g->manifest.media_type);
    r->answer.bytes = pg_bytes_ref(g->land.bytes);
    return rq_end(rq);
}

static enum rq_next st_failed(struct rq *rq)
{
    return rq_end(rq);
}

/* From here on the answer is const, and each reader that is aboard hears of it. */
static void on_end(struct rq *rq)
{
    struct refresh *r = refresh_of(rq);

    if (rq->err.kind != PG_E_NONE)
        pg_err_copy(&r->answer.err, &rq->err);
    end_ask(r);
    end_reading(r);
    pg_list_remove(&r->node);
    pg_list_each_safe (it, tmp, &r->readers) {
        struct refresh_reader *reader = pg_container_of(it, struct refresh_reader, node);

        pg_list_remove(it);
        reader->answered = true;
        reader->done(reader);
    }
    unref(r);
}

/* What is asked about: by the journey's reference, or by a digest. */
struct asked {
    struct sl reference;
    bool by_digest;
    const struct digest *have;
};

static bool is_same(const struct refresh *r, const struct journey *j, const struct asked *a)
{
    const struct digest *have = a->have;

    return r->snapshot == j->snapshot && sl_eq(r->target.canonical, j->target.canonical) &&
           sl_eq(r->reference, a->reference) && r->has_have == (have != NULL) &&
           (have == NULL || digest_eq(&r->have, have));
}

static struct refresh *find(struct journey *j, const struct asked *a)
{
    pg_list_each_safe (it, tmp, &j->home->refreshes) {
        struct refresh *r = pg_container_of(it, struct refresh, node);

        if (is_same(r, j, a))
            return r;
    }
    return NULL;
}

static struct refresh *begin(struct journey *j, const struct asked *a)
{
    struct refresh *r = calloc(1, sizeof(*r));

    PG_CHECK(r != NULL);
    rq_start(&j->home->loop->queue, &r->rq, &ST_start, &ST_failed, on_end);
    pg_arena_init(&r->names, 4096);
    pg_list_init(&r->node);
    pg_list_init(&r->readers);
    pg_list_push(&j->home->refreshes, &r->node);
    r->refs = 1;
    r->home = j->home;
    r->snapshot = config_snapshot_ref(j->snapshot);
    r->target.upstream = j->target.upstream;
    r->target.repo = pg_copy(&r->names, j->target.repo);
    r->target.canonical = pg_copy(&r->names, j->target.canonical);
    r->reference = pg_copy(&r->names, a->reference);
    r->caller = pg_copy(&r->names, journey_caller(j));
    r->by_digest = a->by_digest;
    r->trace = j->trace.of;
    r->has_have = a->have != NULL;
    if (a->have != NULL)
        r->have = *a->have;
    return r;
}

static void join(struct journey *j, const struct asked *a, struct refresh_reader *reader,
                 void (*done)(struct refresh_reader *r))
{
    struct refresh *r = find(j, a);

    if (r == NULL)
        r = begin(j, a);
    *reader = (struct refresh_reader){.refresh = r, .done = done};
    pg_list_init(&reader->node);
    pg_list_push(&r->readers, &reader->node);
    r->refs++;
}

void refresh_join(struct journey *j, const struct digest *have, struct refresh_reader *reader,
                  void (*done)(struct refresh_reader *r))
{
    const struct asked a = {j->want.reference, j->want.by_digest, have};

    join(j, &a, reader, done);
}

void refresh_join_digest(struct journey *j, const struct digest *d, bool have,
                         struct refresh_reader *reader, void (*done)(struct refresh_reader *r))
{
    char text[DIGEST_TEXT_MAX];
    const struct asked a = {digest_write(d, text), true, have ? d : NULL};

    join(j, &a, reader, done);
}

void refresh_leave(struct refresh_reader *reader)
{
    if (reader->refresh == NULL)
        return;
    pg_list_remove(&reader->node);
    unref(reader->refresh);
    reader->refresh = NULL;
}

const struct refresh_answer *refresh_look(const struct refresh_reader *reader)
{
    PG_CHECK(reader->answered);
    return &reader->refresh->answer;
}

void refresh_stop_all(struct journey_home *home)
{
    struct rq_queue *q = &home->loop->queue;

    pg_list_each_safe (it, tmp, &home->refreshes)
        rq_cancel(&pg_container_of(it, struct refresh, node)->rq);
    while (!pg_list_empty(&home->refreshes))
        rq_queue_run(q, q->now_ms, 64);
}
