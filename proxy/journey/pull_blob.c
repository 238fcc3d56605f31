/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/pull_blob.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/metric.h"
#include "cache/access.h"
#include "cache/blob.h"
#include "cache/land.h"
#include "cache/overlay.h"
#include "cache/proof.h"
#include "cache/use.h"
#include "proxy/journey/allowed.h"
#include "proxy/journey/ask.h"
#include "proxy/journey/byteranges.h"
#include "proxy/journey/reply.h"

#define BLOB_TYPE "application/octet-stream"

#define PULL_BLOB_STAGES(X)                                                                        \
    X(look, CLIENT)                                                                                \
    X(linked, UPSTREAM)                                                                            \
    X(confirmed, UPSTREAM)                                                                         \
    X(open, CLIENT)                                                                                \
    X(shown, UPSTREAM)                                                                             \
    X(measured, UPSTREAM) X(board, CLIENT) X(flying, UPSTREAM) X(admit, CLIENT) X(deliver, CLIENT)

#define X(name, origin) static enum rq_next st_##name(struct rq *rq);
PULL_BLOB_STAGES(X)
#undef X
#define X(name, origin) static const struct rq_stage ST_##name = {#name, st_##name, RQ_##origin};
PULL_BLOB_STAGES(X)
#undef X

static enum rq_next st_lookup(struct rq *rq);
const struct rq_stage pull_blob_first = {"lookup", st_lookup, RQ_CLIENT};

struct pull_blob {
    struct journey *journey;
    bool has_size;
    uint64_t size;
    struct blob *blob;           /* open: it is in the store; deliver gives it to send */
    struct flight_reader reader; /* board: it is on its way; deliver gives it to send */
    bool boarded, sending;
    bool beside;         /* flying: another upstream's flight takes too long, so one of our own */
    uint64_t boarded_ms; /* board */
    unsigned ticket, tries;
    int allowed;          /* lookup: an enum allowed */
    bool shown;           /* by this upstream, just now */
    uint64_t admitted_ms; /* lookup */
};

static void off_board(struct pull_blob *p)
{
    if (!p->boarded)
        return;
    p->boarded = false;
    pg_metric_add(PG_M_FLIGHT_WAITERS, -1);
}

/* Also when a wait for the flight is stopped. What deliver gave to send is send's. */
static void leave(struct journey *j)
{
    struct pull_blob *p = j->op;

    if (p->boarded && !p->sending)
        flight_leave(&p->reader);
    off_board(p);
    if (!p->sending)
        blob_close(p->blob);
    p->blob = NULL;
}

static void note_size(struct pull_blob *p, uint64_t size)
{
    p->size = size;
    p->has_size = true;
}

/* A registry that does not know HEAD answers with nothing: that is no yes, or every blob of the
 * store could be read by naming it there. */
static bool says_yes(const struct fetch_answer *a, const struct digest *d)
{
    if (a->has_digest && a->digest.alg == d->alg && !digest_eq(&a->digest, d))
        return false;
    return a->has_digest || a->has_size;
}

static enum rq_next st_lookup(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct pull_blob *p = pg_new(&rq->arena, struct pull_blob);

    p->journey = j;
    j->op = p;
    j->op_end = leave;
    return admit_blob(j, &ST_look); /* what may not leave is not fetched either */
}

static enum rq_next st_look(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct pull_blob *p = j->op;
    struct index_link link;
    int64_t age_s;
    int linked;

    p->admitted_ms = rq->queue->now_ms;
    j->told.digest = j->want.digest;
    j->told.has_digest = true;
    linked =
        overlay_get_link(j->home->store, j->target.canonical, &j->want.digest, &link, &rq->err);
    if (linked < 0)
        return rq_fail_now(rq);
    if (linked == 0) {
        j->told.why = "no link in this repository";
        return ask_upstream(j, FETCH_BLOB_HEAD, j->want.reference, &ST_linked);
    }
    if (link.size > 0)
        note_size(p, link.size);
    p->allowed = allowed_look(j, link.first_seen_s, &age_s);
    if (p->allowed < 0)
        return rq_fail_now(rq);
    if (p->allowed == ALLOWED)
        return rq_go(rq, &ST_open);
    if (p->allowed == ALLOWED_NOT) {
        j->told.why = "withdrawn by upstream";
        return ask_upstream(j, FETCH_BLOB_HEAD, j->want.reference, &ST_confirmed);
    }
    j->told.why = "upstream was not asked for long";
    return ask_briefly(j, FETCH_BLOB_HEAD, j->want.reference, &ST_confirmed);
}

/* Linked, and upstream was asked whether we may still read the repository. That it does not know
 * HEAD, or does not answer, is no withdrawal; but it ends none either. */
static enum rq_next st_confirmed(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct pull_blob *p = j->op;
    const struct fetch_answer *a;
    bool denied, silent;

    if (!ask_is_answered(j)) {
        access_silent(j->home->store, j->target.canonical);
        return rq_go(rq, &ST_open);
    }
    denied = j->ask.fetch->denied;
    a = ask_answer(j);
    silent = journey_silence(rq->err.kind) != NULL;
    if (a == NULL && denied) {
        access_note(j->home->store, j->target.canonical, true, pg_clock_wall_s());
        pg_fail(&rq->err, PG_E_DENIED,
                "upstream does not let pullgate read " SL_FMT " any more (when_deleted: follow)",
                SL_ARG(j->target.repo));
    } else if (a == NULL && silent && p->allowed == ALLOWED_IF_CONFIRMED) {
        access_silent(j->home->store, j->target.canonical);
        pg_err_clear(&rq->err);
    } else if (a != NULL && says_yes(a, &j->want.digest)) {
        access_note(j->home->store, j->target.canonical, false, pg_clock_wall_s());
    } else if (a != NULL && p->allowed == ALLOWED_NOT) {
        pg_fail(&rq->err, PG_E_BLOB_UNKNOWN, "upstream does not say whether it may be read again");
    }
    ask_end(j);
    return rq->err.kind != PG_E_NONE ? rq_fail_now(rq) : rq_go(rq, &ST_open);
}

static enum rq_next st_linked(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    const struct fetch_answer *a = ask_answer(j);
    uint64_t size = 0;

    if (a == NULL)
        return rq_fail_now(rq);
    if (!says_yes(a, &j->want.digest)) {
        pg_fail(&rq->err, PG_E_BLOB_UNKNOWN,
                "upstream does not say whether this repository has the blob; pull the manifest "
                "that names it first");
        return rq_fail_now(rq);
    }
    if (a->has_size) {
        size = a->size;
        note_size(j->op, size);
    }
    ask_end(j);
    land_link(j->home->store, j->target.canonical, &j->want.digest, INDEX_LINK_BLOB, size,
              pg_clock_wall_s());
    return rq_go(rq, &ST_open);
}

static enum rq_next serve(struct journey *j, enum journey_cache cache)
{
    j->told.cache = cache;
    j->times.resolved_ms = j->rq.queue->now_ms;
    return rq_go(&j->rq, &ST_admit);
}

static enum rq_next serve_stored(struct journey *j)
{
    struct pull_blob *p = j->op;

    note_size(p, p->blob->size);
    use_touch(j->home->store->use, &j->want.digest, pg_clock_wall_s());
    return serve(j, JOURNEY_HIT);
}

static enum rq_next fetch_it(struct journey *j)
{
    if (j->told.why == NULL)
        j->told.why = "not in the store";
    if (j->want.is_head)
        return ask_upstream(j, FETCH_BLOB_HEAD, j->want.reference, &ST_measured);
    return rq_go(&j->rq, &ST_board);
}

/* It is in the store: did it come from this upstream, or did this one show that it has it, too? */
static enum rq_next serve_shown(struct journey *j)
{
    struct pull_blob *p = j->op;
    const struct digest *d = &j->want.digest;
    struct fetch_proof proof = {.whose = j->target.canonical, .digest = *d};
    int found = p->shown ? 1 : proof_has(j->home->store, j->target.canonical, d, &j->rq.err);

    if (found > 0)
        return serve_stored(j);
    if (found == 0)
        found = proof_pick(j->home->store, d, &proof.parts, &j->rq.err);
    blob_close(p->blob);
    p->blob = NULL;
    if (found < 0)
        return rq_fail_now(&j->rq);
    if (found == 0) /* it has gone since */
        return fetch_it(j);
    j->told.why = "not shown by this upstream";
    return ask_for_proof(j, &proof, &ST_shown);
}

/* On a flight of another upstream nothing is shown by ours: that is asked for when it landed. But
 * how long that takes is the other's to say; it may hold it up for hours. */
static bool is_foreign(const struct journey *j)
{
    const struct pull_blob *p = j->op;
    struct sl whose = flight_whose(p->reader.flight);

    return !p->shown && whose.n > 0 &&
           !sl_eq(proof_upstream(whose), proof_upstream(j->target.canonical));
}

static enum rq_next st_shown(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct pull_blob *p = j->op;

    if (ask_answer(j) == NULL)
        return rq_fail_now(rq);
    ask_end(j);
    p->shown = true;
    return rq_go(rq, &ST_open);
}

static enum rq_next st_open(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct pull_blob *p = j->op;
    int found = blob_open(j->home->store, &j->want.digest, &p->blob, &rq->err);

    if (found < 0)
        return rq_fail_now(rq);
    if (found > 0)
        return serve_shown(j);
    return fetch_it(j);
}

/* A HEAD of what is not here: upstream says how large it is, and that it is. */
static enum rq_next st_measured(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct pull_blob *p = j->op;
    const struct fetch_answer *a = ask_answer(j);

    if (a == NULL)
        return rq_fail_now(rq);
    if (a->has_size)
        note_size(p, a->size);
    ask_end(j);
    if (!p->has_size) {
        pg_fail(&rq->err, PG_E_UPSTREAM_WRONG, "upstream does not say how large the blob is");
        return rq_fail_now(rq);
    }
    return serve(j, JOURNEY_MISS);
}

static void on_news(struct flight_reader *reader)
{
    struct pull_blob *p = pg_container_of(reader, struct pull_blob, reader);

    if (p->sending)
        send_news(p->journey->conn);
    else
        rq_wake(&p->journey->rq, p->ticket);
}

static void order(struct journey *j)
{
    struct pull_blob *p = j->op;
    struct fetch_blob_order o = {.snapshot = j->snapshot,
                                 .upstream = j->target.upstream,
                                 .repo = j->target.repo,
                                 .caller = journey_caller(j),
                                 .digest = j->want.digest,
                                 .size = p->has_size ? p->size : UINT64_MAX,
                                 .priority = journey_is_patient(j) ? FETCH_AHEAD : FETCH_WAITED_FOR,
                                 .flight = p->reader.flight,
                                 .trace = j->trace.of};

    fetch_blob(j->home->fetch, &o);
}

/* The first reader of a flight. The blob may have landed since `open` looked: then the flight is
 * called off, and whoever boarded it meanwhile looks again, too. 1: it was. */
static int lead(struct journey *j)
{
    struct pull_blob *p = j->op;
    struct pg_err off = {0};
    int found = blob_open(j->home->store, &j->want.digest, &p->blob, &j->rq.err);

    if (p->beside)
        flight_say_beside(p->reader.flight);
    flight_say_whose(p->reader.flight, j->target.canonical);
    if (found == 0) {
        order(j);
        return 0;
    }
    if (found > 0)
        pg_fail(&off, PG_E_CANCELED, "it is in the store already");
    else
        pg_err_copy(&off, &j->rq.err);
    flight_fail(p->reader.flight, &off);
    pg_err_clear(&off);
    return found;
}

/* It may have been ordered ahead, and be waited for from now on. */
static void follow(const struct journey *j)
{
    pg_metric_inc(PG_M_FLIGHT_FOLLOWERS);
    if (!journey_is_patient(j))
        fetch_hurry(j->home->fetch);
}

/* The digest; of a flight beside that of another upstream, with ours behind it. */
static struct sl flight_key(const struct journey *j, char out[FLIGHT_KEY_MAX])
{
    const struct pull_blob *p = j->op;
    struct sl key = digest_write(&j->want.digest, out);
    struct digest upstream;
    uint64_t hash;
    int n;

    if (!p->beside)
        return key;
    upstream = digest_of(PG_SHA256, proof_upstream(j->target.canonical));
    memcpy(&hash, upstream.bytes, sizeof(hash));
    n = snprintf(out + key.n, FLIGHT_KEY_MAX - key.n, " %016" PRIx64, hash);
    PG_CHECK(n > 0 && (size_t)n < FLIGHT_KEY_MAX - key.n);
    return (struct sl){out, key.n + (size_t)n};
}

static enum rq_next st_board(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct pull_blob *p = j->op;
    char text[FLIGHT_KEY_MAX];
    enum flight_role role;
    int landed = 0;

    if (flight_join(&j->home->loop->bell, flight_key(j, text), &p->reader, on_news, &role,
                    &rq->err) < 0)
        return rq_fail_now(rq);
    p->boarded = true;
    p->boarded_ms = rq->queue->now_ms;
    if (journey_is_patient(j))
        flight_be_patient(&p->reader);
    pg_metric_inc(PG_M_FLIGHT_WAITERS);
    if (role == FLIGHT_LEADER)
        landed = lead(j);
    else
        follow(j);
    if (landed < 0)
        return rq_fail_now(rq);
    if (landed > 0) {
        flight_leave(&p->reader);
        off_board(p);
        return serve_shown(j);
    }
    j->told.cache = role == FLIGHT_LEADER ? JOURNEY_MISS : JOURNEY_COALESCED;
    return rq_go(rq, &ST_flying);
}

static void stop_flying(struct rq *rq)
{
    leave(journey_of(rq));
}

/* It was lost before anything left. Called off means look again; what upstream said of another
 * repository means so, too: ours was not asked. All else is our answer. */
static enum rq_next lost(struct journey *j)
{
    struct pull_blob *p = j->op;
    struct rq *rq = &j->rq;
    bool is_ours = flight_is_of(p->reader.flight, j->target.canonical);

    pg_err_copy(&rq->err, &p->reader.flight->err);
    leave(j);
    if (is_ours && rq->err.kind != PG_E_CANCELED)
        return rq_fail_now(rq);
    pg_err_clear(&rq->err);
    if (++p->tries < PULL_BLOB_TRIES)
        return rq_go(rq, &ST_open);
    pg_fail(&rq->err, PG_E_UPSTREAM_DOWN, "the download was called off %u times", p->tries);
    return rq_fail_now(rq);
}

static enum rq_next go_beside(struct journey *j)
{
    struct pull_blob *p = j->op;

    leave(j);
    p->beside = true;
    return rq_go(&j->rq, &ST_board);
}

static enum rq_next wait_for_foreign(struct journey *j)
{
    struct pull_blob *p = j->op;
    uint64_t waited_ms = j->rq.queue->now_ms - p->boarded_ms;
    unsigned ms = journey_left_ms(j);

    if (waited_ms >= PULL_BLOB_FOREIGN_MS)
        return go_beside(j);
    if (ms > PULL_BLOB_FOREIGN_MS - waited_ms)
        ms = (unsigned)(PULL_BLOB_FOREIGN_MS - waited_ms);
    p->ticket = rq_ticket(&j->rq);
    return rq_wait_or_go(&j->rq, &ST_flying, ms, stop_flying);
}

static enum rq_next st_flying(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct pull_blob *p = j->op;
    struct flight_view v;

    if (!p->boarded) /* the patience with another upstream is at its end */
        return go_beside(j);
    v = flight_look(&p->reader);
    if (v.state == FLIGHT_LOST && !v.verified)
        return lost(j);
    if (v.state == FLIGHT_LANDED && is_foreign(j)) {
        leave(j);
        return rq_go(rq, &ST_open);
    }
    if (v.state == FLIGHT_LOST && is_foreign(j))
        return lost(j);
    if (is_foreign(j))
        return wait_for_foreign(j);
    if (v.state == FLIGHT_HEAD) {
        p->ticket = rq_ticket(rq);
        return rq_wait(rq, &ST_flying, journey_left_ms(j), stop_flying);
    }
    note_size(p, v.size);
    return serve(j, j->told.cache);
}

/* Once more, where it was waited for since: a download may have taken long. */
static enum rq_next st_admit(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    const struct pull_blob *p = j->op;

    if (p->admitted_ms == rq->queue->now_ms)
        return rq_go(rq, &ST_deliver);
    return admit_blob(j, &ST_deliver);
}

static void say_range(struct journey *j, const struct range *r, uint64_t size)
{
    char text[80];
    int n = snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, r->first,
                     r->end - 1, size);

    send_field(j->conn, SL("Content-Range"), (struct sl){text, (size_t)n});
}

static void say_head(struct journey *j, int status, struct sl type)
{
    reply_begin(j, status);
    reply_digest(j, &j->want.digest);
    reply_cache_status(j);
    send_field(j->conn, SL("Cache-Control"), SL("max-age=31536000, immutable"));
    if (status == 304)
        return;
    send_field(j->conn, SL("Content-Type"), type);
    send_field(j->conn, SL("Accept-Ranges"), SL("bytes"));
}

static enum rq_next send_one(struct journey *j, const struct range *r)
{
    struct pull_blob *p = j->op;

    p->sending = true;
    if (p->boarded)
        send_flight(j->conn, &p->reader, r->first, r->end);
    else
        send_blob(j->conn, p->blob, r->first, r->end);
    return reply_go(j);
}

static enum rq_next send_whole(struct journey *j)
{
    struct pull_blob *p = j->op;
    struct range all = {0, p->size};

    say_head(j, 200, SL(BLOB_TYPE));
    if (p->blob != NULL || p->boarded)
        return send_one(j, &all);
    send_none(j->conn, p->size);
    return reply_go(j);
}

static enum rq_next send_ranges(struct journey *j, const struct range_list *list)
{
    struct pull_blob *p = j->op;
    const struct byteranges *several;

    if (list->n == 1) {
        say_head(j, 206, SL(BLOB_TYPE));
        say_range(j, &list->at[0], p->size);
        return send_one(j, &list->at[0]);
    }
    several = byteranges_make(&j->rq.arena, list, p->size);
    say_head(j, 206, several->type);
    p->sending = true;
    if (p->boarded)
        send_flight_parts(j->conn, &p->reader, &several->parts);
    else
        send_blob_parts(j->conn, p->blob, &several->parts);
    return reply_go(j);
}

static enum rq_next st_deliver(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct pull_blob *p = j->op;
    struct range_list list;

    if (reply_is_known(j, &j->want.digest)) {
        say_head(j, 304, SL(BLOB_TYPE));
        send_none(j->conn, 0);
        return reply_go(j);
    }
    switch (range_parse(reply_range(j, &j->want.digest), p->size, &list)) {
    case RANGE_PART:
        return send_ranges(j, &list);
    case RANGE_NONE:
        j->told.total_size = p->size;
        pg_fail(&rq->err, PG_E_RANGE_INVALID, "the blob has %" PRIu64 " bytes", p->size);
        return rq_fail_now(rq);
    case RANGE_WHOLE:
        break;
    }
    return send_whole(j);
}
