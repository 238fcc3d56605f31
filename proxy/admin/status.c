/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/metric.h"
#include "cache/revoked.h"
#include "policy/policy.h"
#include "proxy/admin/options.h"
#include "proxy/spawn.h"
#include "signing/trust.h"

#define PROBLEM_MAX    512
#define REVISION_BYTES 8 /* as the log says it */
#define TRUST_SOON_S   ((int64_t)14 * 86400)

static const char *truth(bool b)
{
    return b ? "true" : "false";
}

/* It runs and answers. A full disk, or no helpers, makes it less, not dead: it is said, and no
 * failure. */
bool status_write_health(const struct admin *a, struct pg_buf *out)
{
    bool degraded = atomic_load(&a->config.store->degraded) || pg_metric_read(PG_M_TLS_STALE) > 0 ||
                    (a->config.spawn != NULL && !spawn_is_alive(a->config.spawn));

    (void)pg_buf_printf(out, "{\"status\":\"%s\"}\n", degraded ? "degraded" : "ok");
    return true;
}

bool status_write_ready(const struct admin *a, struct pg_buf *out)
{
    bool draining = atomic_load(&a->draining);

    (void)pg_buf_printf(out, "{\"status\":\"%s\"}\n", draining ? "draining" : "ready");
    return !draining;
}

void status_write_version(const struct admin *a, struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("{\"version\":"));
    (void)pg_buf_put_json(out, sl_str(a->config.version));
    (void)pg_buf_put(out, SL("}\n"));
}

static void write_store(const struct store *s, struct pg_buf *out)
{
    (void)pg_buf_put(out, SL(",\"store\":{\"path\":"));
    (void)pg_buf_put_json(out, sl_str(s->config.path));
    (void)pg_buf_printf(out,
                        ",\"blobs\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"partial_bytes\":%" PRIu64
                        ",\"max_bytes\":%" PRIu64 ",\"reserve_bytes\":%" PRIu64
                        ",\"degraded\":%s,\"recovered\":%s}",
                        atomic_load(&s->blobs), atomic_load(&s->bytes),
                        atomic_load(&s->partial_bytes), atomic_load(&s->config.max_bytes),
                        atomic_load(&s->config.reserve_bytes), truth(atomic_load(&s->degraded)),
                        truth(atomic_load(&s->recovered)));
}

static void write_traffic(struct pg_buf *out)
{
    static const struct {
        const char *name;
        enum pg_metric metric;
    } counts[] = {{"hits", PG_M_CACHE_HIT},
                  {"misses", PG_M_CACHE_MISS},
                  {"coalesced", PG_M_CACHE_COALESCED},
                  {"stale", PG_M_CACHE_STALE},
                  {"revalidated", PG_M_CACHE_REVALIDATED},
                  {"sent_bytes", PG_M_BYTES_SENT},
                  {"fetched_bytes", PG_M_BYTES_FETCHED},
                  {"flights", PG_M_FLIGHTS},
                  {"flight_waiters", PG_M_FLIGHT_WAITERS}};

    (void)pg_buf_put(out, SL(",\"traffic\":{"));
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        (void)pg_buf_printf(out, "%s\"%s\":%" PRId64, i > 0 ? "," : "", counts[i].name,
                            pg_metric_read(counts[i].metric));
    (void)pg_buf_put(out, SL("}"));
}

static const char *name_of_kind(enum pg_ekind kind)
{
    return kind == PG_E_UPSTREAM_WRONG ? "wrong"
           : kind == PG_E_UPSTREAM_TLS ? "tls"
           : kind == PG_E_TIMEOUT      ? "timeout"
                                       : "down";
}

static void write_failure(const struct health_view *v, struct pg_buf *out)
{
    char when[PG_CLOCK_TEXT_MAX];

    if (v->kind == PG_E_NONE) {
        (void)pg_buf_put(out, SL(",\"last_error\":null"));
        return;
    }
    (void)pg_buf_printf(out, ",\"last_error\":{\"kind\":\"%s\",\"at\":\"%s\",\"message\":",
                        name_of_kind(v->kind), pg_clock_rfc3339(v->failed_wall_ms, when));
    (void)pg_buf_put_json(out, sl_str(v->message));
    (void)pg_buf_put(out, SL("}"));
}

static void write_budget(const struct health_view *v, struct pg_buf *out)
{
    const struct budget *b = &v->budget;

    if (!b->known) {
        (void)pg_buf_put(out, SL(",\"budget\":null"));
        return;
    }
    (void)pg_buf_printf(out,
                        ",\"budget\":{\"limit\":%" PRIu64 ",\"left\":%" PRIu64
                        ",\"window_s\":%" PRIu64 ",\"slowness\":%u,\"source\":",
                        b->limit, v->budget_left, b->window_s, health_slowness(v));
    (void)pg_buf_put_json(out, sl_str(b->source));
    (void)pg_buf_put(out, SL("}"));
}

static void write_upstream(const struct admin *a, const struct config_upstream *u,
                           struct pg_buf *out)
{
    static const char *const states[] = {[HEALTH_UNKNOWN] = "unknown",
                                         [HEALTH_UP] = "up",
                                         [HEALTH_LIMITED] = "limited",
                                         [HEALTH_DOWN] = "down"};
    struct health_view v;

    fetch_health(a->config.fetch, sl_str(u->name), &v);
    (void)pg_buf_put(out, SL("{\"name\":"));
    (void)pg_buf_put_json(out, sl_str(u->name));
    (void)pg_buf_put(out, SL(",\"url\":"));
    options_write_url(u->upstream_url, out);
    (void)pg_buf_printf(out,
                        ",\"default\":%s,\"state\":\"%s\",\"asked_again_ms\":%" PRIu64
                        ",\"requests\":%" PRIu64 ",\"failures\":%" PRIu64 ",\"bytes\":%" PRIu64,
                        truth(u->upstream_default), states[v.state], v.wait_ms, v.requests,
                        v.failures, v.bytes);
    write_budget(&v, out);
    (void)pg_buf_printf(out, ",\"head\":%s,\"parts\":%s,\"kept\":%" PRIu64, truth(!v.no_head),
                        truth(!v.no_parts), v.kept);
    write_failure(&v, out);
    (void)pg_buf_put(out, SL("}"));
}

static void write_config(const struct admin *a, const struct snapshot *s, struct pg_buf *out)
{
    bool first = true;

    (void)pg_buf_put(out, SL(",\"config\":{\"file\":"));
    (void)pg_buf_put_json(out, sl_str(s->config.file));
    (void)pg_buf_printf(out, ",\"revision\":%" PRIu64 "},\"upstreams\":[", s->revision);
    for (size_t i = 0; i < s->config.nupstreams; i++) {
        if (config_is_alias(&s->config.upstreams[i]))
            continue;
        (void)pg_buf_put(out, first ? SL("") : SL(","));
        write_upstream(a, &s->config.upstreams[i], out);
        first = false;
    }
    (void)pg_buf_put(out, SL("]"));
}

/* ---- what may be pulled ---- */

static void write_time(const char *name, int64_t s, struct pg_buf *out)
{
    char when[PG_CLOCK_TEXT_MAX];

    if (s == INT64_MAX || s <= 0)
        (void)pg_buf_printf(out, ",\"%s\":null", name);
    else
        (void)pg_buf_printf(out, ",\"%s\":\"%s\"", name, pg_clock_rfc3339(s * 1000, when));
}

static void write_trust(const struct trust_told *t, struct pg_buf *out)
{
    (void)pg_buf_printf(out,
                        ",\"trust\":{\"keys\":%u,\"authorities\":%u,\"logs\":%u,"
                        "\"timestamp_authorities\":%u,\"certificates\":%u,"
                        "\"revocation_lists\":%u",
                        t->nkeys, t->ncas, t->nlogs, t->ntsas, t->ncerts, t->ncrls);
    write_time("ends", t->ends_s, out);
    (void)pg_buf_put(out, SL("}"));
}

static void write_policy(const struct config_admission *a, struct pg_buf *out)
{
    static const struct trust_told none = {.ends_s = INT64_MAX};
    struct policy_told told;

    if (a->policy == NULL) {
        (void)pg_buf_put(out, SL(",\"policy\":null"));
        return;
    }
    policy_tell(a->policy, &told);
    (void)pg_buf_put(out, SL(",\"policy\":{\"file\":"));
    if (a->policy_file != NULL)
        (void)pg_buf_put_json(out, sl_str(a->policy_file));
    else
        (void)pg_buf_put(out, SL("null"));
    (void)pg_buf_put(out, SL(",\"revision\":\""));
    for (size_t i = 0; i < REVISION_BYTES; i++)
        (void)pg_buf_printf(out, "%02x", a->revision[i]);
    (void)pg_buf_put(out, SL("\""));
    write_time("since", a->since_s, out);
    (void)pg_buf_printf(out, ",\"rules\":%zu,\"observing\":%zu,\"default\":\"%s\"", told.nrules,
                        told.nobserving, told.default_allows ? "allow" : "deny");
    write_trust(a->told != NULL ? a->told : &none, out);
    (void)pg_buf_put(out, SL("}"));
}

static void write_admission(struct pg_buf *out)
{
    (void)pg_buf_printf(out,
                        ",\"admission\":{\"allow\":%" PRId64 ",\"deny\":%" PRId64
                        ",\"pending\":%" PRId64 ",\"collecting\":%" PRId64 ",\"verifying\":%" PRId64
                        "}",
                        pg_metric_read(PG_M_ADMISSION_ALLOW), pg_metric_read(PG_M_ADMISSION_DENY),
                        pg_metric_read(PG_M_ADMISSION_PENDING), pg_metric_read(PG_M_COLLECTS),
                        pg_metric_read(PG_M_COLLECTS_VERIFYING));
}

/* ---- what is not as it should be, a sentence each ---- */

struct problems {
    struct pg_buf *out;
    size_t n;
};

static void put_problem(struct problems *p, const char *fmt, ...) PG_PRINTF(2, 3);

static void put_problem(struct problems *p, const char *fmt, ...)
{
    char text[PROBLEM_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)pg_buf_put(p->out, p->n++ > 0 ? SL(",") : SL(""));
    (void)pg_buf_put_json(p->out, sl_str(text));
}

/* What of a policy's trust ends soon, or has. */
static void write_trust_problem(struct problems *p, const struct config_admission *a)
{
    char when[PG_CLOCK_TEXT_MAX];
    int64_t left_s;

    if (a->policy == NULL || a->told == NULL || a->told->ends_s == INT64_MAX)
        return;
    left_s = a->told->ends_s - pg_clock_wall_s();
    if (left_s < TRUST_SOON_S)
        put_problem(p,
                    "of what signatures are checked against, something %s at %.19sZ: renew the "
                    "keys, certificates, trusted roots and revocation lists of `trust` and policy",
                    left_s < 0 ? "has ended" : "ends",
                    pg_clock_rfc3339(a->told->ends_s * 1000, when));
}

static void write_upstream_problem(struct problems *p, const struct admin *a, const char *name)
{
    struct health_view v;

    fetch_health(a->config.fetch, sl_str(name), &v);
    if (v.state == HEALTH_DOWN)
        put_problem(p, "upstream %s does not answer; what is in the store is served", name);
    else if (v.state == HEALTH_LIMITED)
        put_problem(p, "upstream %s asks for patience (429)", name);
}

static void write_problems(const struct admin *a, const struct snapshot *s, struct pg_buf *out)
{
    struct problems p = {.out = out};

    (void)pg_buf_put(out, SL(",\"problems\":["));
    if (atomic_load(&a->config.store->degraded))
        put_problem(&p, "the store: the disk is full or fails; what must be stored is refused");
    if (a->config.spawn != NULL && !spawn_is_alive(a->config.spawn))
        put_problem(&p, "what runs helper programs has ended: restart pullgate; upstreams whose "
                        "login comes from a credential helper fail meanwhile");
    if (pg_metric_read(PG_M_TLS_STALE) > 0)
        put_problem(&p, "certificate files of a listener changed and are no good; the old ones are "
                        "in use; the log says why");
    if (pg_metric_read(PG_M_CONFIG_STALE) > 0)
        put_problem(&p, "the last reload was refused, the old configuration is in use; `pullgate "
                        "config check` and the log say why");
    if (pg_metric_read(PG_M_FEEDS_STALE) > 0)
        put_problem(&p,
                    "feeds of revocations that have expired, or never came: %" PRId64
                    "; what they said last is in force%s; the server's log says why",
                    pg_metric_read(PG_M_FEEDS_STALE),
                    revoked_feed_is_stale(a->config.store)
                        ? ", and nothing is served (when_stale: deny)"
                        : "");
    if (pg_metric_read(PG_M_FORWARD_FAILING) > 0)
        put_problem(&p,
                    "sinks of the audit log that take nothing: %" PRId64 "; up to %" PRId64
                    " entries wait in the log; the server's log says why",
                    pg_metric_read(PG_M_FORWARD_FAILING), pg_metric_read(PG_M_FORWARD_BEHIND));
    if (atomic_load(&a->draining))
        put_problem(&p, "it drains: no new connections are accepted");
    write_trust_problem(&p, &s->config.admission);
    for (size_t i = 0; i < s->config.nupstreams; i++)
        write_upstream_problem(&p, a, s->config.upstreams[i].name);
    (void)pg_buf_put(out, SL("]"));
}

void status_write(const struct admin *a, const struct snapshot *s, struct pg_buf *out)
{
    char started[PG_CLOCK_TEXT_MAX];
    unsigned connections = 0;

    for (unsigned i = 0; i < a->config.nloops; i++)
        connections += atomic_load(&a->config.loops[i]->nconns);
    (void)pg_buf_put(out, SL("{\"version\":"));
    (void)pg_buf_put_json(out, sl_str(a->config.version));
    (void)pg_buf_printf(out,
                        ",\"started\":\"%s\",\"uptime_s\":%" PRIu64
                        ",\"draining\":%s,\"loops\":%u,\"connections\":%u",
                        pg_clock_rfc3339(a->started_wall_ms, started),
                        (pg_clock_mono_ms() - a->started_mono_ms) / 1000,
                        truth(atomic_load(&a->draining)), a->config.nloops, connections);
    write_traffic(out);
    write_store(a->config.store, out);
    write_config(a, s, out);
    write_policy(&s->config.admission, out);
    write_admission(out);
    write_problems(a, s, out);
    (void)pg_buf_put(out, SL("}\n"));
}
