/* SPDX-License-Identifier: Apache-2.0 */
/* A buffer grows up to its maximum; what does not fit is not written at all. */
#include "harness/test.h"

#include "base/buf.h"

#define assert_holds(b, lit) assert_true(sl_eq(pg_buf_sl(b), SL(lit)))

TEST(an_empty_buffer_is_an_empty_text)
{
    struct pg_buf b;

    pg_buf_init(&b, 10);
    assert_holds(&b, "");
    assert_non_null(pg_buf_sl(&b).p);
    pg_buf_free(&b);
}

TEST(a_buffer_fills_to_the_last_byte_and_not_beyond)
{
    struct pg_buf b;

    pg_buf_init(&b, 10);
    assert_int_equal(pg_buf_put(&b, SL("12345678")), 0);
    assert_int_equal(pg_buf_put(&b, SL("abc")), -1);
    assert_true(b.over);
    assert_holds(&b, "12345678");
    assert_int_equal(pg_buf_put(&b, SL("90")), 0);
    assert_holds(&b, "1234567890");
    assert_int_equal(pg_buf_put(&b, SL("")), 0);
    assert_true(b.over); /* stays */
    pg_buf_clear(&b);
    assert_false(b.over);
    assert_holds(&b, "");
    pg_buf_free(&b);
}

TEST(printf_fills_to_the_last_byte_and_not_beyond)
{
    struct pg_buf b;

    pg_buf_init(&b, 100);
    assert_int_equal(pg_buf_printf(&b, "%099d", 1), 0);
    assert_int_equal(pg_buf_printf(&b, "%d", 22), -1);
    assert_true(b.over);
    assert_int_equal(b.n, 99);
    assert_int_equal(pg_buf_printf(&b, "%d", 2), 0);
    assert_int_equal(b.n, 100);
    assert_memory_equal(b.p + 97, "012", 3);
    assert_int_equal(pg_buf_printf(&b, "%s", ""), 0);
    assert_int_equal(pg_buf_printf(&b, "x"), -1);
    pg_buf_free(&b);
}

TEST(a_buffer_grows_over_many_puts)
{
    struct pg_buf b;

    pg_buf_init(&b, 100000);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(pg_buf_put(&b, SL("12345")), 0);
        assert_int_equal(pg_buf_printf(&b, "%05d", i), 0);
    }
    assert_int_equal(b.n, 100000);
    assert_memory_equal(b.p + 99990, "1234509999", 10);
    assert_int_equal(pg_buf_put(&b, SL("x")), -1);
    assert_in_range(b.cap, 100000, 100001);
    pg_buf_free(&b);
}

static void expect_json(struct sl in, struct sl out)
{
    struct pg_buf b;

    pg_buf_init(&b, 1000);
    assert_int_equal(pg_buf_put_json(&b, in), 0);
    if (!sl_eq(pg_buf_sl(&b), out))
        fail_msg("got " SL_FMT ", not " SL_FMT, SL_ARG(pg_buf_sl(&b)), SL_ARG(out));
    pg_buf_free(&b);
}

TEST(a_json_string_holds_no_byte_that_could_end_it)
{
    expect_json(SL(""), SL("\"\""));
    expect_json((struct sl){NULL, 0}, SL("\"\""));
    expect_json(SL("plain /v2/ text"), SL("\"plain /v2/ text\""));
    expect_json(SL("a\"b\\c"), SL("\"a\\\"b\\\\c\""));
    expect_json(SL("\r\n\t\0\x1b\x7f"), SL("\"\\r\\n\\t\\u0000\\u001b\\u007f\""));
    expect_json(SL("\xc3\xa9\xf0\x9f\x90\xb3"), SL("\"\xc3\xa9\xf0\x9f\x90\xb3\""));
    expect_json(SL("\xe2\x80\xa8\xe2\x80\xa9\xc2\x85"), SL("\"\\u2028\\u2029\\u0085\""));
}

TEST(what_is_not_utf8_is_replaced_byte_by_byte)
{
    expect_json(SL("a\xffz"), SL("\"a\\ufffdz\""));
    expect_json(SL("\xc0\xaf"), SL("\"\\ufffd\\ufffd\""));                       /* overlong */
    expect_json(SL("\xe0\x80\xaf"), SL("\"\\ufffd\\ufffd\\ufffd\""));            /* overlong */
    expect_json(SL("\xed\xa0\x80"), SL("\"\\ufffd\\ufffd\\ufffd\""));            /* a surrogate */
    expect_json(SL("\xf4\x90\x80\x80"), SL("\"\\ufffd\\ufffd\\ufffd\\ufffd\"")); /* too high */
    expect_json(SL("\xe2\x80"), SL("\"\\ufffd\\ufffd\""));                       /* cut off */
    expect_json(SL("\xc3\""), SL("\"\\ufffd\\\"\""));
}

TEST(a_json_string_that_does_not_fit_is_not_begun)
{
    for (size_t max = 0; max <= 16; max++) {
        struct pg_buf b;

        pg_buf_init(&b, max);
        assert_int_equal(pg_buf_put_json(&b, SL("abc\nxyz\x1b")), max == 16 ? 0 : -1);
        assert_int_equal(b.n, max == 16 ? 16 : 0);
        assert_int_equal(b.over, max < 16);
        pg_buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(an_empty_buffer_is_an_empty_text),
        RUN(a_buffer_fills_to_the_last_byte_and_not_beyond),
        RUN(printf_fills_to_the_last_byte_and_not_beyond),
        RUN(a_buffer_grows_over_many_puts),
        RUN(a_json_string_holds_no_byte_that_could_end_it),
        RUN(what_is_not_utf8_is_replaced_byte_by_byte),
        RUN(a_json_string_that_does_not_fit_is_not_begun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
