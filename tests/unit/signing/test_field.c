/* SPDX-License-Identifier: Apache-2.0 */
/* Members of an object that has a schema: there, absent, or wrong. */
#include "harness/test.h"

#include "base/json.h"
#include "signing/field_int.h"

static struct pg_arena arena;

static json_t *parsed(const char *text)
{
    struct pg_err err = {0};
    json_t *root = NULL;

    assert_int_equal(pg_json_parse(sl_str(text), PG_E_DENIED, &root, &err), 0);
    return root;
}

static int number(const char *json, int64_t *value_r)
{
    _json_ json_t *root = parsed(json);

    return field_int64(root, "n", value_r);
}

static void number_is(const char *json, int64_t expected)
{
    int64_t value = 0;

    if (number(json, &value) != 1)
        fail_msg("refused: %s", json);
    assert_int_equal(value, expected);
}

TEST(numbers_are_numbers_or_their_digits)
{
    int64_t value;
    const char *wrong[] = {"{\"n\":\"\"}",    "{\"n\":\"-\"}",  "{\"n\":\"01\"}",
                           "{\"n\":\"+1\"}",  "{\"n\":\"-0\"}", "{\"n\":\"1 \"}",
                           "{\"n\":\"1e3\"}", "{\"n\":1.0}",    "{\"n\":\"9223372036854775808\"}",
                           "{\"n\":true}",    "{\"n\":[]}",     "{\"n\":\"--1\"}"};

    number_is("{\"n\":0}", 0);
    number_is("{\"n\":\"0\"}", 0);
    number_is("{\"n\":-5}", -5);
    number_is("{\"n\":\"-5\"}", -5);
    number_is("{\"n\":\"9223372036854775807\"}", INT64_MAX);
    assert_int_equal(number("{}", &value), 0);
    assert_int_equal(number("{\"n\":null}", &value), 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (number(wrong[i], &value) != -1)
            fail_msg("taken: %s", wrong[i]);
}

TEST(a_name_that_is_not_known_is_found)
{
    static const char *const names[] = {"a", "b", NULL};
    _json_ json_t *good = parsed("{\"a\":1}"), *both = parsed("{\"b\":null,\"a\":1}");
    _json_ json_t *other_case = parsed("{\"A\":1}"), *more = parsed("{\"a\":1,\"b\":1,\"c\":1}");
    _json_ json_t *list = parsed("[]");

    assert_true(field_known(good, names));
    assert_true(field_known(both, names));
    assert_false(field_known(other_case, names));
    assert_false(field_known(more, names));
    assert_false(field_known(list, names));
}

TEST(each_type_is_asked_for)
{
    _json_ json_t *o = parsed("{\"o\":{},\"a\":[],\"t\":\"Zg==\",\"bad\":\"Zg\",\"null\":null}");
    const json_t *value;
    struct sl text;

    assert_int_equal(field_object(o, "o", &value), 1);
    assert_int_equal(field_object(o, "a", &value), -1);
    assert_int_equal(field_object(o, "null", &value), 0);
    assert_int_equal(field_array(o, "a", &value), 1);
    assert_int_equal(field_array(o, "t", &value), -1);
    assert_int_equal(field_array(o, "none", &value), 0);
    assert_int_equal(field_text(o, "t", &text), 1);
    assert_int_equal(field_text(o, "o", &text), -1);
    assert_int_equal(field_bytes(o, "t", &arena, &text), 1);
    assert_true(sl_eq(text, SL("f")));
    assert_int_equal(field_bytes(o, "bad", &arena, &text), -1);
    assert_int_equal(field_bytes(o, "null", &arena, &text), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(numbers_are_numbers_or_their_digits),
        RUN(a_name_that_is_not_known_is_found),
        RUN(each_type_is_asked_for),
    };
    int failed;

    pg_arena_init(&arena, 1 << 16);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_arena_free(&arena);
    return failed;
}
