/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/allowed.h"

#include "base/clock.h"

bool allowed_to_keep(const struct journey *j)
{
    return j->target.upstream->upstream_when_deleted != CONFIG_FOLLOW;
}

int allowed_look(struct journey *j, int64_t seen_s, int64_t *age_s_r)
{
    struct access access;

    *age_s_r = 0;
    if (allowed_to_keep(j))
        return ALLOWED;
    if (access_look(j->home->store, j->target.canonical, &access, &j->rq.err) < 0)
        return -1;
    if (access.withdrawn)
        return ALLOWED_NOT;
    *age_s_r = pg_clock_wall_s() - (access.at_s > seen_s ? access.at_s : seen_s);
    return *age_s_r >= 0 && *age_s_r < ACCESS_PROOF_S ? ALLOWED : ALLOWED_IF_CONFIRMED;
}
