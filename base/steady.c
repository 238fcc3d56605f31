/* SPDX-License-Identifier: Apache-2.0 */
#include "base/steady.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "base/clock.h"

static _Atomic int64_t ahead_of_mono_s;
static _Atomic uint64_t this_boot;
static atomic_bool has_begun;

static int64_t mono_s(void)
{
    return (int64_t)(pg_clock_mono_ms() / 1000);
}

/* How long it was away. The monotonic clock goes backwards only where the machine is another. */
static int64_t away_s(const struct pg_steady_mark *last, uint64_t boot)
{
    int64_t by_mono_s = mono_s() - (int64_t)last->mono_s;
    int64_t by_wall_s = pg_clock_wall_s() - last->wall_s;

    if (boot != 0 && boot == last->boot && by_mono_s >= 0)
        return by_mono_s;
    return by_wall_s < 0 ? 0 : by_wall_s > PG_STEADY_AWAY_MAX_S ? PG_STEADY_AWAY_MAX_S : by_wall_s;
}

void pg_steady_begin(const struct pg_steady_mark *last, uint64_t boot)
{
    int64_t now_s = last != NULL ? last->steady_s + away_s(last, boot) : pg_clock_wall_s();

    atomic_store(&ahead_of_mono_s, now_s - mono_s());
    atomic_store(&this_boot, boot);
    atomic_store(&has_begun, true);
}

int64_t pg_steady_ahead_s(void)
{
    int64_t ahead_s;

    if (!atomic_load(&has_begun))
        return 0;
    ahead_s = mono_s() + atomic_load(&ahead_of_mono_s) - pg_clock_wall_s();
    return ahead_s >= -PG_STEADY_SLACK_S && ahead_s <= PG_STEADY_SLACK_S ? 0 : ahead_s;
}

int64_t pg_steady_of(int64_t wall_s)
{
    return wall_s + pg_steady_ahead_s();
}

struct pg_steady_mark pg_steady_mark(void)
{
    struct pg_steady_mark m = {
        .mono_s = (uint64_t)mono_s(), .wall_s = pg_clock_wall_s(), .boot = atomic_load(&this_boot)};

    m.steady_s = (int64_t)m.mono_s + atomic_load(&ahead_of_mono_s);
    return m;
}
