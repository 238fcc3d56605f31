/* SPDX-License-Identifier: Apache-2.0 */
/* A waiver is for one vulnerability in one package of some images, until it ends. */
#include "harness/test.h"

#include "base/hash.h"
#include "scan/waiver.h"

#define NOW ((int64_t)1767225600) /* 2026-01-01T00:00:00Z */

static struct pg_arena arena;

/* A pattern is a name, or ** for all. */
static int canonical(struct sl text, struct pg_arena *a, struct sl *pattern_r, struct pg_err *err)
{
    if (text.n == 0 || sl_eq(text, SL("*"))) {
        return pg_fail(err, PG_E_DENIED, "\"" SL_FMT "\" would match nothing", SL_ARG(text));
    }
    *pattern_r = pg_copy(a, text);
    return 0;
}

#define WAIVER(v, p, i, e)                                                                         \
    "- vulnerability: " v "\n  package: " p "\n  images: [" i "]\n  owner: o@x\n"                  \
    "  reason: because\n  expires: " e "\n"

struct asked {
    const char *id, *alias, *package, *purl, *repository;
    bool no_aliases;
    int64_t now_s;
};

static bool has_ended;

static bool is_waived(const char *yaml, const struct asked *a)
{
    struct sl alias = sl_str(a->alias);
    struct report_finding f = {.id = sl_str(a->id),
                               .package = sl_str(a->package != NULL ? a->package : "libssl3"),
                               .aliases = {&alias, a->alias != NULL}};
    struct waiver_list list;
    struct pg_err err = {0};
    struct purl purl;

    if (waiver_read("w.yaml", sl_str(yaml), canonical, &arena, &list, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    if (a->purl != NULL) {
        assert_int_equal(purl_parse(sl_str(a->purl), &arena, &purl, &err), 0);
    }
    const struct waiver_question q = {&f, a->purl != NULL ? &purl : NULL,
                                      sl_str(a->repository != NULL ? a->repository : "r/app"),
                                      !a->no_aliases, a->now_s != 0 ? a->now_s : NOW};
    bool found = waiver_find(&list, &q, &has_ended) != NULL;
    waiver_list_free(&list);
    return found && !has_ended;
}

TEST(it_is_for_that_vulnerability_package_and_image)
{
    static const char yaml[] = "waivers:\n" WAIVER("CVE-1", "libssl3", "r/app, r/b", "2026-02-01");

    assert_true(is_waived(yaml, &(struct asked){.id = "CVE-1"}));
    assert_true(is_waived(yaml, &(struct asked){.id = "cve-1", .repository = "r/b"}));
    assert_false(is_waived(yaml, &(struct asked){.id = "CVE-2"}));
    assert_false(is_waived(yaml, &(struct asked){.id = "CVE-1", .package = "libssl"}));
    assert_false(is_waived(yaml, &(struct asked){.id = "CVE-1", .repository = "r/other"}));
}

TEST(N09_any_alias_that_the_scanners_database_knows_and_no_other)
{
    static const char yaml[] = "waivers:\n" WAIVER("CVE-1", "libssl3", "'**'", "2026-02-01");
    struct asked a = {.id = "GHSA-x", .alias = "CVE-1"};

    assert_true(is_waived(yaml, &a));
    a.no_aliases = true;
    assert_false(is_waived(yaml, &a));
    a.id = "CVE-1";
    assert_true(is_waived(yaml, &a));
}

TEST(a_package_by_its_url)
{
    static const char any[] =
        "waivers:\n" WAIVER("C", "pkg:deb/debian/libssl3", "'**'", "2026-02-01"),
                      one[] = "waivers:\n" WAIVER("C", "pkg:deb/debian/libssl3@3", "'**'",
                                                  "2026-02-01");

    assert_true(is_waived(any, &(struct asked){.id = "C", .purl = "pkg:deb/debian/libssl3@4"}));
    assert_true(is_waived(one, &(struct asked){.id = "C", .purl = "pkg:deb/debian/libssl3@3"}));
    assert_false(is_waived(one, &(struct asked){.id = "C", .purl = "pkg:deb/debian/libssl3@4"}));
    assert_false(is_waived(any, &(struct asked){.id = "C", .purl = "pkg:deb/ubuntu/libssl3@4"}));
    assert_false(is_waived(any, &(struct asked){.id = "C"}));
}

TEST(one_that_has_expired_waives_nothing)
{
    static const char yaml[] = "waivers:\n" WAIVER("C", "libssl3", "'**'", "2025-12-31");
    static const char two[] = "waivers:\n" WAIVER("C", "libssl3", "'**'", "2026-01-31")
        WAIVER("C", "libssl3", "'**'", "2025-12-31");
    static const char exact[] = "waivers:\n" WAIVER("C", "libssl3", "'**'", "2026-01-01T00:00:01Z");

    assert_true(is_waived(yaml, &(struct asked){.id = "C", .now_s = NOW - 1}));
    assert_false(is_waived(yaml, &(struct asked){.id = "C", .now_s = NOW}));
    assert_true(has_ended);
    assert_true(is_waived(two, &(struct asked){.id = "C"}));
    assert_true(is_waived(exact, &(struct asked){.id = "C", .now_s = NOW}));
    assert_false(is_waived(exact, &(struct asked){.id = "C", .now_s = NOW + 1}));
}

TEST(one_that_ends_within_two_weeks_warns)
{
    const struct waiver w = {.expires_s = NOW};

    assert_true(waiver_ends_soon(&w, NOW - 1));
    assert_true(waiver_ends_soon(&w, NOW - WAIVER_SOON_S));
    assert_false(waiver_ends_soon(&w, NOW - WAIVER_SOON_S - 1));
    assert_false(waiver_ends_soon(&w, NOW));
}

TEST(what_is_missing_or_wrong_is_told_with_its_place)
{
    static const struct {
        const char *yaml, *why;
    } wrong[] = {
        {"waivers:\n- vulnerability: C\n", "w.yaml:2:3: the waiver has no package"},
        {"waivers:\n- vulnerability: C\n  package: p\n", "images must be a list"},
        {"waivers:\n- vulnerability: C\n  package: p\n  images: ['**']\n", "has no owner"},
        {"waivers:\n- {vulnerability: C, package: p, images: ['**'], owner: o}\n", "has no reason"},
        {"waivers:\n- {vulnerability: C, package: p, images: ['**'], owner: o, reason: r}\n",
         "has no expires"},
        {"waivers:\n" WAIVER("C", "p", "'**'", "never"), "w.yaml:7:12: expires must be a day"},
        {"waivers:\n" WAIVER("C", "p", "'**'", "2026-02-30"), "expires must be a day"},
        {"waivers:\n" WAIVER("C", "p", "'*'", "2026-02-01"), "w.yaml:4:12: \"*\" would match"},
        {"waivers:\n" WAIVER("C", "p", "", "2026-02-01"), "images must be a list"},
        {"waivers:\n" WAIVER("CVE-*", "p", "'**'", "2026-02-01"), "the name of one"},
        {"waivers:\n" WAIVER("C", "'*'", "'**'", "2026-02-01"), "no wildcards"},
        {"waivers:\n" WAIVER("C", "'pkg:'", "'**'", "2026-02-01"), "no package URL"},
        {"waivers:\n- {vulnerability: C, pakage: p}\n", "did you mean \"package\"?"},
        {"waiver:\n", "did you mean \"waivers\"?"},
        {"waivers: 1\n", "must be a list"},
        {"- a\n", "must be a mapping"},
        {"waivers: [&a {}]\n", "w.yaml:1:"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct pg_err err = {0};
        struct waiver_list list;
        assert_int_equal(
            waiver_read("w.yaml", sl_str(wrong[i].yaml), canonical, &arena, &list, &err), -1);
        if (strstr(err.msg, wrong[i].why) == NULL) {
            fail_msg("\"%s\" does not say \"%s\"", err.msg, wrong[i].why);
        }
        pg_err_clear(&err);
    }
}

TEST(a_file_without_waivers_waives_nothing)
{
    assert_false(is_waived("", &(struct asked){.id = "C"}));
    assert_false(is_waived("waivers:\n", &(struct asked){.id = "C"}));
    assert_false(is_waived("waivers: []\n", &(struct asked){.id = "C"}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(it_is_for_that_vulnerability_package_and_image),
        RUN(N09_any_alias_that_the_scanners_database_knows_and_no_other),
        RUN(a_package_by_its_url),
        RUN(one_that_has_expired_waives_nothing),
        RUN(one_that_ends_within_two_weeks_warns),
        RUN(what_is_missing_or_wrong_is_told_with_its_place),
        RUN(a_file_without_waivers_waives_nothing),
    };

    pg_hash_setup();
    pg_arena_init(&arena, (size_t)16 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_arena_free(&arena);
    return failed;
}
