/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/allowed.h"

#include "base/clock.h"
#include "base/steady.h"

bool allowed_to_keep(const struct journey *j)
{
    return j->target.upstream->upstream_when_deleted != CONFIG_FOLLOW;
}

/* Of two times the later, unless it is in the future, of a clock that went back; -1: both are. */
static int64_t age_of(int64_t now_s, int64_t a_s, int64_t b_s)
{
    int64_t later = a_s > b_s ? a_s : b_s, earlier = a_s > b_s ? b_s : a_s;

    return later <= now_s ? now_s - later : earlier <= now_s ? now_s - earlier : -1;
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
    *age_s_r = age_of(pg_clock_wall_s(), access.at_s, seen_s - pg_steady_ahead_s());
    if (access.silent) /* it was asked a moment ago */
        return ALLOWED;
    return *age_s_r >= 0 && *age_s_r < ACCESS_PROOF_S ? ALLOWED : ALLOWED_IF_CONFIRMED;
}
