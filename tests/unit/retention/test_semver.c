/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "retention/semver.h"

static int compare(const char *a, const char *b)
{
    struct semver x, y;

    if (!semver_read(sl_str(a), &x) || !semver_read(sl_str(b), &y)) {
        fail_msg("%s or %s is no version", a, b);
    }
    assert_int_equal(semver_compare(&x, &y), -semver_compare(&y, &x));
    return semver_compare(&x, &y);
}

static bool has(const char *range, const char *version)
{
    struct semver_range r;
    struct semver v;
    struct pg_err err = {0};

    if (semver_range_read(sl_str(range), &r, &err) < 0) {
        fail_msg("%s: %s", range, err.msg);
    }
    return semver_read(sl_str(version), &v) && semver_range_has(&r, &v);
}

static void refused(const char *range, const char *why)
{
    struct semver_range r;
    struct pg_err err = {0};

    if (semver_range_read(sl_str(range), &r, &err) == 0) {
        fail_msg("%s is taken", range);
    }
    if (strstr(err.msg, why) == NULL) {
        fail_msg("%s: %s", range, err.msg);
    }
    pg_err_clear(&err);
}

TEST(versions_in_their_order)
{
    static const char *const order[] = {
        "0.9",        "1.0.0-alpha",  "1.0.0-alpha.1", "1.0.0-alpha.beta",
        "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
        "v1.0.0",     "1.0.1",        "1.2",           "1.10",
        "2",
    };

    for (size_t i = 0; i + 1 < sizeof(order) / sizeof(*order); i++) {
        assert_true(compare(order[i], order[i + 1]) < 0);
    }
    assert_int_equal(compare("1.2", "v1.2.0"), 0);
    assert_int_equal(compare("1.2.3+a", "1.2.3+b"), 0);
}

TEST(tags_that_are_no_versions)
{
    static const char *const words[] = {"",        "latest",    "v",      "1.",         "1..2",
                                        "1.2.3.4", "01.2",      "1.2.3-", "1.2.3+",     "-1",
                                        "1a",      "1.2.3-a/b", "1.2.x",  "99999999999"};
    struct semver v;

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (semver_read(sl_str(words[i]), &v)) {
            fail_msg("%s is a version", words[i]);
        }
    }
}

TEST(ranges_and_what_is_in_them)
{
    assert_true(has(">=1.2 <2", "1.9.9"));
    assert_false(has(">=1.2 <2", "2.0.0"));
    assert_false(has("<2", "2.0.0-rc1"));
    assert_true(has(">=2.0.0-rc1", "2.0.0-rc2"));
    assert_false(has(">=2.0.0-rc1", "2.1.0-rc2"));
    assert_true(has("^1.4", "1.99"));
    assert_false(has("^1.4", "1.3.9"));
    assert_false(has("^0.2.3", "0.3.0"));
    assert_true(has("^0.2.3", "0.2.9"));
    assert_true(has("~1.4.2", "1.4.9"));
    assert_false(has("~1.4.2", "1.5"));
    assert_true(has("1.x", "1.0"));
    assert_true(has("1", "1.7.3"));
    assert_false(has("=1.7", "1.8"));
    assert_true(has("*", "42"));
    assert_true(has("<1 || >=3", "3.1"));
    assert_false(has("<1 || >=3", "2"));
    assert_true(has("<=1.4", "1.4.7"));
    assert_false(has(">1.4", "1.4.7"));
    assert_true(has(">1.4", "1.5"));
}

TEST(ranges_that_are_none)
{
    refused("", "ends where a version");
    refused("1 ||", "ends where a version");
    refused("|| 1", "before ||");
    refused(">= 1", "no version");
    refused("latest", "no version");
    refused(">=1.2.3.4", "no version");
    refused("1 1 1 1 1 1 1 1 1", "more than 16");
}

TEST(ranges_that_hold_nothing_are_seen)
{
    static const struct {
        const char *range;
        bool empty;
    } cases[] = {{">2 <1", true}, {">=1 <1", true},       {"1.x", false},
                 {"<1", false},   {">1 <2 || >9", false}, {">1.2.3 <1.2.4", true},
                 {"<0", true},    {"=1.2.3", false}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct semver_range r;
        struct pg_err err = {0};
        assert_int_equal(semver_range_read(sl_str(cases[i].range), &r, &err), 0);
        if (semver_range_is_empty(&r) != cases[i].empty) {
            fail_msg("%s", cases[i].range);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(versions_in_their_order),           RUN(tags_that_are_no_versions),
        RUN(ranges_and_what_is_in_them),        RUN(ranges_that_are_none),
        RUN(ranges_that_hold_nothing_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
