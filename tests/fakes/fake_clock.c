/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/fake_clock.h"

#include <stdio.h>

#include "base/clock.h"

uint64_t fake_clock_mono_ms_now = 1000000;
int64_t fake_clock_wall_s_now = 1700000000;

uint64_t pg_clock_mono_us(void)
{
    return fake_clock_mono_ms_now * 1000;
}

uint64_t pg_clock_mono_ms(void)
{
    return fake_clock_mono_ms_now;
}

int64_t pg_clock_wall_s(void)
{
    return fake_clock_wall_s_now;
}

int64_t pg_clock_wall_us(void)
{
    return fake_clock_wall_s_now * 1000000;
}

int64_t pg_clock_wall_ms(void)
{
    return fake_clock_wall_s_now * 1000;
}

const char *pg_clock_rfc3339(int64_t wall_ms, char out[PG_CLOCK_TEXT_MAX])
{
    (void)snprintf(out, PG_CLOCK_TEXT_MAX, "wall+%lld", (long long)wall_ms);
    return out;
}
