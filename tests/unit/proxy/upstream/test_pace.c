/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes a second, counted by a clock that the test moves. */
#include "harness/test.h"

#include "proxy/upstream/pace.h"

#define RATE  UINT64_C(1000000)
#define PIECE UINT64_C(16384)

/* What `n` transfers that always have a piece at hand get in so many seconds. */
static uint64_t run(struct pace *p, unsigned n, uint64_t from_ms, uint64_t seconds,
                    uint64_t step_ms)
{
    uint64_t got = 0;

    for (uint64_t now = from_ms; now < from_ms + seconds * 1000; now += step_ms) {
        for (unsigned i = 0; i < n; i++) {
            while (pace_may(p, false, now)) {
                pace_take(p, PIECE);
                got += PIECE;
            }
        }
    }
    return got;
}

TEST(it_is_exact_over_some_seconds_however_many_want_it)
{
    for (unsigned n = 1; n <= 64; n *= 8) {
        for (uint64_t step = 1; step <= 100; step *= 10) {
            struct pace p;
            uint64_t got;

            pace_init(&p, RATE, 5000);
            got = run(&p, n, 5000, 10, step);
            assert_in_range(got, 10 * RATE - RATE / 8 - PIECE, 10 * RATE + RATE / 8 + PIECE);
        }
    }
}

TEST(nothing_is_saved_up_for_later)
{
    struct pace p;

    pace_init(&p, RATE, 0);
    assert_false(pace_may(&p, false, 0)); /* not even at the start */
    assert_in_range(run(&p, 1, 3600000, 1, 10), RATE - PIECE, RATE + RATE / 8 + PIECE);
}

TEST(small_things_do_not_wait_and_are_paid_for)
{
    uint64_t wait_ms;
    struct pace p;

    pace_init(&p, RATE, 0);
    pace_may(&p, false, 10);
    for (int i = 0; i < 10; i++) {
        assert_true(pace_may(&p, true, 10));
        pace_take(&p, 50000);
    }
    assert_false(pace_may(&p, false, 10)); /* owes 490,000 bytes: half a second */
    wait_ms = pace_wait_ms(&p);
    assert_in_range(wait_ms, 489, 492);
    assert_false(pace_may(&p, false, 10 + wait_ms - 2));
    assert_true(pace_may(&p, false, 10 + wait_ms));
}

TEST(small_things_alone_are_not_without_a_limit)
{
    struct pace p;
    uint64_t got = 0;

    pace_init(&p, RATE, 0);
    for (uint64_t now = 0; now < 10000; now += 10) {
        while (pace_may(&p, true, now)) {
            pace_take(&p, 4096);
            got += 4096;
        }
    }
    assert_in_range(got, 10 * RATE, 11 * RATE + RATE / 8 + 4096);
}

TEST(without_a_limit_there_is_none)
{
    struct pace p;

    pace_init(&p, 0, 0);
    for (int i = 0; i < 1000; i++) {
        assert_true(pace_may(&p, false, 0));
        pace_take(&p, UINT64_C(1) << 40);
    }
    assert_int_equal(pace_wait_ms(&p), 0);
}

TEST(a_clock_that_stood_for_a_year_and_the_largest_rate_do_not_overflow)
{
    struct pace p;

    pace_init(&p, UINT64_C(1) << 40, 0);
    assert_true(pace_may(&p, false, UINT64_C(31536000000)));
    pace_take(&p, UINT64_C(1) << 40);
    assert_in_range(pace_wait_ms(&p), 800, 1001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(it_is_exact_over_some_seconds_however_many_want_it),
        RUN(nothing_is_saved_up_for_later),
        RUN(small_things_do_not_wait_and_are_paid_for),
        RUN(small_things_alone_are_not_without_a_limit),
        RUN(without_a_limit_there_is_none),
        RUN(a_clock_that_stood_for_a_year_and_the_largest_rate_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
