/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask - a journey asks its upstream, and waits.
 *
 *     return ask_upstream(j, FETCH_BLOB_HEAD, j->want.reference, &ST_linked);
 *     ...
 *     st_linked: const struct fetch_answer *a = ask_answer(j);      NULL: j->rq.err is filled
 *
 * One question at a time; the next one frees the answer to the last, and so does ask_end().
 * Threads: the loop's.
 */
#pragma once

#include "proxy/journey/journey.h"

PG_MUST_USE enum rq_next ask_upstream(struct journey *j, enum fetch_kind kind, struct sl reference,
                                      const struct rq_stage *then);

/* Of who can go on without: `then` comes in any case, soon; ask_answer() only if it is answered. */
PG_MUST_USE enum rq_next ask_briefly(struct journey *j, enum fetch_kind kind, struct sl reference,
                                     const struct rq_stage *then);
bool ask_is_answered(const struct journey *j);
#define ASK_BRIEFLY_MS      1500
#define ASK_BRIEFLY_DOWN_MS 300

/* The same for FETCH_BLOB_PROOF, of j->want's digest. */
PG_MUST_USE enum rq_next ask_for_proof(struct journey *j, const struct fetch_proof *proof,
                                       const struct rq_stage *then);

/* In the stage after it. The answer lives until ask_end(). On failure the error is moved into
 * j->rq.err, and how long to wait is noted for the reply. */
PG_MUST_USE const struct fetch_answer *ask_answer(struct journey *j);
void ask_end(struct journey *j);
