/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <time.h>

#include "base/check.h"

#define DAY_S  86400
#define YEAR_0 INT64_C(-62167219200000) /* 0000-01-01T00:00:00.000Z */
#define YEAR_N INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

static struct timespec now(clockid_t id)
{
    struct timespec t;

    PG_CHECK(clock_gettime(id, &t) == 0);
    return t;
}

uint64_t pg_clock_mono_us(void)
{
    struct timespec t = now(CLOCK_MONOTONIC);

    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t pg_clock_mono_ms(void)
{
    return pg_clock_mono_us() / 1000;
}

int64_t pg_clock_wall_s(void)
{
    return now(CLOCK_REALTIME_COARSE).tv_sec; /* as time() does */
}

int64_t pg_clock_wall_us(void)
{
    struct timespec t = now(CLOCK_REALTIME);

    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t pg_clock_wall_ms(void)
{
    return pg_clock_wall_us() / 1000;
}

static char *put_digits(char *out, unsigned value, unsigned ndigits)
{
    for (unsigned i = ndigits; i > 0; i--) {
        out[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + ndigits;
}

/*
 * Days since 0000-03-01 to a date. A year that begins in March has its leap day at its end, so
 * the months before it are the same in every year: (153 m + 2) / 5 days stand before month m.
 */
static char *put_date(char *out, unsigned days)
{
    unsigned era = days / 146097, in_era = days % 146097; /* 400 years */
    unsigned year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    unsigned in_year = in_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * in_year + 2) / 153;
    unsigned day = in_year - (153 * month + 2) / 5 + 1;

    month = month < 10 ? month + 3 : month - 9;
    year += 400 * era + (month <= 2 ? 1 : 0);
    out = put_digits(out, year, 4);
    *out++ = '-';
    out = put_digits(out, month, 2);
    *out++ = '-';
    return put_digits(out, day, 2);
}

/* Not gmtime_r(): it takes a lock that all threads share, and every log line has a time. */
const char *pg_clock_rfc3339(int64_t wall_ms, char out[PG_CLOCK_TEXT_MAX])
{
    char *p = out;
    uint64_t ms;
    unsigned days, in_day;

    if (wall_ms < YEAR_0)
        wall_ms = YEAR_0;
    if (wall_ms > YEAR_N)
        wall_ms = YEAR_N;
    ms = (uint64_t)(wall_ms - YEAR_0);
    days = (unsigned)(ms / 1000 / DAY_S);
    in_day = (unsigned)(ms / 1000 % DAY_S);
    if (days < 60) { /* January and February of the year 0, which is a leap year */
        p = put_digits(p, 0, 4);
        *p++ = '-';
        p = put_digits(p, days < 31 ? 1 : 2, 2);
        *p++ = '-';
        p = put_digits(p, days < 31 ? days + 1 : days - 30, 2);
    } else {
        p = put_date(p, days - 60);
    }
    *p++ = 'T';
    p = put_digits(p, in_day / 3600, 2);
    *p++ = ':';
    p = put_digits(p, in_day / 60 % 60, 2);
    *p++ = ':';
    p = put_digits(p, in_day % 60, 2);
    *p++ = '.';
    p = put_digits(p, (unsigned)(ms % 1000), 3);
    *p++ = 'Z';
    *p = '\0';
    return out;
}
