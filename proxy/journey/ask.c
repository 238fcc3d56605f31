/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/ask.h"

static void on_answered(struct fetch_ask *f)
{
    struct journey *j = f->owner;

    j->ask.answered = true;
    rq_wake(&j->rq, j->ask.ticket);
}

void ask_end(struct journey *j)
{
    if (j->ask.fetch != NULL)
        fetch_ask_free(j->ask.fetch);
    j->ask = (struct journey_ask){0};
}

static void stop_asking(struct rq *rq)
{
    ask_end(journey_of(rq));
}

static void ask(struct journey *j, const struct fetch_question *q)
{
    ask_end(j);
    j->ask.ticket = rq_ticket(&j->rq);
    j->ask.fetch = fetch_ask(j->home->fetch, q, &j->home->loop->mail, on_answered, j);
}

static struct fetch_question question(struct journey *j, enum fetch_kind kind, struct sl reference)
{
    return (struct fetch_question){.kind = kind,
                                   .snapshot = j->snapshot,
                                   .upstream = j->target.upstream,
                                   .repo = j->target.repo,
                                   .reference = reference,
                                   .caller = journey_caller(j),
                                   .trace = j->trace.of};
}

enum rq_next ask_upstream(struct journey *j, enum fetch_kind kind, struct sl reference,
                          const struct rq_stage *then)
{
    struct fetch_question q = question(j, kind, reference);

    ask(j, &q);
    return rq_wait(&j->rq, then, journey_left_ms(j), stop_asking);
}

enum rq_next ask_briefly(struct journey *j, enum fetch_kind kind, struct sl reference,
                         const struct rq_stage *then)
{
    struct fetch_question q = question(j, kind, reference);

    ask(j, &q);
    return rq_wait_or_go(&j->rq, then, journey_patience_ms(j, ASK_BRIEFLY_MS, ASK_BRIEFLY_DOWN_MS),
                         stop_asking);
}

bool ask_is_answered(const struct journey *j)
{
    return j->ask.answered;
}

enum rq_next ask_for_proof(struct journey *j, const struct fetch_proof *proof,
                           const struct rq_stage *then)
{
    struct fetch_question q = question(j, FETCH_BLOB_PROOF, j->want.reference);

    q.is_cold = true;
    q.proof = proof;
    ask(j, &q);
    return rq_wait(&j->rq, then, journey_left_ms(j), stop_asking);
}

const struct fetch_answer *ask_answer(struct journey *j)
{
    PG_CHECK(j->ask.answered);
    if (j->ask.fetch->err.kind == PG_E_NONE)
        return &j->ask.fetch->answer;
    j->told.retry_after_s = j->ask.fetch->retry_after_s;
    pg_err_move(&j->rq.err, &j->ask.fetch->err);
    return NULL;
}
