/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/finish.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "cache/land.h"
#include "proxy/journey/admit.h"
#include "proxy/journey/witness.h"

static struct sl of_string(const char *s)
{
    return s == NULL ? SL("-") : (struct sl){s, strlen(s)};
}

/* Nothing was sent: the status that it would have had. */
static int status_of(const struct journey *j)
{
    return j->told.status != 0 ? j->told.status : pg_err_http(j->rq.err.kind);
}

static void count(const struct journey *j, uint64_t total_us)
{
    static const enum pg_metric by_class[] = {PG_M_REQUESTS_2XX, PG_M_REQUESTS_3XX,
                                              PG_M_REQUESTS_4XX, PG_M_REQUESTS_5XX};
    static const enum pg_metric by_cache[] = {
        [JOURNEY_HIT] = PG_M_CACHE_HIT,
        [JOURNEY_MISS] = PG_M_CACHE_MISS,
        [JOURNEY_COALESCED] = PG_M_CACHE_COALESCED,
        [JOURNEY_STALE] = PG_M_CACHE_STALE,
        [JOURNEY_REVALIDATED] = PG_M_CACHE_REVALIDATED,
    };

    pg_metric_inc(by_class[status_of(j) / 100 - 2]);
    pg_metric_observe_us(PG_M_REQUEST_SECONDS, total_us);
    if (j->told.cache != JOURNEY_NONE && j->rq.err.kind == PG_E_NONE)
        pg_metric_inc(by_cache[j->told.cache]);
    if (j->told.body_bytes > 0)
        pg_metric_add(PG_M_BYTES_SENT, (int64_t)j->told.body_bytes);
}

/* A GET of a manifest is what a person calls a pull: its blobs follow, and HEADs only look. Nor is
 * what the operator asks to have explained. */
static bool is_pull(const struct journey *j)
{
    return j->want.op == ROUTE_MANIFEST && !j->want.is_head && j->told.status == 200 &&
           j->told.whole && !admit_is_explained(j);
}

/* By name, or from where, without the port. */
static struct sl puller(const struct journey *j)
{
    struct sl peer = sl_str(j->http->peer);
    const char *colon = peer.n > 0 ? memrchr(peer.p, ':', peer.n) : NULL;

    if (!sl_eq(j->who.name, SL("anonymous")) || colon == NULL)
        return j->who.name;
    return (struct sl){peer.p, (size_t)(colon - peer.p)};
}

static void record_pull(const struct journey *j)
{
    struct land_event e = {.when_s = pg_clock_wall_s(),
                           .caller = puller(j),
                           .repo = j->target.canonical,
                           .reference = j->want.reference,
                           .digest = j->told.digest};

    land_event(j->home->store, &e);
}

/* Between two points of the journey; 0 when the second was not reached. */
static uint64_t span_ms(uint64_t from, uint64_t to)
{
    return to > from && from > 0 ? to - from : 0;
}

static void log_times(struct pg_log_line *line, const struct journey *j, uint64_t total_us)
{
    const struct journey_times *t = &j->times;
    uint64_t resolved = t->resolved_ms != 0 ? t->resolved_ms : t->head_ms;

    pg_log_u64(line, "resolve_ms", span_ms(t->began_ms, resolved));
    pg_log_u64(line, "fetch_ms", span_ms(resolved, t->head_ms));
    pg_log_u64(line, "send_ms", span_ms(t->head_ms, j->rq.queue->now_ms));
    pg_log_ms(line, "total_ms", total_us);
}

static void log_target(struct pg_log_line *line, const struct journey *j)
{
    char text[DIGEST_TEXT_MAX];

    pg_log_str(line, "op", of_string(journey_op_name(j)));
    if (j->target.upstream != NULL) {
        pg_log_str(line, "upstream", of_string(j->target.upstream->name));
        pg_log_str(line, "repo", j->target.repo);
    } else {
        pg_log_str(line, "target", j->http->target);
    }
    if (j->want.reference.n > 0)
        pg_log_str(line, "reference", j->want.reference);
    if (j->told.has_digest)
        pg_log_str(line, "digest", digest_write(&j->told.digest, text));
}

static void log_trace(struct pg_log_line *line, const struct journey *j)
{
    char text[TRACE_TEXT_MAX];

    if (j->trace.of.valid) /* the trace's id alone */
        pg_log_str(line, "trace", (struct sl){trace_write(&j->trace.of, text) + 3, 32});
}

static void write_line(const struct journey *j, uint64_t total_us)
{
    struct pg_log_line line PG_UNINITIALIZED;
    char held[DIGEST_TEXT_MAX];
    int status = status_of(j);

    pg_log_begin(&line, PG_LOG_REQUEST, status >= 500 ? PG_LOG_WARN : PG_LOG_INFO);
    if (line.off)
        return;
    pg_log_u64(&line, "id", j->http->id);
    pg_log_str(&line, "client", of_string(j->http->peer));
    if (j->http->via != NULL)
        pg_log_str(&line, "via", of_string(j->http->via));
    if (j->http->subject != NULL)
        pg_log_str(&line, "subject", of_string(j->http->subject));
    pg_log_str(&line, "method", j->http->method);
    log_target(&line, j);
    pg_log_u64(&line, "status", (uint64_t)status);
    pg_log_u64(&line, "bytes", j->told.body_bytes);
    pg_log_str(&line, "cache", of_string(journey_cache_name(j->told.cache)));
    if (j->told.why != NULL)
        pg_log_str(&line, "why", of_string(j->told.why));
    if (j->verdict.rule != NULL) {
        pg_log_str(&line, "verdict",
                   j->verdict.word != NULL ? of_string(j->verdict.word) : SL("allow"));
        pg_log_str(&line, "rule", of_string(j->verdict.rule));
        if (j->verdict.observed != NULL)
            pg_log_str(&line, "observed", of_string(j->verdict.observed));
    }
    if (j->told.has_newest)
        pg_log_str(&line, "held", digest_write(&j->told.newest, held));
    log_times(&line, j, total_us);
    log_trace(&line, j);
    if (j->told.began && !j->told.whole)
        pg_log_str(&line, "cut", SL("yes"));
    if (j->rq.err.kind != PG_E_NONE)
        pg_log_err(&line, &j->rq.err);
    pg_log_end(&line);
}

static struct trace_attribute text_of(const char *key, struct sl text)
{
    return (struct trace_attribute){.key = text.n > 0 ? key : NULL, .text = text};
}

static void end_trace(const struct journey *j)
{
    bool is_known = j->target.upstream != NULL;
    const struct trace_attribute attributes[] = {
        {.key = "http.request.method", .text = j->http->method},
        {.key = "http.response.status_code", .number = status_of(j)},
        {.key = "http.response.body.size", .number = (int64_t)j->told.body_bytes},
        {.key = "client.address", .text = of_string(j->http->peer)},
        text_of("pullgate.upstream", is_known ? of_string(j->target.upstream->name) : SL("")),
        text_of("pullgate.repository", is_known ? j->target.repo : SL("")),
        text_of("pullgate.reference", j->want.reference),
        {.key = "pullgate.cache", .text = of_string(journey_cache_name(j->told.cache))},
        {.key = "pullgate.request_id", .number = (int64_t)j->http->id},
    };
    char name[64];
    int n =
        snprintf(name, sizeof(name), "%s %s", j->want.is_head ? "HEAD" : "GET", journey_op_name(j));
    const struct trace_end end = {
        .kind = TRACE_SERVER,
        .name = {name, (size_t)n},
        .error = status_of(j) >= 500 ? j->rq.err.msg : NULL,
        .attributes = attributes,
        .nattributes = sizeof(attributes) / sizeof(attributes[0]),
    };

    PG_CHECK(n > 0 && (size_t)n < sizeof(name));
    trace_end(&j->trace, &end);
}

void finish_journey(struct journey *j)
{
    uint64_t total_us = pg_clock_mono_us() - j->http->began_us;

    count(j, total_us);
    if (is_pull(j))
        record_pull(j);
    witness_end(j);
    write_line(j, total_us);
    if (j->trace.of.sampled)
        end_trace(j);
}
