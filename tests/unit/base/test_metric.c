/* SPDX-License-Identifier: Apache-2.0 */
/* What threads count is what a scrape shows, in the form that Prometheus reads. */
#include "harness/test.h"

#include <pthread.h>
#include <stdio.h>

#include "base/metric.h"

static struct pg_buf page;

static const char *scrape(void)
{
    pg_buf_clear(&page);
    pg_metric_write(&page);
    assert_false(page.over);
    assert_int_equal(pg_buf_put(&page, (struct sl){"", 1}), 0);
    return page.p;
}

static void shows(const char *line)
{
    const char *text = scrape();

    if (strstr(text, line) == NULL)
        fail_msg("no \"%s\" in\n%s", line, text);
}

TEST(counters_add_up_over_threads)
{
    int64_t before = pg_metric_read(PG_M_TOKENS);

    pg_metric_inc(PG_M_TOKENS);
    pg_metric_add(PG_M_TOKENS, 4);
    assert_int_equal(pg_metric_read(PG_M_TOKENS) - before, 5);
}

#define THREADS 80 /* more than there are slots */
#define TIMES   2000

static void *count(void *arg)
{
    if (arg != NULL) {
        pg_metric_slot();
        pg_metric_slot(); /* once is enough, twice no harm */
    }
    for (int i = 0; i < TIMES; i++) {
        pg_metric_inc(PG_M_CACHE_HIT);
        pg_metric_add(PG_M_FLIGHTS, 2);
        pg_metric_add(PG_M_FLIGHTS, -1);
        pg_metric_observe_us(PG_M_REQUEST_SECONDS, 700);
        if (i % 500 == 0) {
            struct pg_buf out;

            pg_buf_init(&out, (size_t)1 << 20);
            pg_metric_write(&out); /* while others count */
            PG_CHECK(!out.over);
            pg_buf_free(&out);
        }
    }
    return NULL;
}

TEST(threads_with_and_without_a_slot_lose_nothing)
{
    pthread_t threads[THREADS];

    for (intptr_t i = 0; i < THREADS; i++) {
        void *arg = i % 4 != 0 ? threads : NULL;

        assert_int_equal(pthread_create(&threads[i], NULL, count, arg), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(pg_metric_read(PG_M_CACHE_HIT), THREADS * TIMES);
    assert_int_equal(pg_metric_read(PG_M_FLIGHTS), THREADS * TIMES);
    assert_int_equal(pg_metric_read(PG_M_REQUEST_SECONDS), THREADS * TIMES);
    shows("\npullgate_cache_total{result=\"hit\"} 160000\n");
    shows("\npullgate_request_seconds_bucket{le=\"0.0005\"} 0\n");
    shows("\npullgate_request_seconds_bucket{le=\"0.001\"} 160000\n");
    shows("\npullgate_request_seconds_bucket{le=\"300\"} 160000\n");
    shows("\npullgate_request_seconds_bucket{le=\"+Inf\"} 160000\n");
    shows("\npullgate_request_seconds_sum 112.000000\n");
    shows("\npullgate_request_seconds_count 160000\n");
}

TEST(an_observation_is_in_the_bucket_of_its_upper_bound)
{
    pg_metric_observe_us(PG_M_REQUEST_SECONDS, 0);
    pg_metric_observe_us(PG_M_REQUEST_SECONDS, 500);
    pg_metric_observe_us(PG_M_REQUEST_SECONDS, 300000000);
    pg_metric_observe_us(PG_M_REQUEST_SECONDS, 300000001);
    shows("\npullgate_request_seconds_bucket{le=\"0.0005\"} 2\n");
    shows("\npullgate_request_seconds_bucket{le=\"120\"} 160002\n");
    shows("\npullgate_request_seconds_bucket{le=\"300\"} 160003\n");
    shows("\npullgate_request_seconds_bucket{le=\"+Inf\"} 160004\n");
    shows("\npullgate_request_seconds_sum 712.000501\n");
}

TEST(a_gauge_is_set_and_set_again)
{
    pg_metric_set(PG_M_STORE_BYTES, 1 << 30);
    pg_metric_set(PG_M_STORE_BYTES, 17);
    assert_int_equal(pg_metric_read(PG_M_STORE_BYTES), 17);
    shows("# TYPE pullgate_store_bytes gauge\npullgate_store_bytes 17\n");
}

/* A second HELP for a name, or a name that comes back later, and Prometheus refuses the page. */
TEST(a_name_is_announced_once_and_its_rows_stand_together)
{
    static const char *const names[] = {
#define X(id, type, name, labels, doc) name,
#include "base/metric_table.h"
#undef X
    };
    const char *text = scrape();

    for (size_t i = 0; i < PG_METRICS; i++) {
        char help[128];
        const char *at;

        assert_true(strspn(names[i], "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(names[i]));
        assert_true(snprintf(help, sizeof(help), "# HELP %s ", names[i]) < (int)sizeof(help));
        at = strstr(text, help);
        assert_non_null(at);
        assert_null(strstr(at + 1, help));
    }
}

TEST(no_doc_breaks_its_line)
{
    static const char *const docs[] = {
#define X(id, type, name, labels, doc) doc,
#include "base/metric_table.h"
#undef X
    };

    for (size_t i = 0; i < PG_METRICS; i++) {
        assert_null(strpbrk(docs[i], "\n\\"));
        assert_true(docs[i][0] != '\0');
    }
}

static int setup(void **state)
{
    (void)state;
    pg_buf_init(&page, (size_t)1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pg_buf_free(&page);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(counters_add_up_over_threads),
        RUN(threads_with_and_without_a_slot_lose_nothing),
        RUN(an_observation_is_in_the_bucket_of_its_upper_bound),
        RUN(a_gauge_is_set_and_set_again),
        RUN(a_name_is_announced_once_and_its_rows_stand_together),
        RUN(no_doc_breaks_its_line),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
