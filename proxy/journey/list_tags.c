/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/list_tags.h"

#include <inttypes.h>
#include <limits.h>

#include "base/clock.h"
#include "oci/link.h"
#include "proxy/journey/allowed.h"
#include "proxy/journey/list_cache.h"
#include "proxy/journey/reply.h"
#include "proxy/journey/tag_walk.h"

#define PAGE_BYTES_MAX ((size_t)2 * 1024 * 1024) /* ROUTE_PAGE_MAX tags of REF_TAG_MAX letters */
#define LINK_BYTES_MAX 2048

#define LIST_TAGS_STAGES(X)                                                                        \
    X(walk, CLIENT) X(walked, UPSTREAM) X(own, CLIENT) X(owned, CLIENT) X(page, CLIENT)

#define X(name, origin) static enum rq_next st_##name(struct rq *rq);
LIST_TAGS_STAGES(X)
#undef X
#define X(name, origin) static const struct rq_stage ST_##name = {#name, st_##name, RQ_##origin};
LIST_TAGS_STAGES(X)
#undef X

static enum rq_next st_lookup(struct rq *rq);
const struct rq_stage list_tags_first = {"lookup", st_lookup, RQ_CLIENT};

struct list_tags {
    struct tag_list *list; /* lookup or walked: a reference */
    bool may_be_stale, is_withdrawn;
    uint64_t age_ms;
    struct tag_walk walk;
    const char *detail; /* walked: why upstream's answer is missing */
    unsigned ticket;
};

static void leave(struct journey *j)
{
    struct list_tags *t = j->op;

    tag_walk_stop(&t->walk);
    tag_list_unref(t->list);
    t->list = NULL;
}

static enum rq_next serve(struct journey *j, enum journey_cache cache)
{
    j->told.cache = cache;
    j->times.resolved_ms = j->rq.queue->now_ms;
    return rq_go(&j->rq, &ST_page);
}

static enum rq_next st_lookup(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    const struct config *config = &j->snapshot->config;
    struct list_tags *t = pg_new(&rq->arena, struct list_tags);
    int64_t ignored;
    int allowed = allowed_look(j, pg_clock_wall_s(), &ignored);
    uint64_t got_ms = 0;

    j->op = t;
    j->op_end = leave;
    if (allowed < 0)
        return rq_fail_now(rq);
    t->is_withdrawn = allowed == ALLOWED_NOT;
    if (!t->is_withdrawn)
        t->list = tag_list_of(list_cache_get(j->home->tags, j->target.canonical, &got_ms));
    if (t->list != NULL) {
        t->age_ms = rq->queue->now_ms > got_ms ? rq->queue->now_ms - got_ms : 0;
        t->may_be_stale = t->age_ms < config->tags_max_stale;
        if (t->age_ms < config->tags_ttl)
            return serve(j, JOURNEY_HIT);
    }
    j->told.why = t->list == NULL ? "list not known" : "list expired";
    return rq_go(rq, &ST_walk);
}

static void on_walked(struct tag_walk *w)
{
    struct list_tags *t = w->journey->op;

    rq_wake(&w->journey->rq, t->ticket);
}

static void stop_walking(struct rq *rq)
{
    struct list_tags *t = journey_of(rq)->op;

    tag_walk_stop(&t->walk);
}

static enum rq_next st_walk(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct list_tags *t = j->op;

    t->ticket = rq_ticket(rq);
    tag_walk_start(&t->walk, j, on_walked);
    if (t->may_be_stale)
        return rq_wait_or_go(rq, &ST_walked,
                             journey_patience_ms(j, UINT_MAX, JOURNEY_PATIENCE_DOWN_MS),
                             stop_walking);
    return rq_wait(rq, &ST_walked, journey_left_ms(j), stop_walking);
}

static enum rq_next serve_stale(struct journey *j, const char *detail)
{
    struct list_tags *t = j->op;

    j->told.detail = detail;
    j->told.age_s = (int64_t)(t->age_ms / 1000);
    return serve(j, JOURNEY_STALE);
}

static enum rq_next take_error(struct journey *j)
{
    struct list_tags *t = j->op;
    enum pg_ekind kind = t->walk.err.kind;

    j->told.retry_after_s = t->walk.retry_after_s;
    pg_err_move(&j->rq.err, &t->walk.err);
    if (kind == PG_E_NAME_UNKNOWN)
        list_cache_drop(j->home->tags, j->target.canonical);
    t->detail = journey_silence(kind);
    if (t->detail == NULL)
        return rq_fail_now(&j->rq);
    if (!t->may_be_stale)
        return t->is_withdrawn ? rq_fail_now(&j->rq) : rq_go(&j->rq, &ST_own);
    pg_err_clear(&j->rq.err);
    return serve_stale(j, t->detail);
}

static enum rq_next st_own(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct list_tags *t = j->op;

    t->ticket = rq_ticket(rq);
    tag_walk_own(&t->walk, j, on_walked);
    return rq_wait(rq, &ST_owned, journey_left_ms(j), stop_walking);
}

/* A list of the store alone is none of upstream's, and not kept. */
static enum rq_next st_owned(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct list_tags *t = j->op;

    if (t->walk.err.kind != PG_E_NONE || t->walk.list->n == 0)
        return rq_fail_now(rq); /* with what upstream's answer was */
    pg_err_clear(&rq->err);
    tag_list_unref(t->list);
    t->list = tag_list_ref(t->walk.list);
    j->told.detail = t->detail;
    j->told.age_s = -1;
    return serve(j, JOURNEY_STALE);
}

static enum rq_next st_walked(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct list_tags *t = j->op;

    if (!t->walk.over)
        return serve_stale(j, "timeout");
    if (t->walk.err.kind != PG_E_NONE)
        return take_error(j);
    tag_list_unref(t->list);
    t->list = tag_list_ref(t->walk.list);
    list_cache_put(j->home->tags, j->target.canonical, &t->list->listing, t->list->names.cap,
                   rq->queue->now_ms);
    return serve(j, JOURNEY_MISS);
}

/* As the client addressed us, relative: whatever stands between us may keep its own name. */
static int say_next(struct journey *j, const struct tag_list_page *page)
{
    struct pg_arena *arena = &j->rq.arena;
    struct sl ns = j->want.ns, last = link_encode(arena, page->end);
    struct pg_buf b;
    int fits;

    pg_buf_init(&b, LINK_BYTES_MAX);
    fits = pg_buf_printf(&b, "</v2/" SL_FMT "/tags/list?n=%zu&last=" SL_FMT, SL_ARG(j->want.name),
                         page->n, SL_ARG(last));
    if (fits == 0 && ns.p != NULL)
        fits = pg_buf_printf(&b, "&ns=" SL_FMT, SL_ARG(link_encode(arena, ns)));
    if (fits == 0)
        fits = pg_buf_put(&b, SL(">; rel=\"next\""));
    if (fits == 0)
        send_field(j->conn, SL("Link"), pg_buf_sl(&b));
    pg_buf_free(&b);
    return fits;
}

static enum rq_next st_page(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct list_tags *t = j->op;
    struct tag_list_page page = {.name = j->want.name, .last = j->want.last, .n = ROUTE_PAGE_MAX};

    if (admit_list(j) < 0)
        return rq_fail_now(rq);
    if (j->want.has_n)
        page.n = j->want.n;
    pg_buf_init(&j->body, PAGE_BYTES_MAX);
    if (tag_list_write(t->list, &page, &j->body) < 0) {
        pg_fail(&rq->err, PG_E_INTERNAL, "the page of tags does not fit");
        return rq_fail_now(rq);
    }
    reply_begin(j, 200);
    send_field(j->conn, SL("Content-Type"), SL("application/json"));
    send_field(j->conn, SL("Cache-Control"), SL("no-cache"));
    reply_cache_status(j);
    if (page.more && page.n > 0)
        PG_CHECK(say_next(j, &page) == 0); /* name, tag and host are short by their grammar */
    send_mem(j->conn, pg_buf_sl(&j->body));
    return reply_go(j);
}
