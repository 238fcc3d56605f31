/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/pull_manifest.h"

#include "base/clock.h"
#include "base/metric.h"
#include "cache/access.h"
#include "cache/overlay.h"
#include "cache/proof.h"
#include "cache/use.h"
#include "proxy/admit/scanning.h"
#include "proxy/journey/ahead.h"
#include "proxy/journey/allowed.h"
#include "proxy/journey/older.h"
#include "proxy/journey/refresh.h"
#include "proxy/journey/reply.h"
#include "proxy/journey/witness.h"

#define PULL_MANIFEST_STAGES(X)                                                                    \
    X(ask, CLIENT)                                                                                 \
    X(asked, UPSTREAM)                                                                             \
    X(admit, CLIENT) X(older, CLIENT) X(chosen, CLIENT) X(admitted, CLIENT) X(deliver, CLIENT)

#define X(name, origin) static enum rq_next st_##name(struct rq *rq);
PULL_MANIFEST_STAGES(X)
#undef X
#define X(name, origin) static const struct rq_stage ST_##name = {#name, st_##name, RQ_##origin};
PULL_MANIFEST_STAGES(X)
#undef X

static enum rq_next st_lookup(struct rq *rq);
const struct rq_stage pull_manifest_first = {"lookup", st_lookup, RQ_CLIENT};

struct pull_manifest {
    struct journey *journey;
    bool in_store; /* lookup: `found` is there, under `digest` */
    bool is_ours;  /* lookup: and this repository named it */
    bool may_head; /* lookup: HEAD is enough, since upstream has shown it; else it has to give it */
    bool may_be_stale;
    int64_t age_s; /* of the tag */
    struct digest digest, sha256;
    struct overlay_manifest found;
    struct refresh_reader refresh; /* ask */
    unsigned ticket;
    struct sl body, media_type; /* asked or lookup: what is to be served */
};

/* Notes a manifest of the store. A reference that it holds is the journey's from now on. */
static int find_manifest(struct journey *j, struct pull_manifest *p, const struct digest *d)
{
    int found = overlay_get_manifest(j->home->store, d, &j->rq.arena, &p->found, &j->rq.err);

    if (found <= 0)
        return found;
    pg_bytes_unref(j->held);
    j->held = p->found.held;
    p->in_store = true;
    p->digest = *d;
    p->sha256 = p->found.sha256;
    p->body = p->found.bytes;
    p->media_type = p->found.media_type;
    return 1;
}

static enum rq_next serve(struct journey *j, enum journey_cache cache)
{
    struct pull_manifest *p = j->op;

    j->told.cache = cache;
    j->told.digest = p->digest;
    j->told.has_digest = true;
    j->times.resolved_ms = j->rq.queue->now_ms;
    return rq_go(&j->rq, &ST_admit);
}

/* By digest, linked and in the store: what upstream said of the repository is the last question. */
static enum rq_next serve_allowed(struct journey *j, int64_t seen_s)
{
    struct pull_manifest *p = j->op;

    switch (allowed_look(j, seen_s, &p->age_s)) {
    case ALLOWED:
        return serve(j, JOURNEY_HIT);
    case ALLOWED_IF_CONFIRMED:
        j->told.why = "upstream was not asked for long";
        p->age_s = p->age_s < 0 ? 0 : p->age_s;
        p->may_be_stale = true;
        return rq_go(&j->rq, &ST_ask);
    case ALLOWED_NOT:
        j->told.why = "withdrawn by upstream";
        return rq_go(&j->rq, &ST_ask);
    default:
        return rq_fail_now(&j->rq);
    }
}

/* Named here, or known by its digest alone: it may have come from another upstream (N07). */
static int has_shown(struct journey *j, const struct digest *d)
{
    return proof_has(j->home->store, j->target.canonical, d, &j->rq.err);
}

static enum rq_next lookup_digest(struct journey *j)
{
    struct pull_manifest *p = j->op;
    const struct digest *d = &j->want.digest;
    struct index_link link;
    int linked, found, proved;

    linked = overlay_get_link(j->home->store, j->target.canonical, d, &link, &j->rq.err);
    found = linked < 0 ? -1 : find_manifest(j, p, d);
    if (found < 0)
        return rq_fail_now(&j->rq);
    p->is_ours = linked > 0 && link.kind == INDEX_LINK_MANIFEST && found > 0;
    proved = found == 0 ? 0 : p->is_ours && link.landed ? 1 : has_shown(j, d);
    if (proved < 0)
        return rq_fail_now(&j->rq);
    p->may_head = proved > 0;
    if (linked == 0 || link.kind != INDEX_LINK_MANIFEST)
        j->told.why = "no link in this repository";
    else if (found == 0)
        j->told.why = "not in the store";
    else if (proved == 0)
        j->told.why = "not shown by this upstream";
    else
        return serve_allowed(j, link.first_seen_s);
    return rq_go(&j->rq, &ST_ask);
}

/* An age that a clock set back made negative is no proof of freshness. */
static bool is_within(int64_t age_s, uint64_t limit_ms)
{
    return age_s >= 0 && (uint64_t)age_s * 1000 < limit_ms;
}

static enum rq_next serve_stale(struct journey *j, const char *detail)
{
    struct pull_manifest *p = j->op;

    j->told.detail = detail;
    j->told.age_s = p->age_s;
    if (j->want.by_digest)
        access_silent(j->home->store, j->target.canonical);
    return serve(j, JOURNEY_STALE);
}

/* Upstream counts what we ask, and little is left: it is for those who have to wait. */
static bool is_saved_for_others(const struct journey *j)
{
    const struct pull_manifest *p = j->op;
    const char *name = j->target.upstream->name;
    struct health_view health;
    unsigned slowness;

    fetch_health(j->home->fetch, (struct sl){name, strlen(name)}, &health);
    slowness = health_slowness(&health);
    return slowness == BUDGET_RESERVE ||
           is_within(p->age_s, slowness * j->snapshot->config.tags_ttl);
}

static void forget_unknown(const struct journey *j)
{
    const char *name = j->target.upstream->name;

    fetch_forget_unknown(j->home->fetch, (struct sl){name, strlen(name)}, j->target.repo);
}

static enum rq_next lookup_tag(struct journey *j)
{
    const struct config *config = &j->snapshot->config;
    struct pull_manifest *p = j->op;
    struct index_tag tag;
    int known, found = 0, allowed;
    int64_t ignored;

    if (journey_must_ask(j))
        forget_unknown(j);
    known =
        overlay_get_tag(j->home->store, j->target.canonical, j->want.reference, &tag, &j->rq.err);
    if (known > 0)
        found = find_manifest(j, p, &tag.digest);
    p->is_ours = p->may_head = found > 0;
    allowed = found > 0 ? allowed_look(j, pg_clock_wall_s(), &ignored) : ALLOWED;
    if (known < 0 || found < 0 || allowed < 0)
        return rq_fail_now(&j->rq);
    if (allowed == ALLOWED_NOT) {
        j->told.why = "withdrawn by upstream";
        return rq_go(&j->rq, &ST_ask);
    }
    if (found > 0 && !journey_must_ask(j)) {
        p->age_s = pg_clock_wall_s() - tag.validated_s;
        if (is_within(p->age_s, config->tags_ttl))
            return serve(j, JOURNEY_HIT);
        if (is_within(p->age_s, config->tags_max_stale) && is_saved_for_others(j))
            return serve_stale(j, "budget");
        p->age_s = p->age_s < 0 ? 0 : p->age_s;
        p->may_be_stale = is_within(p->age_s, config->tags_max_stale);
    }
    j->told.why = known == 0            ? "tag not known"
                  : found == 0          ? "not in the store"
                  : journey_must_ask(j) ? "refresh"
                                        : "tag expired";
    return rq_go(&j->rq, &ST_ask);
}

static void leave(struct journey *j)
{
    refresh_leave(&((struct pull_manifest *)j->op)->refresh);
}

static void end(struct journey *j)
{
    leave(j);
    older_end(j);
}

static enum rq_next st_lookup(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct pull_manifest *p = pg_new(&rq->arena, struct pull_manifest);

    p->journey = j;
    j->op = p;
    j->op_end = end;
    return j->want.by_digest ? lookup_digest(j) : lookup_tag(j);
}

static void on_refreshed(struct refresh_reader *r)
{
    struct pull_manifest *p = pg_container_of(r, struct pull_manifest, refresh);

    rq_wake(&p->journey->rq, p->ticket);
}

static void stop_asking(struct rq *rq)
{
    leave(journey_of(rq));
}

static enum rq_next st_ask(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct pull_manifest *p = j->op;

    p->ticket = rq_ticket(rq);
    refresh_join(j, p->in_store && p->may_head ? &p->digest : NULL, &p->refresh, on_refreshed);
    if (!p->may_be_stale)
        return rq_wait(rq, &ST_asked, journey_left_ms(j), stop_asking);
    return rq_wait_or_go(
        rq, &ST_asked,
        journey_patience_ms(j, PULL_MANIFEST_PATIENCE_MS, PULL_MANIFEST_PATIENCE_DOWN_MS),
        stop_asking);
}

/* Upstream does not have it any more, or lets us not read it; we do. */
static enum rq_next serve_kept(struct journey *j, const char *how)
{
    const char *name = j->target.upstream->name;

    if (j->target.upstream->upstream_when_deleted == CONFIG_KEEP_AND_FLAG) {
        j->told.warning = "299 pullgate \"upstream has deleted or withdrawn this\"";
        pg_metric_inc(PG_M_KEPT);
        fetch_kept(j->home->fetch, (struct sl){name, strlen(name)});
    }
    return serve_stale(j, how);
}

static enum rq_next take_error(struct journey *j, const struct refresh_answer *a)
{
    struct pull_manifest *p = j->op;
    const char *silence = journey_silence(a->err.kind);

    if (p->in_store && p->is_ours && a->err.kind == PG_E_MANIFEST_UNKNOWN && allowed_to_keep(j))
        return serve_kept(j, a->denied ? "withdrawn" : "deleted");
    if (p->may_be_stale && silence != NULL)
        return serve_stale(j, silence);
    j->told.retry_after_s = a->retry_after_s;
    pg_err_copy(&j->rq.err, &a->err);
    if (a->err.kind == PG_E_MANIFEST_UNKNOWN && a->withdrawn)
        pg_fail(&j->rq.err, PG_E_DENIED,
                "upstream does not let pullgate read " SL_FMT " any more (when_deleted: follow)",
                SL_ARG(j->target.repo));
    return rq_fail_now(&j->rq);
}

static enum rq_next st_asked(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct pull_manifest *p = j->op;
    const struct refresh_answer *a;

    if (!p->refresh.answered)
        return serve_stale(j, "slow");
    a = refresh_look(&p->refresh);
    if (a->err.kind != PG_E_NONE)
        return take_error(j, a);
    if (a->bytes == NULL) /* it was asked with the digest at hand */
        return serve(j, JOURNEY_REVALIDATED);
    pg_bytes_unref(j->held);
    j->held = pg_bytes_ref(a->bytes);
    p->digest = a->digest;
    p->sha256 = a->sha256;
    p->body = pg_bytes_sl(a->bytes);
    p->media_type = pg_copy(&rq->arena, a->media_type);
    return serve(j, JOURNEY_MISS);
}

static enum rq_next st_admit(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct pull_manifest *p = j->op;
    struct admit_subject subject = {.digest = p->digest,
                                    .sha256 = p->sha256,
                                    .bytes = p->body,
                                    .media_type = p->media_type,
                                    .instead = j->want.by_digest ? NULL : &ST_older};

    return admit_manifest(j, &subject, &ST_admitted);
}

static enum rq_next st_older(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct pull_manifest *p = j->op;

    return older_begin(j, &p->digest, &ST_chosen);
}

/* What the tag was before goes out in the place of what it is. */
static enum rq_next st_chosen(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct pull_manifest *p = j->op;
    const struct older_choice *c = older_choice(j);

    PG_CHECK(c != NULL);
    j->told.newest = p->digest;
    j->told.has_newest = !digest_eq(&p->digest, &c->digest);
    p->digest = j->told.digest = c->digest;
    p->sha256 = c->sha256;
    p->body = c->bytes;
    p->media_type = c->media_type;
    if (j->told.cache != JOURNEY_STALE)
        j->told.cache = c->fetched ? JOURNEY_MISS : JOURNEY_HIT;
    return rq_go(rq, &ST_admitted);
}

static enum rq_next st_admitted(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct pull_manifest *p = j->op;

    if (!reply_is_accepted(j, p->media_type)) {
        pg_fail(&rq->err, PG_E_MANIFEST_UNKNOWN,
                SL_FMT " is of type " SL_FMT ", which the request's Accept does not admit",
                SL_ARG(j->want.reference), SL_ARG(p->media_type));
        return rq_fail_now(rq);
    }
    return witness_allowed(j, &p->digest) < 0 ? rq_fail_now(rq) : rq_go(rq, &ST_deliver);
}

/* What may be an image of one platform; whether it is, its manifest says to the scanner. */
static bool may_be_image(struct sl media_type)
{
    return sl_eq(media_type, SL("application/vnd.oci.image.manifest.v1+json")) ||
           sl_eq(media_type, SL("application/vnd.docker.distribution.manifest.v2+json"));
}

static enum rq_next st_deliver(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct pull_manifest *p = j->op;
    bool known = reply_is_known(j, &p->digest);
    enum rq_next next;

    if (j->told.cache != JOURNEY_MISS)
        use_touch(j->home->store->use, &p->digest, pg_clock_wall_s());
    reply_begin(j, known ? 304 : 200);
    reply_digest(j, &p->digest);
    reply_cache_status(j);
    send_field(j->conn, SL("Cache-Control"),
               j->want.by_digest ? SL("max-age=31536000, immutable") : SL("no-cache"));
    if (known) {
        send_none(j->conn, 0);
        return reply_go(j);
    }
    send_field(j->conn, SL("Content-Type"), p->media_type);
    send_mem(j->conn, p->body);
    next = reply_go(j);
    ahead_begin(j, p->body, p->media_type);
    if (!j->want.is_head && may_be_image(p->media_type))
        scanning_want(j->home->scanning, &p->sha256, j->target.canonical, SCANNER_FIRST);
    return next;
}
