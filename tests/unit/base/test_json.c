/* SPDX-License-Identifier: Apache-2.0 */
/* What upstream calls JSON is read strictly and within bounds, or refused as what it was sent as.
 */
#include "harness/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"

static void refused(struct sl text, const char *why)
{
    struct pg_err err = {0};
    json_t *root = NULL;

    assert_int_equal(pg_json_parse(text, PG_E_UPSTREAM_WRONG, &root, &err), -1);
    assert_null(root);
    assert_int_equal(err.kind, PG_E_UPSTREAM_WRONG);
    if (strstr(err.msg, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.msg, why);
    pg_err_clear(&err);
}

static json_t *read(struct sl text)
{
    struct pg_err err = {0};
    json_t *root = NULL;

    if (pg_json_parse(text, PG_E_UPSTREAM_WRONG, &root, &err) < 0)
        fail_msg("refused: %s: %s", err.msg, err.detail != NULL ? err.detail : "");
    return root;
}

TEST(what_is_valid_is_read)
{
    _json_ json_t *root = read(SL(" {\"a\":\"x\\u00e9\",\"n\":9223372036854775807,\"l\":[1,2.5,"
                                  "true,false,null,{}]}\n"));

    assert_int_equal(json_integer_value(json_object_get(root, "n")), INT64_MAX);
    assert_int_equal(json_array_size(json_object_get(root, "l")), 6);
    assert_true(sl_eq(pg_json_str(root, "a"), SL("x\xc3\xa9")));
}

TEST(a_member_that_is_no_string_is_absent)
{
    _json_ json_t *root = read(SL("{\"a\":\"\",\"n\":1,\"o\":null}"));

    assert_non_null(pg_json_str(root, "a").p);
    assert_int_equal(pg_json_str(root, "a").n, 0);
    assert_null(pg_json_str(root, "n").p);
    assert_null(pg_json_str(root, "o").p);
    assert_null(pg_json_str(root, "none").p);
    assert_null(pg_json_str(json_object_get(root, "n"), "a").p); /* not even an object */
    assert_null(pg_json_str(NULL, "a").p);
}

TEST(what_is_loose_is_refused)
{
    refused((struct sl){"", 0}, "empty");
    refused((struct sl){NULL, 0}, "empty");
    refused(SL("{\"a\":1,\"a\":2}"), "not valid");
    refused(SL("{\"a\":1,\"\\u0061\":2}"), "not valid"); /* the same name, written otherwise */
    refused(SL("{} x"), "not valid");
    refused(SL("{}{}"), "not valid");
    refused(SL("{\"a\":1,}"), "not valid");
    refused(SL("{'a':1}"), "not valid");
    refused(SL("{\"a\":01}"), "not valid");
    refused(SL("[NaN]"), "not valid");
    refused(SL("// x\n{}"), "not valid");
    refused(SL("\"alone\""), "not valid");
    refused(SL("\xef\xbb\xbf{}"), "byte order mark");
    refused(SL("{\"a\":\"b\0c\"}"), "NUL");
    refused(SL("{\"a\":\"b\\u0000c\"}"), "not valid");
    refused(SL("{\"a\":\"\xff\"}"), "not valid");
    refused(SL("{\"a\":\"\xed\xa0\x80\"}"), "not valid");
    refused(SL("{\"a\":\"\\ud800\"}"), "not valid");
    refused(SL("{\"a\":\"unfinished\\"), "not valid");
}

TEST(what_is_cut_short_is_told_so)
{
    refused(SL("{"), "ends too early");
    refused(SL("{\"a\":1"), "ends too early");
    refused(SL("{\"a\":\"b"), "ends too early");
    refused(SL("[1,"), "ends too early");
}

TEST(a_bound_of_the_callers_is_kept)
{
    struct pg_err err = {0};
    _json_ json_t *root = NULL;

    assert_int_equal(pg_json_parse_large(SL("[1,2]"), 3, PG_E_UPSTREAM_WRONG, &root, &err), 0);
    pg_json_free(&root);
    assert_int_equal(pg_json_parse_large(SL("[1,2]"), 2, PG_E_UPSTREAM_WRONG, &root, &err), -1);
    assert_string_equal(err.msg, "JSON has more than 2 values");
    pg_err_clear(&err);
}

TEST(a_number_that_does_not_fit_is_refused)
{
    refused(SL("[9223372036854775808]"), "not valid");
    refused(SL("[-9223372036854775809]"), "not valid");
    refused(SL("[1e400]"), "not valid");
}

static void put_nested(struct pg_buf *b, int depth)
{
    pg_buf_clear(b);
    for (int i = 0; i < depth; i++)
        assert_int_equal(pg_buf_printf(b, i % 2 == 0 ? "[" : "{\"a\":"), 0);
    assert_int_equal(pg_buf_printf(b, depth % 2 == 0 ? "1" : ""), 0);
    for (int i = depth - 1; i >= 0; i--)
        assert_int_equal(pg_buf_printf(b, i % 2 == 0 ? "]" : "}"), 0);
}

TEST(depth_is_bounded)
{
    struct pg_buf b;
    json_t *root;

    pg_buf_init(&b, (size_t)1 << 24);
    put_nested(&b, PG_JSON_DEPTH_MAX);
    root = read(pg_buf_sl(&b));
    json_decref(root);
    put_nested(&b, PG_JSON_DEPTH_MAX + 1);
    refused(pg_buf_sl(&b), "deeper");
    pg_buf_clear(&b);
    for (int i = 0; i < 1000000; i++)
        assert_int_equal(pg_buf_put(&b, SL("[")), 0);
    refused(pg_buf_sl(&b), "deeper");
    pg_buf_free(&b);
}

TEST(brackets_in_strings_are_no_depth)
{
    _json_ json_t *root = read(SL("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[\\\\\",1]"));

    assert_int_equal(json_array_size(root), 2);
}

static void put_numbers(struct pg_buf *b, size_t n)
{
    pg_buf_clear(b);
    assert_int_equal(pg_buf_put(b, SL("[1")), 0);
    for (size_t i = 1; i < n; i++)
        assert_int_equal(pg_buf_put(b, SL(",1")), 0);
    assert_int_equal(pg_buf_put(b, SL("]")), 0);
}

static void put_members(struct pg_buf *b, size_t n)
{
    pg_buf_clear(b);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(pg_buf_printf(b, "%s\"k%zu\":\"\"", i == 0 ? "{" : ",", i), 0);
    assert_int_equal(pg_buf_put(b, SL("}")), 0);
}

TEST(values_are_counted_and_names_are_not)
{
    struct pg_buf b;
    json_t *root;

    pg_buf_init(&b, (size_t)1 << 24);
    put_numbers(&b, PG_JSON_NODES_MAX - 1); /* and the array */
    root = read(pg_buf_sl(&b));
    json_decref(root);
    put_numbers(&b, PG_JSON_NODES_MAX);
    refused(pg_buf_sl(&b), "values");
    put_members(&b, PG_JSON_NODES_MAX - 1);
    root = read(pg_buf_sl(&b));
    json_decref(root);
    put_members(&b, PG_JSON_NODES_MAX);
    refused(pg_buf_sl(&b), "values");
    pg_buf_free(&b);
}

TEST(what_was_wrong_is_for_the_log_and_where_for_the_client)
{
    struct pg_err err = {0};
    json_t *root = NULL;

    assert_int_equal(pg_json_parse(SL("{\n  secret}"), PG_E_UPSTREAM_WRONG, &root, &err), -1);
    assert_non_null(strstr(err.msg, "line 2"));
    assert_null(strstr(err.msg, "secret"));
    assert_non_null(strstr(err.detail, "secret"));
    pg_err_clear(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(what_is_valid_is_read),
        RUN(a_member_that_is_no_string_is_absent),
        RUN(what_is_loose_is_refused),
        RUN(what_is_cut_short_is_told_so),
        RUN(a_bound_of_the_callers_is_kept),
        RUN(a_number_that_does_not_fit_is_refused),
        RUN(depth_is_bounded),
        RUN(brackets_in_strings_are_no_depth),
        RUN(values_are_counted_and_names_are_not),
        RUN(what_was_wrong_is_for_the_log_and_where_for_the_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
