/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/reply.h"

#include <stdio.h>

#include "oci/media.h"
#include "oci/reply.h"

#define SEND_MS       (24 * 3600 * 1000) /* send itself ends a client that makes no progress */
#define RETRY_MIN_S   1
#define RETRY_S       5 /* when upstream did not say */
#define RETRY_MAX_S   10
#define ETAG_TEXT_MAX (DIGEST_TEXT_MAX + 2)

static enum rq_next st_sent(struct rq *rq);
static enum rq_next st_refuse(struct rq *rq);

static const struct rq_stage ST_sent = {"sent", st_sent, RQ_CLIENT};
const struct rq_stage reply_refuse = {"refuse", st_refuse, RQ_CLIENT};

static struct sl etag_write(const struct digest *d, char out[ETAG_TEXT_MAX])
{
    char text[DIGEST_TEXT_MAX];
    struct sl digest = digest_write(d, text);

    out[0] = '"';
    memcpy(out + 1, digest.p, digest.n);
    out[digest.n + 1] = '"';
    return (struct sl){out, digest.n + 2};
}

static void on_sent(struct conn *c, const struct send_result *r)
{
    struct journey *j = conn_owner(c);

    j->told.whole = r->ok;
    j->told.body_bytes = r->body_bytes;
    rq_wake(&j->rq, j->told.ticket);
}

static void stop_sending(struct rq *rq)
{
    struct journey *j = journey_of(rq);

    j->told.body_bytes = send_stop(j->conn);
}

static void begin(struct journey *j, int status)
{
    PG_CHECK(!j->told.began);
    j->told.began = true;
    j->told.status = status;
    j->times.head_ms = j->rq.queue->now_ms;
    send_head(j->conn, status);
    send_field(j->conn, SL("Docker-Distribution-Api-Version"), SL("registry/2.0"));
    send_field(j->conn, SL("X-Content-Type-Options"), SL("nosniff"));
    if (j->verdict.word != NULL)
        send_field(j->conn, SL("X-Pullgate-Verdict"), sl_str(j->verdict.word));
    if (j->want.ns.p != NULL && j->target.upstream != NULL)
        send_field(j->conn, SL("OCI-Namespace"), j->want.ns);
}

void reply_begin(struct journey *j, int status)
{
    PG_CHECK(j->verdict.allow && j->rq.err.kind == PG_E_NONE);
    begin(j, status);
}

void reply_digest(struct journey *j, const struct digest *d)
{
    char etag[ETAG_TEXT_MAX];
    struct sl quoted = etag_write(d, etag);

    send_field(j->conn, SL("Docker-Content-Digest"), (struct sl){quoted.p + 1, quoted.n - 2});
    send_field(j->conn, SL("ETag"), quoted);
}

/* The tag is another digest upstream, which may not leave yet. */
static void say_newest(struct journey *j)
{
    char text[DIGEST_TEXT_MAX];

    if (!j->told.has_newest)
        return;
    send_field(j->conn, SL("X-Pullgate-Held"), digest_write(&j->told.newest, text));
    send_field(j->conn, SL("Warning"),
               SL("299 pullgate \"the tag is newer upstream, and may not be pulled so yet\""));
}

void reply_cache_status(struct journey *j)
{
    static const char *const said[] = {
        [JOURNEY_HIT] = "pullgate; hit",
        [JOURNEY_MISS] = "pullgate; fwd=miss",
        [JOURNEY_COALESCED] = "pullgate; fwd=miss; collapsed",
        [JOURNEY_REVALIDATED] = "pullgate; fwd=stale",
    };
    char stale[96];
    const char *status = stale;

    if (j->told.cache == JOURNEY_NONE)
        return;
    say_newest(j);
    if (j->told.warning != NULL)
        send_field(j->conn, SL("Warning"), (struct sl){j->told.warning, strlen(j->told.warning)});
    if (j->told.cache == JOURNEY_STALE) {
        (void)snprintf(stale, sizeof(stale), "pullgate; fwd=stale; detail=%s", j->told.detail);
        if (j->told.age_s >= 0)
            send_field_u64(j->conn, SL("Age"), (uint64_t)j->told.age_s);
    } else {
        status = said[j->told.cache];
    }
    send_field(j->conn, SL("Cache-Status"), (struct sl){status, strlen(status)});
}

enum rq_next reply_go(struct journey *j)
{
    PG_CHECK(j->told.began);
    j->told.ticket = rq_ticket(&j->rq);
    send_go(j->conn, on_sent);
    return rq_wait(&j->rq, &ST_sent, SEND_MS, stop_sending);
}

enum rq_next reply_json(struct journey *j, struct sl body)
{
    reply_begin(j, 200);
    send_field(j->conn, SL("Content-Type"), SL("application/json"));
    reply_cache_status(j);
    send_mem(j->conn, body);
    return reply_go(j);
}

static enum rq_next st_sent(struct rq *rq)
{
    return rq_end(rq);
}

/* RFC 9110: what may be tried again says when; what must not be done says what may. */
static void say_what_to_do(struct journey *j)
{
    const struct pg_err *err = &j->rq.err;
    int after_s = j->told.retry_after_s != 0 ? j->told.retry_after_s : RETRY_S;
    char range[64];
    int n;

    if (pg_err_retryable(err->kind)) {
        after_s = after_s < RETRY_MIN_S ? RETRY_MIN_S : after_s;
        after_s = after_s > RETRY_MAX_S ? RETRY_MAX_S : after_s;
        send_field_u64(j->conn, SL("Retry-After"), (uint64_t)after_s);
    }
    if (err->kind == PG_E_UNSUPPORTED)
        send_field(j->conn, SL("Allow"), SL("GET, HEAD"));
    if (err->kind == PG_E_RANGE_INVALID) {
        n = snprintf(range, sizeof(range), "bytes */%llu", (unsigned long long)j->told.total_size);
        send_field(j->conn, SL("Content-Range"), (struct sl){range, (size_t)n});
    }
}

static enum rq_next st_refuse(struct rq *rq)
{
    struct journey *j = journey_of(rq);

    if (rq->err.kind == PG_E_CANCELED || j->told.began) /* nobody to tell, or too late */
        return rq_end(rq);
    begin(j, pg_err_http(rq->err.kind));
    send_field(j->conn, SL("Content-Type"), SL("application/json"));
    send_field(j->conn, SL("Cache-Control"), SL("no-store"));
    say_what_to_do(j);
    send_mem(j->conn, reply_error_body(&rq->arena, &rq->err));
    return reply_go(j);
}

static bool names_etag(struct sl value, struct sl etag)
{
    return sl_eq(value, SL("*")) || memmem(value.p, value.n, etag.p, etag.n) != NULL;
}

bool reply_is_known(const struct journey *j, const struct digest *d)
{
    char text[ETAG_TEXT_MAX];
    struct sl etag = {NULL, 0};

    for (size_t i = 0; i < j->http->nheaders; i++) {
        const struct conn_header *h = &j->http->headers[i];

        if (!conn_header_is(h->name, SL("If-None-Match")))
            continue;
        if (etag.p == NULL)
            etag = etag_write(d, text);
        if (names_etag(h->value, etag))
            return true;
    }
    return false;
}

/* {NULL, 0} when there is none, and when there are several: they are no list. */
static struct sl only(const struct conn_request *q, struct sl name)
{
    struct sl value = {NULL, 0};

    for (size_t i = 0; i < q->nheaders; i++) {
        if (!conn_header_is(q->headers[i].name, name))
            continue;
        if (value.p != NULL)
            return (struct sl){NULL, 0};
        value = q->headers[i].value;
    }
    return value;
}

struct sl reply_range(const struct journey *j, const struct digest *d)
{
    struct sl range = only(j->http, SL("Range"));
    struct sl only_if = conn_header(j->http, SL("If-Range"));
    char text[ETAG_TEXT_MAX];

    if (range.p == NULL || j->want.is_head)
        return (struct sl){NULL, 0};
    if (only_if.p != NULL && !sl_eq(only_if, etag_write(d, text)))
        return (struct sl){NULL, 0};
    return range;
}

bool reply_is_accepted(const struct journey *j, struct sl type)
{
    bool asked = false;

    for (size_t i = 0; i < j->http->nheaders; i++) {
        const struct conn_header *h = &j->http->headers[i];

        if (!conn_header_is(h->name, SL("Accept")))
            continue;
        if (media_accepts(h->value, type))
            return true;
        asked = true;
    }
    return !asked;
}
