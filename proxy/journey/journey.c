/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/journey.h"

#include <stdlib.h>

#include "proxy/http/peer.h"
#include "proxy/journey/ahead.h"
#include "proxy/journey/authz.h"
#include "proxy/journey/finish.h"
#include "proxy/journey/list_tags.h"
#include "proxy/journey/ping.h"
#include "proxy/journey/pull_blob.h"
#include "proxy/journey/pull_manifest.h"
#include "proxy/journey/referrers.h"
#include "proxy/journey/reply.h"

/* What all journeys have in front. */
#define JOURNEY_STAGES(X) X(route, CLIENT) X(authn, CLIENT) X(authz, CLIENT)

#define X(name, origin) static enum rq_next st_##name(struct rq *rq);
JOURNEY_STAGES(X)
#undef X
#define X(name, origin) static const struct rq_stage ST_##name = {#name, st_##name, RQ_##origin};
JOURNEY_STAGES(X)
#undef X

struct journey *journey_of(struct rq *rq)
{
    return pg_container_of(rq, struct journey, rq);
}

unsigned journey_left_ms(const struct journey *j)
{
    uint64_t now_ms = j->rq.queue->now_ms;

    return now_ms < j->times.deadline_ms ? (unsigned)(j->times.deadline_ms - now_ms) : 1;
}

unsigned journey_patience_ms(const struct journey *j, unsigned well_ms, unsigned down_ms)
{
    const char *name = j->target.upstream->name;
    unsigned left_ms = journey_left_ms(j), patience_ms;
    struct health_view health;

    fetch_health(j->home->fetch, (struct sl){name, strlen(name)}, &health);
    patience_ms = health.state == HEALTH_DOWN ? down_ms : well_ms;
    return patience_ms < left_ms ? patience_ms : left_ms;
}

const char *journey_silence(enum pg_ekind kind)
{
    return kind == PG_E_UPSTREAM_DOWN  ? "upstream_down"
           : kind == PG_E_UPSTREAM_TLS ? "upstream_tls"
           : kind == PG_E_TIMEOUT      ? "timeout"
                                       : NULL;
}

const char *journey_cache_name(enum journey_cache cache)
{
    static const char *const names[] = {
        [JOURNEY_NONE] = "-",      [JOURNEY_HIT] = "hit",
        [JOURNEY_MISS] = "miss",   [JOURNEY_COALESCED] = "coalesced",
        [JOURNEY_STALE] = "stale", [JOURNEY_REVALIDATED] = "revalidated",
    };

    return names[cache];
}

static const struct {
    const char *name;
    const struct rq_stage *first;
} ops[] = {
    [ROUTE_PING] = {"ping", &ping_first},
    [ROUTE_MANIFEST] = {"manifest", &pull_manifest_first},
    [ROUTE_BLOB] = {"blob", &pull_blob_first},
    [ROUTE_TAGS] = {"tags", &list_tags_first},
    [ROUTE_REFERRERS] = {"referrers", &referrers_first},
    [ROUTE_CATALOG] = {"catalog", NULL},
    [ROUTE_OTHER] = {"other", NULL},
};

const char *journey_op_name(const struct journey *j)
{
    return j->http == NULL ? "-" : ops[j->want.op].name;
}

/* What is asked for, of whom. */
static enum rq_next st_route(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    const struct config *config = &j->snapshot->config;

    j->times.began_ms = rq->queue->now_ms;
    j->times.deadline_ms = j->times.began_ms + config->limits_answer_timeout;
    j->want.op = ROUTE_OTHER; /* until it is known */
    if (route_parse(j->http->method, j->http->target, &rq->arena, &j->want, &rq->err) < 0)
        return rq_fail_now(rq);
    if (j->want.op == ROUTE_CATALOG) {
        pg_fail(&rq->err, PG_E_UNSUPPORTED,
                "a proxy has no catalog: it serves what it is asked for");
        return rq_fail_now(rq);
    }
    if (j->want.op == ROUTE_OTHER) {
        pg_fail(&rq->err, PG_E_NAME_UNKNOWN, "there is nothing here; the registry is below /v2/");
        return rq_fail_now(rq);
    }
    if (j->want.op != ROUTE_PING &&
        target_find(config, &j->want, j->http->host, &rq->arena, &j->target, &rq->err) < 0)
        return rq_fail_now(rq);
    return rq_go(rq, &ST_authn);
}

static enum rq_next st_authn(struct rq *rq)
{
    struct journey *j = journey_of(rq);

    if (authn_who(j->http, &j->who, &rq->err) < 0)
        return rq_fail_now(rq);
    return rq_go(rq, &ST_authz);
}

static enum rq_next st_authz(struct rq *rq)
{
    struct journey *j = journey_of(rq);

    if (authz_may(&j->who, j->want.authz, &rq->err) < 0)
        return rq_fail_now(rq);
    return rq_go(rq, ops[j->want.op].first);
}

bool journey_is_patient(const struct journey *j)
{
    return j->http->is_control;
}

struct sl journey_caller(const struct journey *j)
{
    return j->http->peer != NULL ? peer_machine(j->http->peer) : SL("");
}

bool journey_must_ask(const struct journey *j)
{
    return j->http->is_control &&
           sl_eq_nocase(conn_header(j->http, SL("Cache-Control")), SL("no-cache"));
}

static struct journey *take_spare(struct journey_home *home)
{
    struct journey *j;

    if (pg_list_empty(&home->spare)) {
        j = calloc(1, sizeof(*j));
        PG_CHECK(j != NULL);
        pg_list_init(&j->node);
        return j;
    }
    j = pg_container_of(home->spare.next, struct journey, node);
    pg_list_remove(&j->node);
    home->nspare--;
    *j = (struct journey){0};
    pg_list_init(&j->node);
    return j;
}

static void give_back(struct journey *j)
{
    struct journey_home *home = j->home;

    pg_list_remove(&j->node);
    if (home->nspare == JOURNEY_SPARE_MAX) {
        free(j);
        return;
    }
    pg_list_push(&home->spare, &j->node);
    home->nspare++;
}

/* The connection may begin the next request before conn_done() returns, with another struct. */
static void on_end(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct conn *c = j->conn;
    bool whole = j->told.whole;

    if (j->op_end != NULL)
        j->op_end(j);
    admit_end(j);
    finish_journey(j);
    if (j->ask.fetch != NULL)
        fetch_ask_free(j->ask.fetch);
    pg_bytes_unref(j->held);
    pg_buf_free(&j->body);
    config_snapshot_unref(j->snapshot);
    conn_set_owner(c, NULL);
    give_back(j);
    conn_done(c, whole);
}

bool journey_is(const struct rq *rq)
{
    return rq->on_end == on_end;
}

void journey_begin(struct journey_home *home, struct conn *c)
{
    struct journey *j = take_spare(home);

    rq_start(&home->loop->queue, &j->rq, &ST_route, &reply_refuse, on_end);
    pg_list_push(&home->live, &j->node);
    j->home = home;
    j->conn = c;
    j->http = conn_request(c);
    j->rq.id = j->http->id;
    j->snapshot = config_snapshot_ref(home->loop->snapshot);
    trace_begin(conn_header(j->http, SL("traceparent")), (unsigned)j->snapshot->config.trace_sample,
                j->http->began_us, &j->trace);
    conn_set_owner(c, j);
}

void journey_home_init(struct journey_home *home, struct loop *l, struct store *store,
                       struct fetch *fetch, struct shelf *shelf)
{
    *home = (struct journey_home){.loop = l, .store = store, .fetch = fetch};
    collect_home_init(&home->collects, l, store, fetch, shelf);
    pg_list_init(&home->refreshes);
    home->aheads = ahead_new_set();
    pg_list_init(&home->live);
    pg_list_init(&home->spare);
}

void journey_home_free(struct journey_home *home)
{
    PG_CHECK(pg_list_empty(&home->live));
    ahead_free_set(home->aheads);
    pg_list_each_safe (it, tmp, &home->spare) {
        pg_list_remove(it);
        free(pg_container_of(it, struct journey, node));
    }
}
