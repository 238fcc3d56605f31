/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/ping.h"

#include "proxy/journey/reply.h"

static enum rq_next st_ping(struct rq *rq)
{
    struct journey *j = journey_of(rq);

    if (admit_list(j) < 0)
        return rq_fail_now(rq);
    return reply_json(j, SL("{}"));
}

const struct rq_stage ping_first = {"ping", st_ping, RQ_CLIENT};
