/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of an upstream, and what is none of its failures. */
#include "harness/test.h"

#include "base/clock.h"
#include "base/metric.h"
#include "proxy/upstream/health.h"

static struct health_book book;

static int open_book(void **state)
{
    (void)state;
    health_open(&book);
    return 0;
}

static int close_book(void **state)
{
    (void)state;
    health_close(&book);
    return 0;
}

static struct health_view look(struct sl name)
{
    struct health_view v;

    health_read(&book, name, &v);
    return v;
}

static void note(struct health *h, enum pg_ekind kind, const char *why)
{
    struct pg_err err = {0};

    pg_fail(&err, kind, "%s", why);
    health_failed(h, &err);
    pg_err_clear(&err);
}

TEST(nothing_is_known_of_who_was_never_asked)
{
    assert_int_equal(look(SL("a.test")).state, HEALTH_UNKNOWN);
    (void)health_of(&book, "a.test");
    assert_int_equal(look(SL("b.test")).state, HEALTH_UNKNOWN);
    assert_int_equal(look(SL("b.test")).requests, 0);
}

TEST(a_record_outlives_a_reload)
{
    struct health *h = health_of(&book, "a.test");

    atomic_fetch_add(&h->requests, 3);
    health_answered(h);
    assert_ptr_equal(health_of(&book, "a.test"), h);
    health_reset(h);
    assert_int_equal(look(SL("a.test")).state, HEALTH_UNKNOWN);
    assert_int_equal(look(SL("a.test")).requests, 3);
}

TEST(down_and_up_again_are_counted_once)
{
    struct health *a = health_of(&book, "a.test"), *b = health_of(&book, "b.test");
    uint64_t later = pg_clock_mono_ms() + 60000;

    health_down(a, later);
    health_down(a, later);
    health_down(b, later);
    assert_int_equal(pg_metric_read(PG_M_UPSTREAMS_DOWN), 2);
    assert_true(look(SL("a.test")).wait_ms > 50000);
    health_answered(a);
    health_reset(b);
    assert_int_equal(pg_metric_read(PG_M_UPSTREAMS_DOWN), 0);
    assert_int_equal(look(SL("a.test")).state, HEALTH_UP);
    assert_int_equal(look(SL("a.test")).wait_ms, 0);
}

TEST(patience_has_an_end)
{
    struct health *h = health_of(&book, "a.test");

    health_limited(h, pg_clock_mono_ms() + 60000);
    assert_int_equal(look(SL("a.test")).state, HEALTH_LIMITED);
    health_limited(h, pg_clock_mono_ms());
    assert_int_equal(look(SL("a.test")).state, HEALTH_UP);
}

TEST(what_upstream_does_not_have_is_no_failure)
{
    struct health *h = health_of(&book, "a.test");

    note(h, PG_E_MANIFEST_UNKNOWN, "not known");
    note(h, PG_E_STORE_IO, "our own disk");
    note(h, PG_E_CANCELED, "nobody waits");
    assert_int_equal(look(SL("a.test")).failures, 0);
    assert_int_equal(look(SL("a.test")).kind, PG_E_NONE);
    note(h, PG_E_UPSTREAM_WRONG, "another digest");
    note(h, PG_E_TIMEOUT, "silent");
    assert_int_equal(look(SL("a.test")).failures, 2);
    assert_int_equal(look(SL("a.test")).kind, PG_E_TIMEOUT);
    assert_string_equal(look(SL("a.test")).message, "silent");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_book, close_book)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_is_known_of_who_was_never_asked),   CASE(a_record_outlives_a_reload),
        CASE(down_and_up_again_are_counted_once),        CASE(patience_has_an_end),
        CASE(what_upstream_does_not_have_is_no_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
