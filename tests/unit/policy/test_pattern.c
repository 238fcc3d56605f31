/* SPDX-License-Identifier: Apache-2.0 */
/* A regular expression matches all of a text, or does not load. */
#include "harness/test.h"

#include "policy/pattern.h"

static void refused(const char *text, const char *why)
{
    struct pg_err err = {0};
    struct pattern p;

    if (pattern_compile(&p, sl_str(text), &err) == 0) {
        fail_msg("%s is taken", text);
    }
    if (strstr(err.msg, why) == NULL) {
        fail_msg("%s: %s", text, err.msg);
    }
    pg_err_clear(&err);
}

static bool matches(const char *text, struct sl name)
{
    struct pg_err err = {0};
    struct pattern p;

    if (pattern_compile(&p, sl_str(text), &err) < 0) {
        fail_msg("%s: %s", text, err.msg);
    }
    bool yes = pattern_matches(&p, name);
    pattern_free(&p);
    return yes;
}

TEST(unanchored_ones_are_refused)
{
    refused("", "anchored");
    refused("^", "anchored");
    refused("a", "anchored");
    refused("^a", "anchored");
    refused("a$", "anchored");
    refused("^a\\$", "anchored");
    refused("https://github.com/acme/.*", "anchored");
    assert_true(matches("^a\\\\$", SL("a\\")));
}

TEST(anchors_hold_whatever_stands_between)
{
    assert_false(matches("^a|b$", SL("axx")));
    assert_false(matches("^a|b$", SL("xxb")));
    assert_true(matches("^a|b$", SL("a")));
    assert_true(matches("^a|b$", SL("b")));
    assert_false(matches("^https://x/a$", SL("https://x/ab")));
    assert_false(matches("^https://x/a$", SL("https://x/a\nb")));
    assert_false(matches("^a.*$", SL("a\0b")));
    assert_true(matches("^(a|ab)(c|bcd)$", SL("abcd")));
}

TEST(what_posix_has_not_is_told)
{
    refused("^\\d+$", "[0-9]");
    refused("^\\w+$", "POSIX");
    refused("^(a)\\1$", "POSIX");
    refused("^(a$", "not a POSIX");
    refused("^a)|(.*$", "not a POSIX");
    refused("^[a$", "not a POSIX");
    assert_true(matches("^[[:digit:]]+$", SL("12")));
    assert_true(matches("^[]{+]{2}$", SL("]{")));
    assert_true(matches("^[0-9a-f]{40}$", SL("0123456789012345678901234567890123456789")));
}

TEST(what_would_cost_without_measure_is_refused)
{
    refused("^a{1,65}$", "cost too much");
    refused("^a{99999999999999999999}$", "cost too much");
    refused("^(((a{60}){60}){60})$", "cost too much");
    refused("^a++$", "cost too much");
    refused("^((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+)$", "cost too much");
    refused("^((((((((((((((((a))))))))))))))))$", "cost too much");
    assert_true(matches("^([a-z]+/)+[a-z]+(-[0-9]+)?$", SL("a/b/c-1")));
}

TEST(one_that_matches_anything_is_known)
{
    struct pg_err err = {0};
    struct pattern p;

    assert_int_equal(pattern_compile(&p, SL("^.*$"), &err), 0);
    assert_true(p.is_open);
    pattern_free(&p);
    assert_int_equal(pattern_compile(&p, SL("^.*@acme.example$"), &err), 0);
    assert_false(p.is_open);
    pattern_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(unanchored_ones_are_refused),        RUN(anchors_hold_whatever_stands_between),
        RUN(what_posix_has_not_is_told),         RUN(what_would_cost_without_measure_is_refused),
        RUN(one_that_matches_anything_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
