/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "retention/ages.h"

#define T    INT64_C(1800000000)
#define HOUR INT64_C(3600)
#define DAY  INT64_C(86400)

static struct ages a;

static void turn_is(int64_t wall_s, uint64_t mono_s, int64_t then_s, bool lags)
{
    assert_int_equal(ages_turn(&a, wall_s, mono_s), then_s);
    assert_int_equal(a.lags, lags);
}

static void begin(int64_t kept_now_s, int64_t kept_wall_s, int64_t wall_s)
{
    ages_begin(&a, &(struct ages_kept){kept_now_s, kept_wall_s}, wall_s, 100);
}

TEST(it_goes_with_the_wall_clock)
{
    begin(0, 0, T);
    turn_is(T + 60, 160, T + 60, false);
    turn_is(T + 130, 220, T + 130, false); /* set right by ten seconds */
    turn_is(T + 115, 225, T + 115, false);
}

TEST(G16_ten_years_ahead_make_nothing_old)
{
    begin(0, 0, T);
    turn_is(T + 3650 * DAY, 160, T + 120, true); /* a second in each is caught up */
    turn_is(T + 3650 * DAY + HOUR, 160 + 3600, T + 120 + 2 * HOUR, true);
    turn_is(T + 60 + HOUR, 160 + 3600, T + 60 + HOUR, false); /* and is right again */
}

TEST(G16_an_hour_back_makes_all_younger)
{
    begin(0, 0, T);
    turn_is(T - 2 * HOUR, 160, T - 2 * HOUR, false);
    turn_is(T + 120, 220, T + 120, false);
}

TEST(what_a_restart_may_have_missed_is_bounded)
{
    begin(T, T, T + 20 * HOUR);
    turn_is(T + 20 * HOUR, 100, T + 20 * HOUR, false);
    begin(T, T, T + 3650 * DAY);
    turn_is(T + 3650 * DAY, 100, T + AGES_OFF_MAX_S, true);
    begin(T + DAY, T + 3650 * DAY, T + 3650 * DAY + 60); /* it went ahead before: once is enough */
    turn_is(T + 3650 * DAY + 60, 100, T + DAY + 60, true);
    begin(T, T, T - DAY);
    turn_is(T - DAY, 100, T - DAY, false);
}

TEST(a_machine_that_slept_is_right_again)
{
    begin(0, 0, T);
    turn_is(T + 5 * HOUR, 100, T, true);
    turn_is(T + 7 * HOUR, 100 + 7200, T + 4 * HOUR, true);
    turn_is(T + 9 * HOUR, 100 + 4 * 3600, T + 9 * HOUR, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(it_goes_with_the_wall_clock),         RUN(G16_ten_years_ahead_make_nothing_old),
        RUN(G16_an_hour_back_makes_all_younger),  RUN(what_a_restart_may_have_missed_is_bounded),
        RUN(a_machine_that_slept_is_right_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
