/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/referrers.h"

#include "oci/media.h"
#include "proxy/journey/ask.h"
#include "proxy/journey/referrer_list.h"
#include "proxy/journey/reply.h"

#define REFERRERS_STAGES(X) X(asked, UPSTREAM) X(tagged, UPSTREAM) X(deliver, CLIENT)

#define X(name, origin) static enum rq_next st_##name(struct rq *rq);
REFERRERS_STAGES(X)
#undef X
#define X(name, origin) static const struct rq_stage ST_##name = {#name, st_##name, RQ_##origin};
REFERRERS_STAGES(X)
#undef X

static enum rq_next st_ask(struct rq *rq);
const struct rq_stage referrers_first = {"ask", st_ask, RQ_CLIENT};

static enum rq_next st_ask(struct rq *rq)
{
    struct journey *j = journey_of(rq);

    j->told.digest = j->want.digest;
    j->told.has_digest = true;
    return ask_upstream(j, FETCH_REFERRERS, j->want.reference, &ST_asked);
}

static bool is_absent(enum pg_ekind kind)
{
    return kind == PG_E_MANIFEST_UNKNOWN || kind == PG_E_BLOB_UNKNOWN || kind == PG_E_NAME_UNKNOWN;
}

/* Reads upstream's index; json {NULL, 0}: there is none. */
static enum rq_next take(struct journey *j, struct sl json)
{
    pg_buf_init(&j->body, REFERRER_LIST_BYTES_MAX);
    if (referrer_list_write(json, j->want.artifact_type, &j->body, &j->rq.err) < 0)
        return rq_fail_now(&j->rq);
    ask_end(j);
    j->told.cache = JOURNEY_MISS;
    j->told.why = "asked each time";
    j->times.resolved_ms = j->rq.queue->now_ms;
    return rq_go(&j->rq, &ST_deliver);
}

/* sha256:abc -> sha256-abc, at most a tag's length ("Referrers Tag Schema"). */
static struct sl fallback_tag(struct journey *j)
{
    struct sl digest = j->want.reference;
    char *tag = pg_alloc(&j->rq.arena, digest.n + 1);
    size_t n = digest.n < 128 ? digest.n : 128;

    memcpy(tag, digest.p, digest.n);
    *(char *)memchr(tag, ':', digest.n) = '-';
    return (struct sl){tag, n};
}

static enum rq_next st_asked(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    const struct fetch_answer *a = ask_answer(j);

    if (a != NULL)
        return take(j, pg_bytes_sl(a->body));
    if (!is_absent(rq->err.kind))
        return rq_fail_now(rq);
    pg_err_clear(&rq->err);
    return ask_upstream(j, FETCH_MANIFEST, fallback_tag(j), &ST_tagged);
}

static enum rq_next st_tagged(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    const struct fetch_answer *a = ask_answer(j);

    if (a != NULL)
        return take(j, pg_bytes_sl(a->body));
    if (!is_absent(rq->err.kind))
        return rq_fail_now(rq);
    pg_err_clear(&rq->err);
    return take(j, (struct sl){NULL, 0});
}

static enum rq_next st_deliver(struct rq *rq)
{
    struct journey *j = journey_of(rq);

    if (journey_admit(j, NULL) < 0)
        return rq_fail_now(rq);
    reply_begin(j, 200);
    send_field(j->conn, SL("Content-Type"), SL(MEDIA_OCI_INDEX));
    send_field(j->conn, SL("Cache-Control"), SL("no-cache"));
    if (j->want.artifact_type.p != NULL)
        send_field(j->conn, SL("OCI-Filters-Applied"), SL("artifactType"));
    reply_cache_status(j);
    send_mem(j->conn, pg_buf_sl(&j->body));
    return reply_go(j);
}
