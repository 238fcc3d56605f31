/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/older.h"

#include "base/clock.h"
#include "base/metric.h"
#include "cache/land.h"
#include "cache/overlay.h"
#include "cache/past.h"
#include "proxy/journey/admit.h"
#include "proxy/journey/refresh.h"

#define PATIENCE_MS 1500 /* for upstream's word on what is here and passes */

#define OLDER_STAGES(X)                                                                            \
    X(choose, CLIENT) X(fetched, UPSTREAM) X(confirm, CLIENT) X(confirmed, UPSTREAM)

#define X(name, origin) static enum rq_next st_##name(struct rq *rq);
OLDER_STAGES(X)
#undef X
#define X(name, origin)                                                                            \
    static const struct rq_stage ST_##name = {"older." #name, st_##name, RQ_##origin};
OLDER_STAGES(X)
#undef X

struct older {
    struct journey *journey;
    struct digest newest;
    struct past past;
    size_t next;
    struct past_spell *spell; /* that is being looked at */
    struct older_choice choice;
    bool is_chosen;
    struct pg_err refused; /* the newest, and how */
    struct admit_verdict verdict;
    struct refresh_reader refresh;
    unsigned ticket;
    const struct rq_stage *then;
};

static void leave(struct journey *j)
{
    refresh_leave(&j->older->refresh);
}

static void stop_asking(struct rq *rq)
{
    leave(journey_of(rq));
}

static void on_refreshed(struct refresh_reader *r)
{
    struct older *o = pg_container_of(r, struct older, refresh);

    rq_wake(&o->journey->rq, o->ticket);
}

/* ---- the newest that may ------------------------------------------------------------------- */

static enum rq_next none_is_left(struct journey *j)
{
    struct older *o = j->older;

    j->verdict = o->verdict;
    j->told.digest = o->newest;
    pg_err_clear(&j->rq.err);
    pg_fail(&j->rq.err, o->refused.kind,
            "%s; of what the tag was before nothing may be pulled either", o->refused.msg);
    admit_refuse(j);
    return rq_fail_now(&j->rq);
}

/* What the tag is now was refused; that it was the same before, for longer, may count. */
static bool is_worth_a_look(const struct older *o, const struct past_spell *s)
{
    return (s->until_s > s->since_s || s->is_fixed) &&
           !(s->is_open && digest_eq(&s->digest, &o->newest));
}

/* 1 in the store; 0; -1 with the error. Only what this repository has named. */
static int find(struct journey *j, const struct digest *d)
{
    struct older *o = j->older;
    struct overlay_manifest m;
    int found = overlay_get_manifest(j->home->store, d, &j->rq.arena, &m, &j->rq.err);

    if (found <= 0)
        return found;
    pg_bytes_unref(j->held);
    j->held = m.held;
    o->choice = (struct older_choice){
        .digest = *d, .sha256 = m.sha256, .bytes = m.bytes, .media_type = m.media_type};
    return 1;
}

static enum rq_next admit(struct journey *j)
{
    struct older *o = j->older;
    struct admit_subject subject = {.digest = o->choice.digest,
                                    .sha256 = o->choice.sha256,
                                    .bytes = o->choice.bytes,
                                    .media_type = o->choice.media_type,
                                    .older = o->spell,
                                    .instead = &ST_choose};

    j->told.digest = o->choice.digest;
    return admit_manifest(j, &subject, &ST_confirm);
}

static enum rq_next fetch(struct journey *j)
{
    struct older *o = j->older;

    o->ticket = rq_ticket(&j->rq);
    refresh_join_digest(j, &o->spell->digest, false, &o->refresh, on_refreshed);
    return rq_wait(&j->rq, &ST_fetched, journey_left_ms(j), stop_asking);
}

static enum rq_next st_choose(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct older *o = j->older;
    struct index_link link;
    int found;

    pg_err_clear(&rq->err);
    while (o->next < o->past.n && !is_worth_a_look(o, &o->past.spells[o->next]))
        o->next++;
    if (o->next == o->past.n)
        return none_is_left(j);
    o->spell = &o->past.spells[o->next++];
    found =
        overlay_get_link(j->home->store, j->target.canonical, &o->spell->digest, &link, &rq->err);
    if (found > 0)
        found = find(j, &o->spell->digest);
    if (found < 0)
        return rq_fail_now(rq);
    return found > 0 ? admit(j) : fetch(j);
}

/* ---- upstream's word ----------------------------------------------------------------------- */

static void note_asked(struct journey *j, bool is_there)
{
    land_past_asked(j->home->store, j->target.canonical, j->want.reference,
                    &j->older->spell->digest, is_there);
}

/* Why the newest waits is told with the decision, in log and audit. */
static void say_why(struct journey *j)
{
    const struct older *o = j->older;
    const char *before = j->verdict.observed != NULL ? j->verdict.observed : "";
    char digest[DIGEST_TEXT_MAX];
    struct pg_buf text;

    pg_buf_init(&text, 4096);
    (void)pg_buf_printf(&text, "%s%s" SL_FMT " is held back by %s: %s", before,
                        *before != '\0' ? "; " : "", SL_ARG(digest_write(&o->newest, digest)),
                        o->verdict.rule, o->verdict.reason);
    j->verdict.observed = pg_copy(&j->rq.arena, pg_buf_sl(&text)).p;
    pg_buf_free(&text);
}

static enum rq_next go_on(struct journey *j)
{
    j->older->is_chosen = true;
    say_why(j);
    pg_metric_inc(PG_M_ADMISSION_OLDER);
    return rq_go(&j->rq, j->older->then);
}

static enum rq_next st_fetched(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct older *o = j->older;
    const struct refresh_answer *a = o->refresh.answered ? refresh_look(&o->refresh) : NULL;
    bool is_gone = a != NULL && a->err.kind == PG_E_MANIFEST_UNKNOWN;

    if (a == NULL || a->err.kind != PG_E_NONE || a->bytes == NULL) {
        if (is_gone)
            note_asked(j, false);
        leave(j);
        return rq_go(rq, &ST_choose);
    }
    pg_bytes_unref(j->held);
    j->held = pg_bytes_ref(a->bytes);
    o->choice = (struct older_choice){.digest = a->digest,
                                      .sha256 = a->sha256,
                                      .bytes = pg_bytes_sl(a->bytes),
                                      .media_type = pg_copy(&rq->arena, a->media_type),
                                      .fetched = true};
    leave(j);
    return admit(j);
}

static bool was_asked_lately(const struct journey *j)
{
    int64_t age_s = pg_clock_wall_s() - j->older->spell->asked_s;

    return age_s >= 0 && (uint64_t)age_s * 1000 < j->snapshot->config.tags_ttl;
}

static enum rq_next st_confirm(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct older *o = j->older;

    if (o->choice.fetched)
        note_asked(j, true);
    if (o->choice.fetched || was_asked_lately(j))
        return go_on(j);
    o->ticket = rq_ticket(rq);
    refresh_join_digest(j, &o->spell->digest, true, &o->refresh, on_refreshed);
    return rq_wait_or_go(rq, &ST_confirmed,
                         journey_patience_ms(j, PATIENCE_MS, JOURNEY_PATIENCE_DOWN_MS),
                         stop_asking);
}

static enum rq_next st_confirmed(struct rq *rq)
{
    struct journey *j = journey_of(rq);
    struct older *o = j->older;
    enum pg_ekind kind =
        o->refresh.answered ? refresh_look(&o->refresh)->err.kind : PG_E_UPSTREAM_DOWN;
    bool is_silent = journey_silence(kind) != NULL || !o->refresh.answered;

    leave(j);
    if (kind == PG_E_NONE)
        note_asked(j, true);
    if (kind == PG_E_MANIFEST_UNKNOWN)
        note_asked(j, false);
    return kind == PG_E_NONE || is_silent ? go_on(j) : rq_go(rq, &ST_choose);
}

/* ---- doors --------------------------------------------------------------------------------- */

static int read_past(struct journey *j, struct past *r)
{
    _index_view_ struct index_view v = index_view_begin(j->home->store->index);

    return past_get(&v, j->target.canonical, j->want.reference, r, &j->rq.err);
}

enum rq_next older_begin(struct journey *j, const struct digest *newest,
                         const struct rq_stage *then)
{
    struct older *o = pg_new(&j->rq.arena, struct older);

    PG_CHECK(j->older == NULL && j->rq.err.kind != PG_E_NONE);
    o->journey = j;
    o->newest = *newest;
    o->verdict = j->verdict;
    o->then = then;
    j->older = o;
    pg_err_move(&o->refused, &j->rq.err);
    if (read_past(j, &o->past) < 0)
        return rq_fail_now(&j->rq);
    return rq_go(&j->rq, &ST_choose);
}

const struct older_choice *older_choice(const struct journey *j)
{
    return j->older != NULL && j->older->is_chosen ? &j->older->choice : NULL;
}

void older_end(struct journey *j)
{
    if (j->older == NULL)
        return;
    leave(j);
    pg_err_clear(&j->older->refused);
}
