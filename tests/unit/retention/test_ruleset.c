/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "retention/ruleset.h"

static void refused(const char *text, const char *why)
{
    struct ruleset *r = NULL;
    struct pg_err err = {0};

    if (ruleset_load("f", sl_str(text), &r, &err) == 0) {
        ruleset_free(r);
        fail_msg("taken:\n%s", text);
    }
    if (strstr(err.msg, why) == NULL) {
        fail_msg("%s\nis not: %s", err.msg, why);
    }
    pg_err_clear(&err);
}

#define RULE(rest) "retention:\n  rules:\n    - name: a\n      " rest "\n"
#define ALL        "match: {repositories: [\"**\"]}\n      "

TEST(unknown_keys_say_where_and_what_was_meant)
{
    refused("retenton: {}",
            "f:1:1: unknown key \"retenton\" in the file; did you mean \"retention\"?");
    refused("retention:\n  ordr: keep_wins\n", "f:2:3: unknown key \"ordr\"");
    refused(RULE("matches: {}"), "did you mean \"match\"?");
    refused(RULE(ALL "delete: {not_puled_for: 1d}"), "did you mean \"not_pulled_for\"?");
    refused(RULE("match: {repository: [a]}\n      keep: forever"), "repositories");
}

TEST(what_would_match_nothing_is_refused)
{
    refused(RULE("match: {repositories: [nginx]}\n      keep: forever"),
            "f:4:30: \"nginx\" matches nothing: repositories are written with their registry, such "
            "as docker.io/library/nginx");
    refused(RULE("match: {repositories: [acme/app]}\n      keep: forever"), "docker.io/acme/app");
    refused(RULE("match: {repositories: [\"ghcr.io/a:b\"]}\n      keep: forever"), "no tag");
    refused(RULE("match: {repositories: [ghcr.io/A]}\n      keep: forever"), "lower case");
    refused(RULE("match: {repositories: [\"**\"], tags: [\"a b\"]}\n      keep: forever"),
            "character 2");
    refused(RULE("match: {repositories: [\"**\"], tags: [\"a/b\"]}\n      keep: forever"),
            "matches no tag");
    refused(RULE("match: {repositories: [\"**\"], tags: [a], untagged: true}\n      keep: forever"),
            "can never match");
    refused(RULE("match: {repositories: [\"**\"], versions: \">=a\"}\n      keep: forever"),
            "no version");
}

TEST(numbers_and_times)
{
    refused(RULE(ALL "delete: {beyond_newest: -1}"), "f:5:31: beyond_newest is negative");
    refused(RULE(ALL "delete: {not_pulled_for: -3d}"), "not_pulled_for is negative");
    refused(RULE(ALL "delete: {not_pulled_for: 3}"), "such as 48h");
    refused(RULE(ALL "delete: {not_pulled_for: 0d}"), "such as 48h");
    refused(RULE(ALL "delete: {not_pulled_for: 99999999d}"), "such as 48h");
    refused(RULE(ALL "delete: {beyond_newest: 1.5}"), "a number");
    refused("retention: {untagged: never, rules: []}", "untagged must be a time");
    refused("retention: {schedule: \"0 0 31 2 *\", rules: []}",
            "f:1:23: \"0 0 31 2 *\" never comes");
}

TEST(rules_say_one_thing)
{
    refused(RULE(ALL), "either keep or delete");
    refused(RULE(ALL "keep: forever\n      delete: {seen_over: 1d}"), "either keep or delete");
    refused(RULE(ALL "delete: {pushed_over: 1d}"), "a hint");
    refused(RULE(ALL "delete: {}"), "must say when");
    refused(RULE(ALL "keep: always"), "forever");
    refused(RULE(ALL "keep: forever\n      bases: delete"), "for a rule that deletes");
    refused(RULE(ALL "delete: {seen_over: 1d, by: pulled}"), "for a rule that counts");
    refused("retention:\n  rules:\n    - {match: {repositories: [\"**\"]}, keep: forever}",
            "a name");
    refused("retention:\n  rules:\n"
            "    - {name: a, match: {repositories: [\"**\"]}, keep: forever}\n"
            "    - {name: a, match: {repositories: [\"**\"]}, keep: forever}",
            "f:4:7: two rules have the name \"a\"; the first is at line 3");
    refused("retention: {}", "needs rules");
    refused("", "empty");
    refused("a: [", "f:");
}

TEST(windows_and_quotas_that_are_none)
{
    refused("retention: {rules: [], windows: [{from: \"0 1 * * *\"}]}", "a window is");
    refused("retention: {rules: [], windows: [{from: \"0 25 * * *\", for: 1h}]}", "no hour");
    refused("retention: {rules: [], windows: [{from: \"0 1 * * *\", for: 30d}]}", "1m to 7d");
    refused("retention: {rules: [], quotas: [{high: 1GiB}]}", "a quota is");
    refused("retention: {rules: [], quotas: [{repositories: [\"**\"]}]}", "a quota is");
    refused("retention: {rules: [], quotas: [{repositories: [\"**\"], high: 101%}]}",
            "high must be");
    refused("retention: {rules: [], quotas: [{repositories: [\"**\"], high: 0GiB}]}",
            "high must be");
    refused("retention: {rules: [], quotas: [{repositories: [\"**\"], high: -1GiB}]}",
            "high must be");
    refused("retention: {rules: [], quotas: [{repositories: [\"**\"], high: 99999999TiB}]}",
            "high must be");
    refused("retention: {rules: [], quotas: [{repositories: [\"**\"], high: 1GiB, low: 2GiB}]}",
            "low must be below");
    refused("retention: {rules: [], quotas: [{repositories: [\"**\"], high: 1GiB, low: 50%}]}",
            "low must be below");
}

#define HOUR INT64_C(3600)

TEST(windows_are_open_from_then_for_so_long)
{
    struct pg_err err = {0};
    struct ruleset *r = NULL;
    const int64_t midnight_s = INT64_C(1795000000) / 86400 * 86400;

    assert_int_equal(
        ruleset_load("f", SL("retention: {rules: [], windows: [{from: \"0 22 * * *\", for: 5h}]}"),
                     &r, &err),
        0);
    assert_false(ruleset_is_open(r, midnight_s + 22 * HOUR - 1));
    assert_true(ruleset_is_open(r, midnight_s + 22 * HOUR));
    assert_true(ruleset_is_open(r, midnight_s + 2 * HOUR));
    assert_false(ruleset_is_open(r, midnight_s + 3 * HOUR));
    ruleset_free(r);
}

TEST(pins_have_an_owner_a_reason_and_an_end)
{
    refused("retention: {rules: [], pins: [{owner: a, reason: b, until: never}]}", "one of digest");
    refused("retention: {rules: [], pins: [{tag: \"ghcr.io/a:1\", reason: b, until: never}]}",
            "needs an owner");
    refused("retention: {rules: [], pins: [{tag: \"ghcr.io/a:1\", owner: a, reason: b, "
            "until: 2026-02-31}]}",
            "must be a date");
    refused("retention: {rules: [], pins: [{tag: \"ghcr.io/a:*\", owner: a, reason: b, "
            "until: never}]}",
            "what has wildcards is a pattern");
    refused("retention: {rules: [], pins: [{digest: \"sha256:12\", owner: a, reason: b, "
            "until: never}]}",
            "f:1:40:");
    refused("retention: {rules: [], pins: [{digest: a, tag: b, owner: a, reason: b, "
            "until: never}]}",
            "one of digest, tag and pattern");
}

static const char everything[] =
    "retention:\n"
    "  order: first_match\n"
    "  untagged: keep\n"
    "  schedule: \"30 2 * * 1-5\"\n"
    "  windows: [{from: \"0 1 * * *\", for: 5h}]\n"
    "  quotas: [{repositories: [\"ghcr.io/acme/**\"], high: 20GiB, low: 18GiB}, {repositories: "
    "[\"**\"], high: 90%}]\n"
    "  rules:\n"
    "    - name: \"production: \\\"all\\\"\"\n"
    "      description: keep it\n"
    "      match:\n"
    "        repositories: [\"ghcr.io/acme/**\", \"localhost:5000/x\"]\n"
    "        tags: [\"prod-*\", v1]\n"
    "        versions: \">=1 <3\"\n"
    "        labels: {team: \"pay*\", stage: prod}\n"
    "        annotations: {a/b: c}\n"
    "        promoted: production\n"
    "      keep: {newest: 3, by: version, pulled_within: 36h, seen_within: 90s}\n"
    "    - name: gone\n"
    "      match: {repositories: [\"**\"], all_tags: [a, \"b*\"]}\n"
    "      delete: {not_pulled_for: 30d, seen_over: 2d, pushed_over: 1d, beyond_newest: 0, "
    "by: pushed}\n"
    "      last_copy: delete\n"
    "      bases: delete\n"
    "    - {name: u, match: {repositories: [\"**\"], untagged: true}, keep: forever}\n"
    "  pins:\n"
    "    - {digest: \"sha256:0000000000000000000000000000000000000000000000000000000000000000\", "
    "owner: o, reason: r, until: never}\n"
    "    - {digest: \"ghcr.io/a/b@sha256:"
    "0000000000000000000000000000000000000000000000000000000000000000\", owner: o, reason: r, "
    "until: 2027-01-01}\n"
    "    - {tag: \"localhost:5000/x:v1\", owner: o, reason: r, until: never}\n"
    "    - {pattern: \"ghcr.io/**:prod-*\", owner: o, reason: r, until: never}\n"
    "    - {pattern: \"ghcr.io/a/*\", owner: o, reason: r, until: never}\n";

TEST(what_is_printed_loads_to_the_same)
{
    struct ruleset *first, *second;
    struct pg_err err = {0};
    struct pg_buf a, b;

    if (ruleset_load("f", sl_str(everything), &first, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    assert_int_equal(first->nrules, 3);
    assert_int_equal(first->npins, 5);
    pg_buf_init(&a, RULESET_BYTES_MAX);
    pg_buf_init(&b, RULESET_BYTES_MAX);
    ruleset_put_all(first, &a);
    if (ruleset_load("g", pg_buf_sl(&a), &second, &err) < 0) {
        fail_msg("%s\n" SL_FMT, err.msg, SL_ARG(pg_buf_sl(&a)));
    }
    ruleset_put_all(second, &b);
    assert_true(sl_eq(pg_buf_sl(&a), pg_buf_sl(&b)));
    assert_non_null(memmem(a.p, a.n, "beyond_newest: 0, by: pushed", 28));
    pg_buf_free(&a);
    pg_buf_free(&b);
    ruleset_free(first);
    ruleset_free(second);
}

TEST(labels_versions_and_promotion_must_all_fit)
{
    struct ruleset *r;
    struct pg_err err = {0};
    const struct sl tags[] = {SL("latest"), SL("prod-1"), SL("v2.1")};
    const struct image_pair labels[] = {{SL("team"), SL("payments")}, {SL("stage"), SL("prod")}};
    const struct image_pair notes[] = {{SL("a/b"), SL("c")}};
    struct image image = {.repo = SL("ghcr.io/acme/app"),
                          .tags = tags,
                          .ntags = 3,
                          .labels = labels,
                          .nlabels = 2,
                          .annotations = notes,
                          .nannotations = 1,
                          .promoted = SL("production")};

    assert_int_equal(ruleset_load("f", sl_str(everything), &r, &err), 0);
    assert_true(ruleset_fits(&r->rules[0], &image));
    image.nlabels = 1;
    assert_false(ruleset_fits(&r->rules[0], &image));
    image.nlabels = 2;
    image.promoted = SL("staging");
    assert_false(ruleset_fits(&r->rules[0], &image));
    image.promoted = SL("production");
    image.ntags = 2; /* no version */
    assert_false(ruleset_fits(&r->rules[0], &image));
    image.ntags = 3;
    image.repo = SL("ghcr.io/other/app");
    assert_false(ruleset_fits(&r->rules[0], &image));
    ruleset_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(unknown_keys_say_where_and_what_was_meant),
        RUN(what_would_match_nothing_is_refused),
        RUN(numbers_and_times),
        RUN(windows_and_quotas_that_are_none),
        RUN(windows_are_open_from_then_for_so_long),
        RUN(rules_say_one_thing),
        RUN(pins_have_an_owner_a_reason_and_an_end),
        RUN(what_is_printed_loads_to_the_same),
        RUN(labels_versions_and_promotion_must_all_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
