/* SPDX-License-Identifier: Apache-2.0 */
/* Times are told in UTC, as the C library would tell them. */
#include "harness/test.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"

static void expect(int64_t wall_ms, const char *text)
{
    char out[PG_CLOCK_TEXT_MAX];

    assert_ptr_equal(pg_clock_rfc3339(wall_ms, out), out);
    assert_string_equal(out, text);
}

TEST(known_times)
{
    expect(0, "1970-01-01T00:00:00.000Z");
    expect(-1, "1969-12-31T23:59:59.999Z");
    expect(951782399999, "2000-02-28T23:59:59.999Z");
    expect(951782400000, "2000-02-29T00:00:00.000Z");
    expect(4107542400000, "2100-03-01T00:00:00.000Z");
    expect(4107542399000, "2100-02-28T23:59:59.000Z"); /* no leap year */
    expect(1795539600007, "2026-11-24T17:00:00.007Z");
}

TEST(times_outside_of_four_digit_years_are_the_nearest_inside)
{
    expect(INT64_MAX, "9999-12-31T23:59:59.999Z");
    expect(INT64_MIN, "0000-01-01T00:00:00.000Z");
}

TEST(every_day_of_ten_thousand_years_agrees_with_the_c_library)
{
    for (int64_t s = INT64_C(-62167219200); s <= INT64_C(253402300799); s += 86400) {
        const time_t t = s;
        struct tm tm;
        char want[64], got[PG_CLOCK_TEXT_MAX];

        assert_non_null(gmtime_r(&t, &tm));
        (void)snprintf(want, sizeof(want), "%04d-%02d-%02dT00:00:00.000Z", tm.tm_year + 1900,
                       tm.tm_mon + 1, tm.tm_mday);
        if (strcmp(pg_clock_rfc3339(s * 1000, got), want) != 0)
            fail_msg("%s is told as %s", want, got);
    }
}

TEST(the_clocks_agree_with_themselves)
{
    uint64_t us = pg_clock_mono_us(), ms = pg_clock_mono_ms();
    int64_t wall_s = pg_clock_wall_s(), wall_ms = pg_clock_wall_ms();

    assert_in_range(ms, us / 1000, us / 1000 + 10000);
    assert_in_range(wall_ms / 1000, wall_s, wall_s + 10);
    assert_true(pg_clock_mono_us() >= us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(known_times),
        RUN(times_outside_of_four_digit_years_are_the_nearest_inside),
        RUN(every_day_of_ten_thousand_years_agrees_with_the_c_library),
        RUN(the_clocks_agree_with_themselves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
