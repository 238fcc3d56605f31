/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/referrers.h"

#include <limits.h>

#include "base/clock.h"
#include "oci/link.h"
#include "oci/media.h"
#include "proxy/journey/allowed.h"
#include "proxy/journey/list_cache.h"
#include "proxy/journey/referrer_walk.h"
#include "proxy/journey/reply.h"

#define LINK_BYTES_MAX 2048

#define REFERRERS_STAGES(X)                                                                        \
    X(walk, CLIENT) X(walked, UPSTREAM) X(own, CLIENT) X(owned, CLIENT) X(page, CLIENT)

#define X(name, origin) static enum rq_next st_##name(struct rq *rq);
REFERRERS_STAGES(X)
#undef X
#define X(name, origin) static const struct rq_stage ST_##name = {#name, st_##name, RQ_##origin};
REFERRERS_STAGES(X)
#undef X

static enum rq_next st_lookup(struct rq *rq);
const struct rq_stage referrers_first = {"lookup", st_lookup, RQ_CLIENT};

struct referrers {
    struct referrer_list *list; /* lookup, walked or owned: a reference */
    bool may_be_stale, is_withdrawn;
    uint64_t age_ms;
    struct sl key; /* of the list */
    struct referrer_walk walk;
    const char *detail; /* walked: why upstream's answer is missing */
    unsigned ticket;
};

static void leave(struct journey *j)
{
    struct referrers *f = j->op;

    referrer_walk_stop(&f->walk);
    referrer_list_unref(f->list);
    f->list = NULL;
}

static enum rq_next serve(struct journey *j, enum journey_cache cache)
{
    j->told.cache = cache;
    j->times.resolved_ms = j->rq.queue->now_ms;
    return rq_go(&j->rq, &ST_page);
}

static struct sl make_key(struct journey *j)
{
    struct sl repo = j->target.canonical;
    char text[DIGEST_TEXT_MAX], *key = pg_alloc(&j->rq.arena, repo.n + 1 + sizeof(text));
    struct sl digest = digest_write(&j->want.digest, text);

    memcpy(key, repo.p, repo.n);
    key[repo.n] = ' ';
    memcpy(key + repo.n + 1, digest.p, digest.n);
    return (struct sl){key, repo.n + 1 + digest.n};
}

/* Clients ask for the referrers of sha256:000... to learn whether there is the API: here there is,
 * whatever upstream has. */
static bool is_a_probe(const struct digest *d)
{
    for (size_t i = 0; i < digest_bytes(d); i++)
        if (d->bytes[i] != 0)
            return false;
    return true;
}

static enum rq_next st_lookup(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    const struct config *config = &j->snapshot->config;
    struct referrers *f = pg_new(&rq->arena, struct referrers);
    int64_t ignored;
    int allowed = allowed_look(j, pg_clock_wall_s(), &ignored);
    uint64_t got_ms = 0;

    j->op = f;
    j->op_end = leave;
    j->told.digest = j->want.digest;
    j->told.has_digest = true;
    if (is_a_probe(&j->want.digest)) {
        f->list = referrer_list_new();
        return serve(j, JOURNEY_NONE);
    }
    if (allowed < 0)
        return rq_fail_now(rq);
    f->is_withdrawn = allowed == ALLOWED_NOT;
    f->key = make_key(j);
    if (!f->is_withdrawn)
        f->list = referrer_list_of(list_cache_get(j->home->referrers, f->key, &got_ms));
    if (f->list != NULL) {
        f->age_ms = rq->queue->now_ms > got_ms ? rq->queue->now_ms - got_ms : 0;
        f->may_be_stale = f->age_ms < config->tags_max_stale;
        if (f->age_ms < config->tags_ttl)
            return serve(j, JOURNEY_HIT);
    }
    j->told.why = f->list == NULL ? "list not known" : "list expired";
    return rq_go(rq, &ST_walk);
}

static void on_walked(struct referrer_walk *w)
{
    struct referrers *f = w->journey->op;

    rq_wake(&w->journey->rq, f->ticket);
}

static void stop_walking(struct rq *rq)
{
    struct referrers *f = journey_of(rq)->op;

    referrer_walk_stop(&f->walk);
}

static enum rq_next st_walk(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct referrers *f = j->op;

    f->ticket = rq_ticket(rq);
    referrer_walk_start(&f->walk, j, on_walked);
    if (f->may_be_stale)
        return rq_wait_or_go(rq, &ST_walked,
                             journey_patience_ms(j, UINT_MAX, JOURNEY_PATIENCE_DOWN_MS),
                             stop_walking);
    return rq_wait(rq, &ST_walked, journey_left_ms(j), stop_walking);
}

static enum rq_next serve_stale(struct journey *j, const char *detail)
{
    struct referrers *f = j->op;

    j->told.detail = detail;
    j->told.age_s = (int64_t)(f->age_ms / 1000);
    return serve(j, JOURNEY_STALE);
}

static enum rq_next take_error(struct journey *j)
{
    struct referrers *f = j->op;
    enum pg_ekind kind = f->walk.err.kind;

    j->told.retry_after_s = f->walk.retry_after_s;
    pg_err_move(&j->rq.err, &f->walk.err);
    if (kind == PG_E_MANIFEST_UNKNOWN) /* what was listed is none of ours any more */
        list_cache_drop(j->home->referrers, f->key);
    f->detail = journey_silence(kind);
    if (f->detail == NULL)
        return rq_fail_now(&j->rq);
    if (f->may_be_stale) {
        pg_err_clear(&j->rq.err);
        return serve_stale(j, f->detail);
    }
    if (f->is_withdrawn || j->snapshot->config.tags_max_stale == 0)
        return rq_fail_now(&j->rq);
    return rq_go(&j->rq, &ST_own);
}

/* A list of the store alone is none of upstream's, and not kept. */
static enum rq_next st_own(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct referrers *f = j->op;

    f->ticket = rq_ticket(rq);
    referrer_walk_own(&f->walk, j, on_walked);
    return rq_wait(rq, &ST_owned, journey_left_ms(j), stop_walking);
}

static enum rq_next st_owned(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct referrers *f = j->op;

    if (f->walk.err.kind != PG_E_NONE || f->walk.list->n == 0)
        return rq_fail_now(rq); /* with what upstream's answer was */
    pg_err_clear(&rq->err);
    referrer_list_unref(f->list);
    f->list = referrer_list_ref(f->walk.list);
    j->told.detail = f->detail;
    j->told.age_s = -1;
    return serve(j, JOURNEY_STALE);
}

static enum rq_next st_walked(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct referrers *f = j->op;

    if (!f->walk.over)
        return serve_stale(j, "timeout");
    if (f->walk.err.kind != PG_E_NONE)
        return take_error(j);
    referrer_list_unref(f->list);
    f->list = referrer_list_ref(f->walk.list);
    list_cache_put(j->home->referrers, f->key, &f->list->listing, referrer_list_memory(f->list),
                   rq->queue->now_ms);
    return serve(j, JOURNEY_MISS);
}

/* ---- pages --------------------------------------------------------------------------------- */

/* What is denied is not listed; what is not decided yet may be asked for. */
static bool may_be_listed(void *owner, const struct digest *d)
{
    return admit_may_list(owner, d);
}

static void put_param(struct pg_buf *b, struct pg_arena *arena, const char *name, struct sl value)
{
    if (value.p != NULL)
        (void)pg_buf_printf(b, "&%s=" SL_FMT, name, SL_ARG(link_encode(arena, value)));
}

/* As the client addressed us, relative: whatever stands between us may keep its own name. */
static void say_next(struct journey *j, const struct referrer_list_page *page)
{
    struct pg_arena *arena = &j->rq.arena;
    struct pg_buf b;

    pg_buf_init(&b, LINK_BYTES_MAX);
    (void)pg_buf_printf(&b, "</v2/" SL_FMT "/referrers/" SL_FMT "?n=%zu&last=" SL_FMT,
                        SL_ARG(j->want.name), SL_ARG(j->want.reference), page->n,
                        SL_ARG(page->end));
    put_param(&b, arena, "artifactType", page->artifact_type);
    put_param(&b, arena, "ns", j->want.ns);
    (void)pg_buf_put(&b, SL(">; rel=\"next\""));
    PG_CHECK(!b.over); /* name, digest, type and host are short by their grammar */
    send_field(j->conn, SL("Link"), pg_buf_sl(&b));
    pg_buf_free(&b);
}

static enum rq_next st_page(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct referrers *f = j->op;
    struct referrer_list_page page = {.artifact_type = j->want.artifact_type,
                                      .last = j->want.last,
                                      .n = j->want.has_n ? j->want.n : REFERRERS_PAGE,
                                      .may = may_be_listed,
                                      .owner = j};

    if (admit_list(j) < 0)
        return rq_fail_now(rq);
    pg_buf_init(&j->body, REFERRER_LIST_PAGE_BYTES_MAX);
    if (!referrer_list_write(f->list, &page, &j->body)) {
        pg_fail(&rq->err, PG_E_MANIFEST_UNKNOWN,
                "the list of referrers has no entry as named by last; ask for it from its start");
        return rq_fail_now(rq);
    }
    reply_begin(j, 200);
    send_field(j->conn, SL("Content-Type"), SL(MEDIA_OCI_INDEX));
    send_field(j->conn, SL("Cache-Control"), SL("no-cache"));
    if (j->want.artifact_type.p != NULL)
        send_field(j->conn, SL("OCI-Filters-Applied"), SL("artifactType"));
    reply_cache_status(j);
    if (page.more && page.n > 0)
        say_next(j, &page);
    send_mem(j->conn, pg_buf_sl(&j->body));
    return reply_go(j);
}
