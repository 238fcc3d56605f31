/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steady - a clock that nobody sets. It tells seconds since 1970 as the wall clock told them once,
 * and goes on by the monotonic clock from there, so that nothing grows old because the wall clock
 * jumped. Ages are counted by it: when something was first seen, how long it has stayed so.
 *
 *     pg_steady_begin(&mark, boot);             once: from where an earlier run left it
 *     since_s = pg_steady_of(pg_clock_wall_s());
 *
 * Over a restart of the program it goes on exactly, as long as the machine is the same and has not
 * been started anew: `boot` says so. Else what the wall clock says has passed counts, but no less
 * than nothing and no more than PG_STEADY_AWAY_MAX_S.
 *
 * While the two clocks agree within PG_STEADY_SLACK_S, a time by this one is the time by the wall
 * clock.
 *
 * Threads: any; begin: before they ask.
 */
#pragma once

#include <stdint.h>

#define PG_STEADY_AWAY_MAX_S 3600
#define PG_STEADY_SLACK_S    5

/* Where it stood, all at one instant. */
struct pg_steady_mark {
    int64_t steady_s, wall_s;
    uint64_t mono_s, boot;
};

/* last NULL: it begins with the wall clock. */
void pg_steady_begin(const struct pg_steady_mark *last, uint64_t boot);
struct pg_steady_mark pg_steady_mark(void);

/* What this clock says when the wall clock says wall_s, as things are now. */
int64_t pg_steady_of(int64_t wall_s);
/* How far it is ahead of the wall clock; 0 within the slack, and before it began. */
int64_t pg_steady_ahead_s(void);
