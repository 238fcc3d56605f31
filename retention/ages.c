/* SPDX-License-Identifier: Apache-2.0 */
#include "retention/ages.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t reckon(struct ages *a, int64_t wall_s)
{
    int64_t ahead_s = wall_s - a->now_s;

    if (ahead_s <= AGES_SLACK_S && ahead_s >= -AGES_SLACK_S) {
        a->now_s = wall_s;
    }
    a->lags = ahead_s > AGES_SLACK_S;
    return least(a->now_s, wall_s);
}

void ages_begin(struct ages *a, const struct ages_kept *kept, int64_t wall_s, uint64_t mono_s)
{
    *a = (struct ages){.now_s = kept->now_s > 0 ? kept->now_s : wall_s, .mono_s = mono_s};
    if (kept->now_s > 0 && wall_s > kept->wall_s) {
        a->now_s += least(wall_s - kept->wall_s, AGES_OFF_MAX_S);
    }
    (void)reckon(a, wall_s);
}

int64_t ages_turn(struct ages *a, int64_t wall_s, uint64_t mono_s)
{
    int64_t passed_s = mono_s > a->mono_s ? (int64_t)(mono_s - a->mono_s) : 0;

    a->mono_s = mono_s;
    a->now_s += passed_s;
    if (wall_s > a->now_s + AGES_SLACK_S) {
        a->now_s += least(passed_s, wall_s - a->now_s);
    }
    return reckon(a, wall_s);
}
