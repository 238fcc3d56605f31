/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/referrers.h"

#include <stdlib.h>

#include "oci/media.h"
#include "proxy/journey/aside.h"
#include "proxy/journey/ask.h"
#include "proxy/journey/referrer_list.h"
#include "proxy/journey/reply.h"

#define REFERRERS_STAGES(X)                                                                        \
    X(asked, UPSTREAM) X(tagged, UPSTREAM) X(written, UPSTREAM) X(deliver, CLIENT)

#define X(name, origin) static enum rq_next st_##name(struct rq *rq);
REFERRERS_STAGES(X)
#undef X
#define X(name, origin) static const struct rq_stage ST_##name = {#name, st_##name, RQ_##origin};
REFERRERS_STAGES(X)
#undef X

static enum rq_next st_ask(struct rq *rq);
const struct rq_stage referrers_first = {"ask", st_ask, RQ_CLIENT};

/* Upstream's index on its way to become ours. */
struct rewriting {
    struct aside aside;
    struct journey *journey; /* the loop's */
    unsigned ticket;
    struct pg_bytes *index; /* NULL: there is none */
    struct sl artifact_type;
    struct pg_arena arena;
    struct pg_buf out;
    struct pg_err err;
};

static void leave(struct journey *j)
{
    struct rewriting *w = j->op;

    j->op = NULL;
    if (w != NULL)
        aside_leave(&w->aside);
}

static enum rq_next st_ask(struct rq *rq)
{
    struct journey *j = journey_of(rq);

    j->op_end = leave;
    j->told.digest = j->want.digest;
    j->told.has_digest = true;
    return ask_upstream(j, FETCH_REFERRERS, j->want.reference, &ST_asked);
}

static bool is_absent(enum pg_ekind kind)
{
    return kind == PG_E_MANIFEST_UNKNOWN || kind == PG_E_BLOB_UNKNOWN || kind == PG_E_NAME_UNKNOWN;
}

static void rewrite(struct aside *a)
{
    struct rewriting *w = pg_container_of(a, struct rewriting, aside);
    struct sl json = w->index != NULL ? pg_bytes_sl(w->index) : (struct sl){NULL, 0};

    if (referrer_list_write(json, w->artifact_type, &w->out, &w->err) < 0)
        pg_buf_clear(&w->out); /* why is in err */
}

static void on_rewritten(struct aside *a)
{
    struct rewriting *w = pg_container_of(a, struct rewriting, aside);

    rq_wake(&w->journey->rq, w->ticket);
}

static void free_rewriting(struct aside *a)
{
    struct rewriting *w = pg_container_of(a, struct rewriting, aside);

    pg_bytes_unref(w->index);
    pg_buf_free(&w->out);
    pg_err_clear(&w->err);
    pg_arena_free(&w->arena);
    free(w);
}

static void stop_rewriting(struct rq *rq)
{
    leave(journey_of(rq));
}

/* index NULL: there is none. */
static enum rq_next take(struct journey *j, struct pg_bytes *index)
{
    struct rewriting *w = calloc(1, sizeof(*w));

    PG_CHECK(w != NULL);
    w->aside = (struct aside){.run = rewrite, .done = on_rewritten, .free = free_rewriting};
    w->journey = j;
    w->ticket = rq_ticket(&j->rq);
    w->index = index != NULL ? pg_bytes_ref(index) : NULL;
    pg_arena_init(&w->arena, RQ_ARENA_BYTES);
    if (j->want.artifact_type.p != NULL)
        w->artifact_type = pg_copy(&w->arena, j->want.artifact_type);
    pg_buf_init(&w->out, REFERRER_LIST_BYTES_MAX);
    j->op = w;
    ask_end(j);
    if (w->index != NULL && w->index->n > ASIDE_BYTES)
        aside_start(&w->aside, j->home->loop);
    else
        aside_at_once(&w->aside);
    return rq_wait(&j->rq, &ST_written, journey_left_ms(j), stop_rewriting);
}

static enum rq_next st_written(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct rewriting *w = j->op;

    if (w->err.kind != PG_E_NONE) {
        pg_err_move(&rq->err, &w->err);
        return rq_fail_now(rq);
    }
    j->body = w->out;
    pg_buf_init(&w->out, 0);
    j->told.cache = JOURNEY_MISS;
    j->told.why = "asked each time";
    j->times.resolved_ms = j->rq.queue->now_ms;
    return rq_go(rq, &ST_deliver);
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
        return take(j, a->body);
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
        return take(j, a->body);
    if (!is_absent(rq->err.kind))
        return rq_fail_now(rq);
    pg_err_clear(&rq->err);
    return take(j, NULL);
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
