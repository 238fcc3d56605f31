/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "base/wildcard.h"

static void refused(struct sl pattern, const char *why)
{
    struct pg_err err = {0};

    assert_int_equal(wildcard_check(pattern, &err), -1);
    assert_non_null(strstr(err.msg, why));
    pg_err_clear(&err);
}

TEST(one_star_stays_within_a_part)
{
    assert_true(wildcard_matches(SL("ghcr.io/acme/*"), SL("ghcr.io/acme/app")));
    assert_false(wildcard_matches(SL("ghcr.io/acme/*"), SL("ghcr.io/acme/app/x")));
    assert_true(wildcard_matches(SL("ghcr.io/acme/**"), SL("ghcr.io/acme/app/x")));
    assert_true(wildcard_matches(SL("**"), SL("a/b/c")));
    assert_true(wildcard_matches(SL("prod-*"), SL("prod-")));
    assert_false(wildcard_matches(SL("prod-*"), SL("xprod-1")));
    assert_true(wildcard_matches(SL("*a*b*"), SL("xxaxxbxx")));
    assert_false(wildcard_matches(SL("a"), SL("aa")));
    assert_false(wildcard_matches(SL("*"), SL("a/b")));
}

TEST(what_means_nothing_is_refused)
{
    char longer[WILDCARD_MAX + 1];

    memset(longer, 'a', sizeof(longer));
    refused(SL(""), "1 to 512");
    refused((struct sl){longer, sizeof(longer)}, "1 to 512");
    refused(SL("a***b"), "three mean nothing");
    refused(SL("a b"), "character 2");
    refused(SL("*a*b*c*d*e*f*g*h*i"), "at most 8");
}

TEST(covers_what_the_other_matches)
{
    assert_true(wildcard_covers(SL("**"), SL("ghcr.io/acme/*")));
    assert_true(wildcard_covers(SL("prod-*"), SL("prod-eu-*")));
    assert_false(wildcard_covers(SL("prod-eu-*"), SL("prod-*")));
    assert_false(wildcard_covers(SL("ghcr.io/*"), SL("ghcr.io/**")));
}

TEST(meets_what_could_be_matched_by_both)
{
    assert_true(wildcard_meets(SL("prod-*"), SL("*-1")));
    assert_true(wildcard_meets(SL("a*"), SL("*")));
    assert_true(wildcard_meets(SL("v1.*"), SL("v1.2")));
    assert_false(wildcard_meets(SL("prod-*"), SL("dev-*")));
    assert_false(wildcard_meets(SL("a*b"), SL("a*c")));
    assert_true(wildcard_meets(SL("a*b*c"), SL("*x*")));
    assert_false(wildcard_meets(SL("abc"), SL("abd")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(one_star_stays_within_a_part),
        RUN(what_means_nothing_is_refused),
        RUN(covers_what_the_other_matches),
        RUN(meets_what_could_be_matched_by_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
