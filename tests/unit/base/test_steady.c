/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing grows old because somebody set the clock. N15. */
#include "harness/test.h"

#include "base/steady.h"
#include "fakes/fake_clock.h"

#define HOUR 3600

static void set(int64_t wall_s, uint64_t mono_s)
{
    fake_clock_wall_s_now = wall_s;
    fake_clock_mono_ms_now = mono_s * 1000;
}

static int64_t now_s(void)
{
    return pg_steady_of(fake_clock_wall_s_now);
}

static int setup(void **state)
{
    (void)state;
    set(1000000, 50);
    pg_steady_begin(NULL, 7);
    return 0;
}

TEST(it_is_the_wall_clock_as_long_as_that_goes_on)
{
    assert_int_equal(now_s(), 1000000);
    set(1000000 + 80 * HOUR, 50 + 80 * HOUR);
    assert_int_equal(now_s(), 1000000 + 80 * HOUR);
    set(1000000 + 80 * HOUR + 4, 50 + 80 * HOUR);
    assert_int_equal(now_s(), 1000000 + 80 * HOUR + 4);
    assert_int_equal(pg_steady_ahead_s(), 0);
}

TEST(N15_a_wall_clock_that_jumps_ages_nothing)
{
    set(1000000 + 80 * HOUR, 60);
    assert_int_equal(now_s(), 1000010);
    assert_int_equal(pg_steady_ahead_s(), 10 - 80 * HOUR);
    set(1000000 - 80 * HOUR, 70);
    assert_int_equal(now_s(), 1000020);
    set(1000000 + HOUR, 50 + HOUR);
    assert_int_equal(now_s(), 1000000 + HOUR);
}

TEST(N15_over_a_restart_what_has_passed_counts_and_no_jump)
{
    struct pg_steady_mark mark;

    set(1000000 + HOUR, 50 + HOUR);
    mark = pg_steady_mark();
    set(1000000 + HOUR + 80 * HOUR, 50 + HOUR + 30); /* half a minute later, the clock is wrong */
    pg_steady_begin(&mark, 7);
    assert_int_equal(now_s(), 1000000 + HOUR + 30);
    set(1000000 - 80 * HOUR, 50 + 10 * HOUR);
    pg_steady_begin(&mark, 7);
    assert_int_equal(now_s(), 1000000 + 10 * HOUR);
}

TEST(N15_of_the_time_that_the_machine_was_off_no_more_than_an_hour_counts)
{
    struct pg_steady_mark mark = pg_steady_mark();

    set(1000000 + 600, 5);
    pg_steady_begin(&mark, 8);
    assert_int_equal(now_s(), 1000600);
    set(1000000 + 80 * HOUR, 5);
    pg_steady_begin(&mark, 8);
    assert_int_equal(now_s(), 1000000 + PG_STEADY_AWAY_MAX_S);
    set(1000000 - 80 * HOUR, 5);
    pg_steady_begin(&mark, 8);
    assert_int_equal(now_s(), 1000000);
    set(1000000 + 20, 5); /* a machine that has another past, or does not say */
    pg_steady_begin(&mark, 7);
    assert_int_equal(now_s(), 1000020);
    mark.boot = 0;
    set(1000000 + 80 * HOUR, 50 + 80 * HOUR);
    pg_steady_begin(&mark, 0);
    assert_int_equal(now_s(), 1000000 + PG_STEADY_AWAY_MAX_S);
}

#define CASE(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(it_is_the_wall_clock_as_long_as_that_goes_on),
        CASE(N15_a_wall_clock_that_jumps_ages_nothing),
        CASE(N15_over_a_restart_what_has_passed_counts_and_no_jump),
        CASE(N15_of_the_time_that_the_machine_was_off_no_more_than_an_hour_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
