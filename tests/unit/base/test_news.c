/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include <pthread.h>

#include "base/metric.h"
#include "base/news.h"

#define TELLERS 4
#define EACH    3000

static unsigned taken, woken;
static struct pg_buf last;

static void wake(void *owner)
{
    unsigned *n = owner;

    (void)__atomic_add_fetch(n, 1, __ATOMIC_RELAXED);
}

static void take(void *owner, struct pg_news *news)
{
    (void)owner;
    taken++;
    pg_buf_clear(&last);
    (void)pg_buf_put(&last, pg_buf_sl(&news->facts));
    pg_news_free(news);
}

static int setup(void **state)
{
    (void)state;
    taken = woken = 0;
    pg_buf_init(&last, 2 * PG_NEWS_BYTES_MAX);
    pg_news_listen(1U << PG_NEWS_EVICTION, wake, &woken);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pg_news_deafen();
    pg_buf_free(&last);
    return 0;
}

static void say(enum pg_news_kind kind, struct sl why)
{
    const struct pg_news_fact facts[] = {{"why", why, 0}, {.name = "bytes", .number = 7}};

    pg_news_say(kind, SL("store"), facts, 2);
}

TEST(what_is_wanted_comes_as_json_and_what_is_not_costs_nothing)
{
    say(PG_NEWS_DENIAL, SL("x"));
    assert_int_equal(woken, 0);
    say(PG_NEWS_EVICTION, SL("a \"quote\"\n"));
    assert_int_equal(woken, 1);
    pg_news_take(take, NULL);
    assert_int_equal(taken, 1);
    assert_true(sl_eq(pg_buf_sl(&last), SL("{\"why\":\"a \\\"quote\\\"\\n\",\"bytes\":7}")));
    pg_news_want(0);
    say(PG_NEWS_EVICTION, SL("x"));
    pg_news_take(take, NULL);
    assert_int_equal(taken, 1);
}

TEST(a_fact_that_is_too_long_is_left_out_and_the_rest_is_json)
{
    static char text[PG_NEWS_BYTES_MAX + 1];

    memset(text, 'x', sizeof(text));
    say(PG_NEWS_EVICTION, (struct sl){text, sizeof(text)});
    pg_news_take(take, NULL);
    assert_true(sl_eq(pg_buf_sl(&last), SL("{\"bytes\":7}")));
}

TEST(what_nobody_takes_is_bounded_and_counted)
{
    int64_t before = pg_metric_read(PG_M_HOOK_DROPPED);

    for (unsigned i = 0; i < PG_NEWS_MAX + 5; i++) {
        say(PG_NEWS_EVICTION, SL("x"));
    }
    assert_int_equal(pg_metric_read(PG_M_HOOK_DROPPED) - before, 5);
    pg_news_take(take, NULL);
    assert_int_equal(taken, PG_NEWS_MAX);
    say(PG_NEWS_EVICTION, SL("x")); /* and there is room again */
    pg_news_deafen();
    assert_int_equal(pg_metric_read(PG_M_HOOK_DROPPED) - before, 6);
}

static void *tell(void *arg)
{
    (void)arg;
    pg_metric_slot();
    for (int i = 0; i < EACH; i++) {
        say(PG_NEWS_EVICTION, SL("x"));
    }
    return NULL;
}

TEST(any_thread_may_tell_and_each_is_taken_or_counted)
{
    int64_t before = pg_metric_read(PG_M_HOOK_DROPPED);
    pthread_t threads[TELLERS];

    for (int i = 0; i < TELLERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, tell, NULL), 0);
    }
    for (int i = 0; i < TELLERS; i++) {
        pg_news_take(take, NULL);
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    pg_news_take(take, NULL);
    assert_int_equal(taken + pg_metric_read(PG_M_HOOK_DROPPED) - before, TELLERS * EACH);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_wanted_comes_as_json_and_what_is_not_costs_nothing),
        CASE(a_fact_that_is_too_long_is_left_out_and_the_rest_is_json),
        CASE(what_nobody_takes_is_bounded_and_counted),
        CASE(any_thread_may_tell_and_each_is_taken_or_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
