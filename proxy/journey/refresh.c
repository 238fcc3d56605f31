/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/refresh.h"

#include <stdlib.h>

#include "base/clock.h"
#include "cache/land.h"
#include "oci/manifest.h"
#include "oci/media.h"

struct refresh {
    struct rq rq;
    struct pg_list node; /* in home->refreshes, until it has ended */
    struct journey_home *home;
    struct snapshot *snapshot;
    struct target target; /* slices in the strings below */
    struct sl reference;
    bool by_digest, has_have;
    struct digest have;
    struct fetch_ask *ask;
    unsigned ticket;
    struct pg_list readers;
    unsigned refs;
    struct pg_arena names; /* target and media type: they outlive the request's own arena */
    struct refresh_answer answer;
};

#define REFRESH_STAGES(X)                                                                          \
    X(start, CLIENT) X(head, UPSTREAM) X(get, CLIENT) X(got, UPSTREAM) X(failed, UPSTREAM)

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

static enum rq_next ask(struct refresh *r, enum fetch_kind kind, const struct rq_stage *then)
{
    struct fetch_question q = {.kind = kind,
                               .snapshot = r->snapshot,
                               .upstream = r->target.upstream,
                               .repo = r->target.repo,
                               .reference = r->reference};

    end_ask(r);
    r->ticket = rq_ticket(&r->rq);
    r->ask = fetch_ask(r->home->fetch, &q, &r->home->loop->mail, on_answered, r);
    return rq_wait(&r->rq, then, (unsigned)r->snapshot->config.limits_answer_timeout, stop_asking);
}

static enum rq_next fail_with(struct refresh *r, struct pg_err *err)
{
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
    return rq_end(rq);
}

static enum rq_next st_get(struct rq *rq)
{
    return ask(refresh_of(rq), FETCH_MANIFEST, &ST_got);
}

static void land_fetched(struct refresh *r, const struct manifest *m)
{
    const struct fetch_answer *a = &r->ask->answer;
    struct land_manifest land = {.repo = r->target.canonical,
                                 .digest = a->digest,
                                 .sha256 = a->sha256,
                                 .bytes = a->body,
                                 .parsed = m,
                                 .now_s = pg_clock_wall_s()};

    if (!r->by_digest)
        land.tag = r->reference;
    land_manifest(r->home->store, &land);
}

static int take(struct refresh *r, struct pg_arena *arena, struct pg_err *err)
{
    const struct fetch_answer *a = &r->ask->answer;
    struct sl type = media_strip(a->content_type);
    struct manifest m;

    if (media_is_generic(type))
        type = SL("");
    if (manifest_parse(pg_bytes_sl(a->body), type, arena, &m, err) < 0)
        return -1;
    r->answer.digest = a->digest;
    r->answer.sha256 = a->sha256;
    r->answer.media_type = pg_copy(&r->names, m.media_type);
    r->answer.bytes = pg_bytes_ref(a->body);
    land_fetched(r, &m);
    return 0;
}

static enum rq_next st_got(struct rq *rq)
{
    struct refresh *r = refresh_of(rq);
    struct pg_arena arena; /* larger than a request's: it holds upstream's descriptors */
    int got;

    if (r->ask->err.kind == PG_E_MANIFEST_UNKNOWN && !r->by_digest)
        land_tag_gone(r->home->store, r->target.canonical, r->reference);
    if (r->ask->err.kind != PG_E_NONE)
        return fail_with(r, &r->ask->err);
    pg_arena_init(&arena, MANIFEST_ARENA_BYTES);
    got = take(r, &arena, &rq->err);
    pg_arena_free(&arena);
    return got < 0 ? rq_fail_now(rq) : rq_end(rq);
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
    pg_list_remove(&r->node);
    pg_list_each_safe (it, tmp, &r->readers) {
        struct refresh_reader *reader = pg_container_of(it, struct refresh_reader, node);

        pg_list_remove(it);
        reader->answered = true;
        reader->done(reader);
    }
    unref(r);
}

static bool is_same(const struct refresh *r, const struct journey *j, const struct digest *have)
{
    return r->snapshot == j->snapshot && sl_eq(r->target.canonical, j->target.canonical) &&
           sl_eq(r->reference, j->want.reference) && r->has_have == (have != NULL) &&
           (have == NULL || digest_eq(&r->have, have));
}

static struct refresh *find(struct journey *j, const struct digest *have)
{
    pg_list_each_safe (it, tmp, &j->home->refreshes) {
        struct refresh *r = pg_container_of(it, struct refresh, node);

        if (is_same(r, j, have))
            return r;
    }
    return NULL;
}

static struct refresh *begin(struct journey *j, const struct digest *have)
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
    r->reference = pg_copy(&r->names, j->want.reference);
    r->by_digest = j->want.by_digest;
    r->has_have = have != NULL;
    if (have != NULL)
        r->have = *have;
    return r;
}

void refresh_join(struct journey *j, const struct digest *have, struct refresh_reader *reader,
                  void (*done)(struct refresh_reader *r))
{
    struct refresh *r = find(j, have);

    if (r == NULL)
        r = begin(j, have);
    *reader = (struct refresh_reader){.refresh = r, .done = done};
    pg_list_init(&reader->node);
    pg_list_push(&r->readers, &reader->node);
    r->refs++;
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
