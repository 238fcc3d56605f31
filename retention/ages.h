/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ages - the clock by which what is kept grows old. A clock that is set forward makes nothing old:
 *
 *     while the program runs     it goes as the monotonic clock does
 *     while it does not          it goes as the wall clock did, AGES_OFF_MAX_S at most
 *     within AGES_SLACK_S of it  it is the wall clock
 *     further behind it          it gains a second in each: a machine that slept is right again
 *                                after as long as it slept
 *
 * Ages are reckoned from the earlier of it and the wall clock: one that was set back makes all
 * younger.
 *
 * Threads:  one. Pure: who asks says what the clocks are.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define AGES_SLACK_S   ((int64_t)3600)
#define AGES_OFF_MAX_S ((int64_t)86400)

struct ages {
    int64_t now_s;
    uint64_t mono_s; /* when that was */
    bool lags;       /* the wall clock is further ahead than AGES_SLACK_S */
};

/* What was kept of it when it ran last, and the wall clock of then; 0: not known. */
struct ages_kept {
    int64_t now_s, wall_s;
};

void ages_begin(struct ages *a, const struct ages_kept *kept, int64_t wall_s, uint64_t mono_s);

/* From when ages are to be reckoned now. To be called every few minutes. */
int64_t ages_turn(struct ages *a, int64_t wall_s, uint64_t mono_s);
