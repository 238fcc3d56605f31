/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines come when it is time, up to a tick late, however often they are moved. */
#include "harness/test.h"

#include "proxy/http/wheel.h"

struct alarm {
    struct wheel_node node;
    int rings;
    uint64_t again_ms; /* set again when it rings */
};

static struct wheel w;
static uint64_t now;

static void on_due(struct wheel_node *n)
{
    struct alarm *a = pg_container_of(n, struct alarm, node);

    a->rings++;
    if (a->again_ms > 0)
        wheel_set(&w, n, now + a->again_ms);
}

static void pass(uint64_t to)
{
    now = to;
    wheel_turn(&w, now, on_due);
}

static int start(void **state)
{
    (void)state;
    now = 1000050;
    wheel_init(&w, now);
    return 0;
}

static struct alarm new_alarm(void)
{
    struct alarm a = {0};

    return a;
}

TEST(never_early_and_at_most_a_tick_late)
{
    for (uint64_t in = 1; in < 60000; in = in * 3 / 2 + 7) {
        struct alarm a = new_alarm();
        uint64_t due = now + in;

        wheel_node_init(&a.node);
        wheel_set(&w, &a.node, due);
        while (a.rings == 0) {
            pass(now + 13);
            assert_true(a.rings == 0 || now >= due);
            assert_true(a.rings == 1 || now < due + WHEEL_TICK_MS + 13);
        }
        wheel_clear(&a.node);
    }
}

TEST(later_and_sooner_and_never)
{
    struct alarm a = new_alarm();

    wheel_node_init(&a.node);
    wheel_set(&w, &a.node, now + 1000);
    wheel_set(&w, &a.node, now + 5000);
    pass(now + 4900);
    assert_int_equal(a.rings, 0);
    wheel_set(&w, &a.node, now + 100000);
    wheel_set(&w, &a.node, now + 300);
    pass(now + 500);
    assert_int_equal(a.rings, 1);
    pass(now + 200000);
    assert_int_equal(a.rings, 1);
    wheel_set(&w, &a.node, now + 300);
    wheel_set(&w, &a.node, WHEEL_NEVER);
    pass(now + 1000);
    assert_int_equal(a.rings, 1);
    wheel_set(&w, &a.node, now + 300);
    wheel_clear(&a.node);
    pass(now + 1000);
    assert_int_equal(a.rings, 1);
}

TEST(what_is_due_already_comes_with_the_next_tick)
{
    struct alarm a = new_alarm();

    wheel_node_init(&a.node);
    wheel_set(&w, &a.node, now - 500);
    pass(now + WHEEL_TICK_MS);
    assert_int_equal(a.rings, 1);
}

TEST(a_deadline_may_be_set_again_when_it_comes)
{
    struct alarm a = new_alarm();

    wheel_node_init(&a.node);
    a.again_ms = 1000;
    wheel_set(&w, &a.node, now + 1000);
    for (int i = 0; i < 100; i++)
        pass(now + 100);
    assert_true(a.rings >= 8 && a.rings <= 10);
    wheel_clear(&a.node);
}

TEST(a_long_sleep_misses_none)
{
    struct alarm alarms[50];

    for (size_t i = 0; i < 50; i++) {
        alarms[i] = new_alarm();
        wheel_node_init(&alarms[i].node);
        wheel_set(&w, &alarms[i].node, now + i * 1777);
    }
    pass(now + 3600000);
    pass(now + WHEEL_TICK_MS);
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(alarms[i].rings, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(never_early_and_at_most_a_tick_late, start),
        cmocka_unit_test_setup(later_and_sooner_and_never, start),
        cmocka_unit_test_setup(what_is_due_already_comes_with_the_next_tick, start),
        cmocka_unit_test_setup(a_deadline_may_be_set_again_when_it_comes, start),
        cmocka_unit_test_setup(a_long_sleep_misses_none, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
