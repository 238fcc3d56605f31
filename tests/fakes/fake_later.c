/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/fake_later.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"

static atomic_uint_least64_t later_ms;

void fake_later_by(uint64_t ms)
{
    atomic_fetch_add(&later_ms, ms);
}

static uint64_t now_us(clockid_t clock)
{
    struct timespec t = {0};

    (void)clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t pg_clock_mono_us(void)
{
    return now_us(CLOCK_MONOTONIC);
}

uint64_t pg_clock_mono_ms(void)
{
    return now_us(CLOCK_MONOTONIC) / 1000 + atomic_load(&later_ms);
}

int64_t pg_clock_wall_s(void)
{
    return pg_clock_wall_ms() / 1000;
}

int64_t pg_clock_wall_us(void)
{
    return (int64_t)(now_us(CLOCK_REALTIME) + atomic_load(&later_ms) * 1000);
}

int64_t pg_clock_wall_ms(void)
{
    return pg_clock_wall_us() / 1000;
}

const char *pg_clock_rfc3339(int64_t wall_ms, char out[PG_CLOCK_TEXT_MAX])
{
    (void)snprintf(out, PG_CLOCK_TEXT_MAX, "wall+%lld", (long long)wall_ms);
    return out;
}
