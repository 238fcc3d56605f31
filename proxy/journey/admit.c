/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/admit.h"

#include "base/clock.h"
#include "base/metric.h"
#include "base/news.h"
#include "cache/land.h"
#include "proxy/admit/revocation.h"
#include "proxy/admit/wish.h"
#include "proxy/journey/ahead.h"
#include "proxy/journey/journey.h"
#include "proxy/journey/reply.h"

#define EXPLAINED_MAX ((size_t)1 << 20)

struct admit_wait {
    struct journey *journey;
    struct gate_question q; /* with references to its fresh dossiers */
    bool is_blob;
    struct sl media_type;
    struct collect_reader reader;
    struct counsel_ask *opa; /* that is waited for; NULL: none */
    unsigned ticket;
    uint64_t began_ms;
    const struct rq_stage *then, *instead;
    struct policy_verdict taken_back; /* q.revoked: by this */
};

static enum rq_next st_collected(struct rq *rq);
static const struct rq_stage ST_collected = {"admit", st_collected, RQ_UPSTREAM};
static enum rq_next st_advised(struct rq *rq);
static const struct rq_stage ST_advised = {"opa", st_advised, RQ_UPSTREAM};

static const struct admit_verdict no_policy = {.allow = true, .rule = "none", .reason = "no rules"};

static bool has_policy(const struct journey *j)
{
    return j->snapshot->config.admission.policy != NULL;
}

/* ---- verdicts ------------------------------------------------------------------------------ */

static const char *keep(struct journey *j, struct sl text)
{
    return pg_copy(&j->rq.arena, text).p;
}

static void note(struct journey *j, const struct gate_result *r)
{
    const struct policy_verdict *v = &r->verdict;

    j->verdict = (struct admit_verdict){
        .allow = r->answer == GATE_ALLOWS,
        .word = r->answer == GATE_ALLOWS    ? "allow"
                : r->answer == GATE_PENDING ? "pending"
                                            : "deny",
        .rule = keep(j, v->rule),
        .reason = keep(j, v->reason),
        .observed = v->observed.n > 0 ? keep(j, v->observed) : NULL,
    };
}

static void say_denied(const struct journey *j)
{
    const struct pg_news_fact facts[] = {{"repository", j->target.canonical, 0},
                                         {"rule", sl_str(j->verdict.rule), 0},
                                         {"reason", sl_str(j->verdict.reason), 0}};

    pg_news_say(PG_NEWS_DENIAL, j->target.canonical, facts, 3);
}

static bool is_pending(const struct gate_result *r)
{
    return r->answer == GATE_PENDING;
}

/* Notes it, and the error that the client is told. */
static int note_refusal(struct journey *j, const struct gate_result *r)
{
    const struct policy_verdict *v = &r->verdict;
    const char *between = v->remedy.n > 0 ? "; what would help: " : "";

    note(j, r);
    return pg_fail(&j->rq.err, is_pending(r) ? PG_E_PENDING : PG_E_DENIED,
                   "%s by policy rule \"" SL_FMT "\": " SL_FMT "%s" SL_FMT,
                   is_pending(r) ? "not decided yet" : "denied", SL_ARG(v->rule), SL_ARG(v->reason),
                   between, SL_ARG(v->remedy));
}

/* 0, or -1 with the error that the client is told. */
static int take_verdict(struct journey *j, const struct gate_result *r)
{
    PG_CHECK(r->answer != GATE_NEEDS);
    if (r->answer == GATE_ALLOWS) {
        note(j, r);
        pg_metric_inc(PG_M_ADMISSION_ALLOW);
        return 0;
    }
    (void)note_refusal(j, r);
    admit_refuse(j);
    return -1;
}

/* What was revoked does not leave, whatever the policy says, or where there is none. */
static enum rq_next refuse_revoked(struct journey *j, const struct policy_verdict *v)
{
    const struct gate_result r = {.answer = GATE_DENIES, .verdict = *v};
    int failed = take_verdict(j, &r);

    PG_CHECK(failed < 0);
    return rq_fail_now(&j->rq);
}

static struct revocation_question of_revocations(const struct journey *j)
{
    return (struct revocation_question){.store = j->home->store, .repository = j->target.canonical};
}

/* ---- waiting ------------------------------------------------------------------------------- */

static void on_collected(struct collect_reader *r)
{
    struct admit_wait *w = pg_container_of(r, struct admit_wait, reader);

    rq_wake(&w->journey->rq, w->ticket);
}

static void stop_waiting(struct rq *rq)
{
    collect_leave(&journey_of(rq)->admit->reader);
}

static enum rq_next collect(struct journey *j, const struct gate_result *r)
{
    struct admit_wait *w = j->admit;
    struct collect_order o = {.snapshot = j->snapshot,
                              .upstream = j->target.upstream,
                              .repo = j->target.repo,
                              .canonical = j->target.canonical,
                              .caller = journey_caller(j),
                              .subject = r->needs,
                              .scope = r->scope,
                              .trace = j->trace.of};

    if (collect_join(&j->home->collects, &o, &w->reader, on_collected, &j->rq.err) < 0)
        return rq_fail_now(&j->rq);
    w->ticket = rq_ticket(&j->rq);
    return rq_wait_or_go(&j->rq, &ST_collected, journey_left_ms(j), stop_waiting);
}

static enum rq_next pend(struct journey *j, const char *rule, const char *why)
{
    struct gate_result r = {
        .answer = GATE_PENDING,
        .verdict = {.rule = sl_str(rule), .reason = sl_str(why), .remedy = SL("try again")}};
    int failed = take_verdict(j, &r);

    PG_CHECK(failed < 0);
    return rq_fail_now(&j->rq);
}

/* ---- OPA ----------------------------------------------------------------------------------- */

static void on_advised(void *owner)
{
    struct admit_wait *w = owner;

    rq_wake(&w->journey->rq, w->ticket);
}

static void stop_advice(struct rq *rq)
{
    struct admit_wait *w = journey_of(rq)->admit;

    counsel_leave(w->opa);
    w->opa = NULL;
}

static enum rq_next ask_opa(struct journey *j, struct sl document)
{
    struct admit_wait *w = j->admit;

    if (w->q.hearing.nasks == COUNSEL_ASKS_MAX)
        return pend(j, "opa", "OPA would have to be asked about too many manifests at once");
    w->ticket = rq_ticket(&j->rq);
    w->opa = counsel_ask(w->q.hearing.counsel, w->q.admission->policy, document,
                         &j->home->loop->mail, on_advised, w);
    if (counsel_is_answered(w->opa))
        return rq_go(&j->rq, &ST_advised);
    return rq_wait_or_go(&j->rq, &ST_advised, journey_left_ms(j), stop_advice);
}

/* The operator asked why: that is the answer, whatever the verdict. */
static enum rq_next tell(struct journey *j)
{
    char digest[DIGEST_TEXT_MAX];

    pg_err_clear(&j->rq.err);
    j->verdict.allow = true; /* to tell him */
    if (j->body.over) {
        pg_fail(&j->rq.err, PG_E_TOO_LARGE, "the explanation is too long");
        return rq_fail_now(&j->rq);
    }
    j->told.cache = JOURNEY_NONE;
    reply_begin(j, 200);
    send_field(j->conn, SL("Content-Type"), SL("application/json"));
    if (j->told.has_digest) /* of what is explained */
        send_field(j->conn, SL("Docker-Content-Digest"), digest_write(&j->told.digest, digest));
    send_mem(j->conn, pg_buf_sl(&j->body));
    return reply_go(j);
}

/* A scan is wished for. What a scanner looks at has to be here: it comes as it does for an image
 * that was given to a client. */
static void wish(struct journey *j, const struct gate_result *r)
{
    const struct admit_wait *w = j->admit;

    if (w->is_blob || w->q.explained != NULL || !r->verdict.asks_scan || j->home->wishes == NULL)
        return;
    (void)wish_note(j->home->wishes, w->q.repository, &w->q.sha256, r->answer != GATE_ALLOWS);
    if (r->answer == GATE_PENDING)
        ahead_begin(j, w->q.manifest, w->media_type);
}

/* Not this one, but perhaps what the tag was before it, or before that. */
static bool is_for_another(const struct admit_wait *w, const struct gate_result *r)
{
    return w->instead != NULL && w->q.explained == NULL &&
           (r->answer == GATE_DENIES || r->answer == GATE_PENDING) &&
           (r->verdict.previous || w->q.older != NULL);
}

static enum rq_next ask_gate(struct journey *j)
{
    struct admit_wait *w = j->admit;
    struct gate_result r;
    struct pg_arena arena;
    enum rq_next next = 0;
    bool instead;
    int failed = 0;

    w->q.now_s = pg_clock_wall_s();
    w->q.now_ms = pg_clock_mono_ms();
    pg_arena_init(&arena, (size_t)16 << 20);
    if (w->is_blob)
        gate_blob(&w->q, &arena, &r);
    else
        gate_manifest(&w->q, &arena, &r);
    if (w->q.revoked != NULL && r.answer != GATE_NEEDS && w->q.explained == NULL) {
        bool may = r.verdict.previous;

        r = (struct gate_result){.answer = GATE_DENIES, .verdict = w->taken_back};
        r.verdict.previous = may;
    }
    instead = is_for_another(w, &r);
    if (r.answer != GATE_NEEDS)
        failed = instead ? note_refusal(j, &r) : take_verdict(j, &r);
    if (r.answer != GATE_NEEDS && (!instead || w->q.older != NULL))
        wish(j, &r);
    if (r.answer == GATE_ALLOWS && r.fixes && w->q.explained == NULL)
        land_past_fixed(w->q.store, w->q.repository, w->q.tag, &w->q.digest);
    if (r.answer == GATE_NEEDS && r.document.p != NULL)
        next = ask_opa(j, r.document);
    pg_arena_free(&arena);
    if (r.answer == GATE_NEEDS && r.document.p != NULL)
        return next;
    if (instead)
        return rq_go(&j->rq, w->instead);
    if (r.answer != GATE_NEEDS && w->q.explained != NULL)
        return tell(j);
    if (r.answer != GATE_NEEDS)
        return failed < 0 ? rq_fail_now(&j->rq) : rq_go(&j->rq, w->then);
    if (w->q.nfresh == GATE_FRESH_MAX)
        return pend(j, "signatures", "too many manifests have to be looked at for it at once");
    return collect(j, &r);
}

static enum rq_next st_collected(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct admit_wait *w = j->admit;

    if (!w->reader.answered)
        return pend(j, "signatures", "its signatures are being looked for");
    w->q.fresh[w->q.nfresh++] = dossier_ref(collect_look(&w->reader));
    collect_leave(&w->reader);
    return ask_gate(j);
}

static enum rq_next st_advised(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct admit_wait *w = j->admit;

    if (w->opa == NULL || !counsel_is_answered(w->opa))
        return pend(j, "opa", "OPA is being asked");
    w->q.hearing.asks[w->q.hearing.nasks++] = w->opa;
    w->opa = NULL;
    return ask_gate(j);
}

/* ---- doors --------------------------------------------------------------------------------- */

static struct gate_question question(struct journey *j)
{
    return (struct gate_question){.store = j->home->store,
                                  .shelf = j->home->collects.shelf,
                                  .admission = &j->snapshot->config.admission,
                                  .repository = j->target.canonical,
                                  .hearing = {.counsel = j->home->counsel},
                                  .ttl_ms = j->snapshot->config.evidence_ttl,
                                  .tags_ttl_ms = j->snapshot->config.tags_ttl};
}

static void drop_fresh(struct admit_wait *w)
{
    while (w->q.nfresh > 0)
        dossier_unref(w->q.fresh[--w->q.nfresh]);
    while (w->q.hearing.nasks > 0)
        counsel_leave(w->q.hearing.asks[--w->q.hearing.nasks]);
    counsel_leave(w->opa);
    w->opa = NULL;
}

static struct admit_wait *begin(struct journey *j, const struct rq_stage *then)
{
    if (j->admit == NULL)
        j->admit = pg_new(&j->rq.arena, struct admit_wait);
    drop_fresh(j->admit);
    *j->admit = (struct admit_wait){.journey = j, .q = question(j), .then = then};
    return j->admit;
}

bool admit_is_explained(const struct journey *j)
{
    return j->http->is_control && conn_header(j->http, SL(ADMIT_EXPLAIN)).p != NULL;
}

static void want_explained(struct journey *j)
{
    struct sl how = conn_header(j->http, SL(ADMIT_EXPLAIN));

    if (!admit_is_explained(j))
        return;
    pg_buf_init(&j->body, EXPLAINED_MAX);
    j->admit->q.explained = &j->body;
    j->admit->q.explain_as_text = sl_eq(how, SL("text"));
}

enum rq_next admit_manifest(struct journey *j, const struct admit_subject *m,
                            const struct rq_stage *then)
{
    struct revocation_question rev = of_revocations(j);
    struct policy_verdict v;
    struct admit_wait *w;
    bool revoked;

    rev.digest = m->digest;
    rev.sha256 = m->sha256;
    rev.bytes = m->bytes;
    revoked = revocation_of_manifest(&rev, &j->rq.arena, &v);
    if (revoked && !(has_policy(j) && (admit_is_explained(j) || m->instead != NULL)))
        return refuse_revoked(j, &v);
    if (!has_policy(j)) {
        j->verdict = no_policy;
        return rq_go(&j->rq, then);
    }
    w = begin(j, then);
    w->q.revoked = revoked ? v.reason.p : NULL;
    if (revoked)
        w->taken_back = v;
    w->instead = m->instead;
    w->q.older = m->older;
    if (!j->want.by_digest)
        w->q.tag = j->want.reference;
    w->q.digest = m->digest;
    w->q.sha256 = m->sha256;
    w->q.manifest = m->bytes;
    w->media_type = m->media_type;
    want_explained(j);
    return ask_gate(j);
}

enum rq_next admit_blob(struct journey *j, const struct rq_stage *then)
{
    struct revocation_question rev = of_revocations(j);
    struct policy_verdict v;
    struct admit_wait *w;

    rev.digest = j->want.digest;
    if (revocation_of_blob(&rev, &j->rq.arena, &v))
        return refuse_revoked(j, &v);
    if (!has_policy(j)) {
        j->verdict = no_policy;
        return rq_go(&j->rq, then);
    }
    w = begin(j, then);
    w->is_blob = true;
    w->q.digest = j->want.digest;
    return ask_gate(j);
}

int admit_list(struct journey *j)
{
    struct gate_question q;
    struct gate_result r;
    struct pg_arena arena;
    struct policy_verdict v;
    int failed;

    if (j->want.op != ROUTE_PING &&
        revocation_of_repository(j->home->store, j->target.canonical, &j->rq.arena, &v)) {
        const struct gate_result no = {.answer = GATE_DENIES, .verdict = v};

        return take_verdict(j, &no);
    }
    if (!has_policy(j) || j->want.op == ROUTE_PING) {
        j->verdict = no_policy;
        return 0;
    }
    q = question(j);
    q.now_s = pg_clock_wall_s();
    pg_arena_init(&arena, (size_t)1 << 20);
    gate_list(&q, &arena, &r);
    failed = take_verdict(j, &r);
    pg_arena_free(&arena);
    return failed;
}

bool admit_may_list(struct journey *j, const struct digest *d)
{
    struct gate_question q;
    struct gate_result r;
    struct pg_arena arena;

    if (!has_policy(j))
        return true;
    if (d->alg != PG_SHA256)
        return false;
    q = question(j);
    q.digest = q.sha256 = *d;
    q.now_s = pg_clock_wall_s();
    q.now_ms = pg_clock_mono_ms();
    pg_arena_init(&arena, (size_t)16 << 20);
    gate_manifest(&q, &arena, &r);
    pg_arena_free(&arena);
    return r.answer != GATE_DENIES;
}

void admit_refuse(struct journey *j)
{
    bool pending = j->rq.err.kind == PG_E_PENDING;

    pg_metric_inc(pending ? PG_M_ADMISSION_PENDING : PG_M_ADMISSION_DENY);
    if (!pending && !admit_is_explained(j))
        say_denied(j);
}

void admit_end(struct journey *j)
{
    if (j->admit == NULL)
        return;
    collect_leave(&j->admit->reader);
    drop_fresh(j->admit);
}
