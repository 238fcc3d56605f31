/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/service.h"

#include <stdlib.h>

#include "proxy/admit/stamper.h"
#include "proxy/admit/wish.h"
#include "proxy/journey/ahead.h"
#include "proxy/journey/journey.h"
#include "proxy/journey/list_cache.h"
#include "proxy/journey/refresh.h"

/* Of tags, and of referrers. */
#define LISTS       1024
#define LISTS_BYTES ((size_t)16 * 1024 * 1024)

struct service {
    struct conn_service conn, control;
    const struct conn_service *admin; /* the rest of control */
    struct store *store;
    struct fetch *fetch;
    struct list_cache *tags, *referrers;
    struct shelf *shelf;
    struct pg_pool *read_pool, *verify_pool;
    struct stamp stamp; /* with has_stamp */
    bool has_stamp;
    struct trail *trail;
    struct counsel *counsel;
    struct wish_list *wishes;
    struct scanning *scanning;
};

static void begin(const struct conn_service *service, struct conn *c)
{
    (void)service;
    journey_begin(conn_loop(c)->app, c);
}

static void gone(struct conn *c)
{
    struct journey *j = conn_owner(c);

    if (j != NULL)
        rq_cancel(&j->rq);
}

/* ---- the control socket: two services on one ---- */

static bool is_registrys(struct conn *c)
{
    return sl_starts(conn_request(c)->target, SL("/v2/"));
}

static void begin_control(const struct conn_service *control, struct conn *c)
{
    const struct service *s =
        (const void *)((const char *)control - offsetof(struct service, control));

    if (is_registrys(c))
        begin(&s->conn, c);
    else
        s->admin->begin(s->admin, c);
}

static void gone_control(struct conn *c)
{
    if (is_registrys(c))
        gone(c);
    else
        admin_gone(c);
}

const struct conn_service *service_control(struct service *s, struct admin *a)
{
    s->admin = admin_control_service(a);
    s->control = *s->admin;
    s->control.begin = begin_control;
    s->control.gone = gone_control;
    return &s->control;
}

struct service *service_new(struct store *store, struct fetch *fetch)
{
    struct service *s = calloc(1, sizeof(*s));

    PG_CHECK(s != NULL);
    s->conn = (struct conn_service){.name = "registry", .begin = begin, .gone = gone};
    s->store = store;
    s->fetch = fetch;
    s->tags = list_cache_new(LISTS, LISTS_BYTES);
    s->referrers = list_cache_new(LISTS, LISTS_BYTES);
    s->shelf = shelf_new(SHELF_HINTS);
    s->wishes = wish_list_new();
    return s;
}

void service_free(struct service *s)
{
    if (s == NULL)
        return;
    list_cache_free(s->tags);
    list_cache_free(s->referrers);
    shelf_free(s->shelf);
    counsel_free(s->counsel);
    wish_list_free(s->wishes);
    free(s);
}

void service_verify_with(struct service *s, const struct service_evidence *with)
{
    s->read_pool = with->read;
    s->verify_pool = with->verify;
    s->has_stamp = with->stamper != NULL;
    if (with->stamper != NULL)
        s->stamp = stamper_stamp(with->stamper);
}

void service_ask_opa_with(struct service *s, struct pg_pool *pool)
{
    s->counsel = counsel_new(pool);
}

void service_scan_with(struct service *s, struct scanning *scanning)
{
    s->scanning = scanning;
}

void service_audit_to(struct service *s, struct trail *trail)
{
    s->trail = trail;
}

struct wish_list *service_wishes(struct service *s)
{
    return s->wishes;
}

struct shelf *service_shelf(struct service *s)
{
    return s->shelf;
}

void service_attach(struct service *s, struct loop *l)
{
    struct journey_home *home = malloc(sizeof(*home));

    PG_CHECK(home != NULL && l->app == NULL);
    journey_home_init(home, l, s->store, s->fetch, s->shelf);
    home->collects.read_pool = s->read_pool != NULL ? s->read_pool : l->data_pool;
    home->collects.verify_pool = s->verify_pool != NULL ? s->verify_pool : l->data_pool;
    home->collects.stamp = s->has_stamp ? &s->stamp : NULL;
    home->trail = s->trail;
    home->counsel = s->counsel;
    home->wishes = s->wishes;
    home->scanning = s->scanning;
    home->tags = s->tags;
    home->referrers = s->referrers;
    l->app = home;
}

void service_detach(struct loop *l)
{
    struct journey_home *home = l->app;

    if (home == NULL)
        return;
    refresh_stop_all(home);
    ahead_stop_all(home);
    collect_stop_all(&home->collects);
    journey_home_free(home);
    free(home);
    l->app = NULL;
}

void service_forget(struct service *s, struct sl name)
{
    list_cache_drop_of(s->tags, name);
    list_cache_drop_of(s->referrers, name);
}

const struct conn_service *service_conn(struct service *s)
{
    return &s->conn;
}

static uint64_t age_ms(const struct journey *j)
{
    uint64_t began = j->times.began_ms;

    return began == 0 ? 0 : j->rq.queue->now_ms - began;
}

bool service_write_request(struct rq *rq, struct pg_buf *out)
{
    const struct journey *j = journey_of(rq);

    if (!journey_is(rq))
        return false;
    (void)pg_buf_printf(out, "{\"id\":%llu,\"client\":", (unsigned long long)j->http->id);
    (void)pg_buf_put_json(out, sl_str(j->http->peer));
    (void)pg_buf_put(out, SL(",\"method\":"));
    (void)pg_buf_put_json(out, j->http->method);
    (void)pg_buf_put(out, SL(",\"target\":"));
    (void)pg_buf_put_json(out, j->http->target);
    (void)pg_buf_put(out, SL(",\"repo\":"));
    (void)pg_buf_put_json(out, j->target.canonical);
    (void)pg_buf_printf(out, ",\"stage\":\"%s\",\"age_ms\":%llu,\"cache\":\"%s\",\"status\":%d}",
                        rq->stage->name, (unsigned long long)age_ms(j),
                        journey_cache_name(j->told.cache), j->told.status);
    return true;
}
