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

static enum rq_next ask(struct journey *j, const struct fetch_question *q,
                        const struct rq_stage *then)
{
    ask_end(j);
    j->ask.ticket = rq_ticket(&j->rq);
    j->ask.fetch = fetch_ask(j->home->fetch, q, &j->home->loop->mail, on_answered, j);
    return rq_wait(&j->rq, then, journey_left_ms(j), stop_asking);
}

enum rq_next ask_upstream(struct journey *j, enum fetch_kind kind, struct sl reference,
                          const struct rq_stage *then)
{
    struct fetch_question q = {.kind = kind,
                               .snapshot = j->snapshot,
                               .upstream = j->target.upstream,
                               .repo = j->target.repo,
                               .reference = reference,
                               .caller = journey_caller(j),
                               .trace = j->trace.of};

    return ask(j, &q, then);
}

enum rq_next ask_for_proof(struct journey *j, const struct fetch_proof *proof,
                           const struct rq_stage *then)
{
    struct fetch_question q = {.kind = FETCH_BLOB_PROOF,
                               .snapshot = j->snapshot,
                               .upstream = j->target.upstream,
                               .repo = j->target.repo,
                               .reference = j->want.reference,
                               .caller = journey_caller(j),
                               .is_cold = true,
                               .proof = proof,
                               .trace = j->trace.of};

    return ask(j, &q, then);
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
