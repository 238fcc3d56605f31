/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include <stdio.h>

#include "signing/stamp_wire.h"

static struct pg_buf out;
static struct pg_err err;

static const struct stamp_authority two[] = {
    {.certs = {SL("leaf"), SL("root")}, .ncerts = 2, .from_s = -5, .until_s = INT64_MAX},
    {.certs = {SL("\0one\xff")}, .ncerts = 1, .from_s = 7, .until_s = 8},
};
static const struct stamp_question question = {.token = SL("token"),
                                               .is_response = true,
                                               .data = SL("abc"),
                                               .authorities = two,
                                               .nauthorities = 2};

TEST(a_question_comes_out_as_it_went_in)
{
    struct stamp_wire w;

    assert_int_equal(stamp_wire_put(&question, &out, &err), 0);
    assert_int_equal(stamp_wire_get(pg_buf_sl(&out), &w, &err), 0);
    assert_true(w.is_response && sl_eq(w.token, question.token));
    assert_memory_equal(w.digests[STAMP_WIRE_SHA256].p, "\xba\x78\x16\xbf", 4);
    assert_int_equal(w.digests[STAMP_WIRE_SHA384].n, 48);
    assert_memory_equal(w.digests[STAMP_WIRE_SHA384].p, "\xcb\x00\x75\x3f", 4);
    assert_memory_equal(w.digests[STAMP_WIRE_SHA512].p, "\xdd\xaf\x35\xa1", 4);
    assert_int_equal(w.nauthorities, 2);
    assert_int_equal(w.authorities[0].from_s, -5);
    assert_true(w.authorities[0].until_s == INT64_MAX && w.authorities[1].until_s == 8);
    assert_true(sl_eq(w.authorities[0].certs[1], SL("root")));
    assert_true(sl_eq(w.authorities[1].certs[0], SL("\0one\xff")));
}

TEST(a_question_that_is_cut_or_longer_is_none)
{
    struct stamp_wire w;

    assert_int_equal(stamp_wire_put(&question, &out, &err), 0);
    for (size_t n = 0; n < out.n; n++) {
        assert_int_equal(stamp_wire_get((struct sl){out.p, n}, &w, &err), -1);
        assert_int_equal(err.kind, PG_E_INTERNAL);
        pg_err_clear(&err);
    }
    assert_int_equal(pg_buf_put(&out, SL("x")), 0);
    assert_int_equal(stamp_wire_get(pg_buf_sl(&out), &w, &err), -1);
}

TEST(what_does_not_fit_is_not_asked)
{
    static char big[STAMP_TOKEN_MAX + 1];
    static char cert[STAMP_WIRE_MAX / 2];
    struct stamp_question q = question;
    struct stamp_authority large = {.certs = {{cert, sizeof(cert)}, {cert, sizeof(cert)}},
                                    .ncerts = 2};

    q.token = (struct sl){big, sizeof(big)};
    assert_int_equal(stamp_wire_put(&q, &out, &err), -1);
    assert_int_equal(err.kind, PG_E_DENIED);
    pg_err_clear(&err);
    pg_buf_clear(&out);
    q.token = (struct sl){"", 0};
    assert_int_equal(stamp_wire_put(&q, &out, &err), -1);
    assert_int_equal(err.kind, PG_E_DENIED);
    pg_err_clear(&err);
    pg_buf_clear(&out);
    q = question;
    q.authorities = &large;
    q.nauthorities = 1;
    assert_int_equal(stamp_wire_put(&q, &out, &err), -1);
    assert_int_equal(err.kind, PG_E_INTERNAL);
}

TEST(an_answer_comes_out_as_it_went_in)
{
    const struct stamp_answer was = {.time_s = 1768478400, .accuracy_ms = 1500, .authority = 1};
    struct stamp_answer a = {0};

    stamp_wire_put_answer(&was, &out);
    assert_int_equal(stamp_wire_get_answer(pg_buf_sl(&out), 2, &a, &err), 0);
    assert_true(a.time_s == was.time_s && a.accuracy_ms == 1500 && a.authority == 1);
    assert_int_equal(stamp_wire_get_answer(pg_buf_sl(&out), 1, &a, &err), -1);
    assert_int_equal(err.kind, PG_E_INTERNAL);
}

TEST(an_answer_that_is_cut_or_out_of_range_is_none)
{
    static const struct stamp_answer wrong[] = {
        {.time_s = 0}, {.time_s = -1}, {.time_s = INT64_MAX}, {.time_s = 5, .accuracy_ms = -1}};
    const struct stamp_answer good = {.time_s = 5};
    struct stamp_answer a;

    stamp_wire_put_answer(&good, &out);
    for (size_t n = 0; n < out.n; n++) {
        assert_int_equal(stamp_wire_get_answer((struct sl){out.p, n}, 1, &a, &err), -1);
        assert_int_equal(err.kind, PG_E_INTERNAL);
        pg_err_clear(&err);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        pg_buf_clear(&out);
        stamp_wire_put_answer(&wrong[i], &out);
        assert_int_equal(stamp_wire_get_answer(pg_buf_sl(&out), 1, &a, &err), -1);
        pg_err_clear(&err);
    }
}

TEST(a_refusal_says_why_in_print)
{
    struct stamp_answer a;

    stamp_wire_put_refusal(SL("no\x1b[31m way"), &out);
    assert_int_equal(stamp_wire_get_answer(pg_buf_sl(&out), 1, &a, &err), -1);
    assert_int_equal(err.kind, PG_E_DENIED);
    assert_string_equal(err.msg, "no?[31m way");
    pg_err_clear(&err);
    out.p[out.n - 1] = '\x1b'; /* who answers is not believed to have made it so */
    assert_int_equal(stamp_wire_get_answer(pg_buf_sl(&out), 1, &a, &err), -1);
    assert_int_equal(err.kind, PG_E_INTERNAL);
}

static int set_up(void **state)
{
    (void)state;
    pg_buf_init(&out, STAMP_WIRE_MAX);
    err = (struct pg_err){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_buf_free(&out);
    pg_err_clear(&err);
    return 0;
}

#define RUN_EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN_EACH(a_question_comes_out_as_it_went_in),
        RUN_EACH(a_question_that_is_cut_or_longer_is_none),
        RUN_EACH(what_does_not_fit_is_not_asked),
        RUN_EACH(an_answer_comes_out_as_it_went_in),
        RUN_EACH(an_answer_that_is_cut_or_out_of_range_is_none),
        RUN_EACH(a_refusal_says_why_in_print),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
