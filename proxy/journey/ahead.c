/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/ahead.h"

#include <stdlib.h>

#include "base/metric.h"
#include "cache/partial.h"
#include "oci/manifest.h"
#include "proxy/journey/aside.h"

#define LOOKED_AT 1024 /* manifests that are remembered; a power of two */

struct looked_at {
    uint64_t manifest; /* the beginning of its digest */
    const struct config_upstream *upstream;
    uint64_t until_ms;
};

struct aheads {
    struct pg_list readings;
    struct looked_at looked_at[LOOKED_AT];
};

/* A manifest that is read, perhaps when its loop has ended. */
struct reading {
    struct aside aside;
    struct pg_list node; /* in aheads->readings until done() */
    struct journey_home *home;
    struct store *store;
    struct snapshot *snapshot;
    const struct config_upstream *upstream;
    struct pg_arena arena; /* of the texts, and what is read */
    struct pg_bytes *body;
    struct sl media_type, repo, canonical, caller;
    struct manifest_desc wanted[AHEAD_BLOBS_MAX];
    size_t nwanted;
};

struct aheads *ahead_new_set(void)
{
    struct aheads *a = calloc(1, sizeof(*a));

    PG_CHECK(a != NULL);
    pg_list_init(&a->readings);
    return a;
}

void ahead_free_set(struct aheads *a)
{
    PG_CHECK(pg_list_empty(&a->readings));
    free(a);
}

void ahead_stop_all(struct journey_home *home)
{
    pg_list_each_safe (it, tmp, &home->aheads->readings) {
        pg_list_remove(it);
        aside_leave(&pg_container_of(it, struct reading, node)->aside);
    }
}

/* ---- read: in the data pool, or at once ---- */

static void want(struct reading *g, const struct manifest_desc *d)
{
    if (g->nwanted < AHEAD_BLOBS_MAX && !d->has_urls && !partial_is_done(g->store, &d->digest))
        g->wanted[g->nwanted++] = *d;
}

static void read_it(struct aside *a)
{
    struct reading *g = pg_container_of(a, struct reading, aside);
    struct manifest m;
    struct pg_err ignored = {0};
    int result = manifest_parse(pg_bytes_sl(g->body), g->media_type, &g->arena, &m, &ignored);

    pg_err_clear(&ignored);
    if (result < 0 || m.kind != MANIFEST_IMAGE)
        return;
    if (m.has_config)
        want(g, &m.config);
    for (size_t i = 0; i < m.nchildren; i++)
        want(g, &m.children[i]);
}

static void free_reading(struct aside *a)
{
    struct reading *g = pg_container_of(a, struct reading, aside);

    pg_bytes_unref(g->body);
    pg_arena_free(&g->arena);
    config_snapshot_unref(g->snapshot);
    free(g);
}

/* ---- order: in the loop ---- */

static void order(const struct reading *g, const struct manifest_desc *d)
{
    char text[DIGEST_TEXT_MAX];
    struct fetch_blob_order o = {.snapshot = g->snapshot,
                                 .upstream = g->upstream,
                                 .repo = g->repo,
                                 .caller = g->caller,
                                 .digest = d->digest,
                                 .size = d->size > 0 ? d->size : UINT64_MAX, /* 0 says nothing */
                                 .priority = FETCH_AHEAD};

    o.flight = flight_foresee(g->home->loop->bell.table, digest_write(&d->digest, text));
    if (o.flight == NULL)
        return;
    flight_say_whose(o.flight, g->canonical);
    pg_metric_inc(PG_M_FETCHED_AHEAD);
    fetch_blob(g->home->fetch, &o);
}

static void on_read(struct aside *a)
{
    struct reading *g = pg_container_of(a, struct reading, aside);

    for (size_t i = 0; i < g->nwanted; i++)
        order(g, &g->wanted[i]);
    pg_list_remove(&g->node);
    aside_leave(a);
}

/* ---- begin ---- */

static bool was_looked_at(struct journey *j)
{
    struct looked_at *l;
    uint64_t first, now_ms = j->rq.queue->now_ms;

    memcpy(&first, j->told.digest.bytes, sizeof(first));
    l = &j->home->aheads->looked_at[first % LOOKED_AT];
    if (l->manifest == first && l->upstream == j->target.upstream && now_ms < l->until_ms)
        return true;
    *l = (struct looked_at){first, j->target.upstream, now_ms + AHEAD_AGAIN_MS};
    return false;
}

static bool is_welcome(const struct journey *j)
{
    const struct config_upstream *up = j->target.upstream;
    struct health_view health;

    fetch_health(j->home->fetch, (struct sl){up->name, strlen(up->name)}, &health);
    return health.state != HEALTH_DOWN && health.state != HEALTH_LIMITED && !health.counts_blobs;
}

static struct reading *new_reading(struct journey *j, struct sl body, struct sl media_type)
{
    struct reading *g = calloc(1, sizeof(*g));

    PG_CHECK(g != NULL);
    g->aside = (struct aside){.run = read_it, .done = on_read, .free = free_reading};
    pg_list_init(&g->node);
    pg_list_push(&j->home->aheads->readings, &g->node);
    g->home = j->home;
    g->store = j->home->store;
    g->snapshot = config_snapshot_ref(j->snapshot);
    g->upstream = j->target.upstream;
    pg_arena_init(&g->arena, MANIFEST_ARENA_BYTES);
    g->body = j->held != NULL && pg_bytes_sl(j->held).p == body.p ? pg_bytes_ref(j->held)
                                                                  : pg_bytes_new(body);
    g->media_type = pg_copy(&g->arena, media_type);
    g->repo = pg_copy(&g->arena, j->target.repo);
    g->canonical = pg_copy(&g->arena, j->target.canonical);
    g->caller = pg_copy(&g->arena, journey_caller(j));
    return g;
}

void ahead_begin(struct journey *j, struct sl body, struct sl media_type)
{
    const struct config_upstream *up = j->target.upstream;
    struct reading *g;

    if (j->want.is_head || journey_is_patient(j) || j->told.cache == JOURNEY_STALE ||
        !up->upstream_fetch_ahead || up->upstream_max_connections < AHEAD_CONNECTIONS_MIN)
        return;
    if (was_looked_at(j) || !is_welcome(j))
        return;
    g = new_reading(j, body, media_type);
    if (body.n > ASIDE_BYTES)
        aside_start(&g->aside, j->home->loop);
    else
        aside_at_once(&g->aside);
}
