/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include <stdbool.h>

#include "proxy/upstream/breaker.h"

/* Opens it at `now`. */
static void trip(struct breaker *b, uint64_t now)
{
    assert_false(breaker_fail(b, BREAKER_ABSENT, now));
    assert_true(breaker_fail(b, BREAKER_ABSENT, now));
}

TEST(one_failure_is_no_news)
{
    struct breaker b = {0};

    breaker_fail(&b, BREAKER_ABSENT, 0);
    assert_true(breaker_may(&b, 0));
    assert_false(breaker_ok(&b));
    breaker_fail(&b, BREAKER_ABSENT, 1); /* counts from the beginning */
    assert_true(breaker_may(&b, 1));
}

TEST(a_server_that_is_unwell_gets_more_chances_than_one_that_is_absent)
{
    struct breaker b = {0};

    for (int i = 0; i < 3; i++) {
        assert_false(breaker_fail(&b, BREAKER_UNWELL, 0));
    }
    assert_true(breaker_fail(&b, BREAKER_UNWELL, 0));
    assert_true(breaker_refuses(&b, 0));
}

TEST(E13_one_probe_is_let_through_when_the_window_is_over)
{
    struct breaker b = {0};

    trip(&b, 1000);
    assert_false(breaker_may(&b, 1000));
    assert_false(breaker_may(&b, 1999));
    assert_int_equal(breaker_wait_s(&b, 1000), 1);
    assert_true(breaker_may(&b, 2000)); /* the probe */
    assert_false(breaker_may(&b, 2000));
    assert_false(breaker_may(&b, 2001));
    assert_true(breaker_ok(&b)); /* it was open: upstream is back */
    assert_true(breaker_may(&b, 2002));
}

TEST(windows_double_up_to_their_maximum)
{
    static const uint64_t windows[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct breaker b = {0};
    uint64_t now = 0;

    trip(&b, now);
    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        assert_false(breaker_may(&b, now + windows[i] - 1));
        now += windows[i];
        assert_true(breaker_may(&b, now));
        assert_true(breaker_fail(&b, BREAKER_ABSENT, now));
    }
    breaker_ok(&b);
    trip(&b, now);
    assert_true(breaker_may(&b, now + 1000)); /* short again */
}

TEST(what_was_under_way_before_it_opened_does_not_lengthen_the_window)
{
    struct breaker b = {0};

    trip(&b, 0);
    assert_false(breaker_fail(&b, BREAKER_ABSENT, 500));
    assert_true(breaker_may(&b, 1000));
}

TEST(a_probe_that_is_never_heard_of_is_followed_by_another)
{
    struct breaker b = {0};

    trip(&b, 0);
    assert_true(breaker_may(&b, 1000));
    assert_false(breaker_may(&b, 1000 + BREAKER_PROBE_MS - 1));
    assert_true(breaker_may(&b, 1000 + BREAKER_PROBE_MS));
}

TEST(E12_a_hold_lasts_as_long_as_upstream_said_and_then_one_asks)
{
    struct breaker b = {0};

    breaker_hold(&b, 5000, 100);
    assert_int_equal(breaker_wait_s(&b, 100), 5);
    assert_int_equal(breaker_wait_s(&b, 4101), 1);
    assert_false(breaker_may(&b, 5099));
    assert_true(breaker_may(&b, 5100));
    assert_false(breaker_may(&b, 5101));
    breaker_hold(&b, 5000, 5200); /* again 429 */
    assert_false(breaker_may(&b, 10199));
    assert_true(breaker_may(&b, 10200));
    breaker_ok(&b);
    assert_true(breaker_may(&b, 10201) && breaker_may(&b, 10201));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(one_failure_is_no_news),
        RUN(a_server_that_is_unwell_gets_more_chances_than_one_that_is_absent),
        RUN(E13_one_probe_is_let_through_when_the_window_is_over),
        RUN(windows_double_up_to_their_maximum),
        RUN(what_was_under_way_before_it_opened_does_not_lengthen_the_window),
        RUN(a_probe_that_is_never_heard_of_is_followed_by_another),
        RUN(E12_a_hold_lasts_as_long_as_upstream_said_and_then_one_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
