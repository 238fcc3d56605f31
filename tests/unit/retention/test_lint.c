/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include <stdio.h>

#include "retention/import.h"
#include "retention/lint.h"

#define NOW_S INT64_C(1795000000)

static char said[4096];

static void on_finding(void *arg, const struct lint_finding *f)
{
    size_t n = strlen(said);

    (void)arg;
    assert_true(f->remedy[0] != '\0');
    (void)snprintf(said + n, sizeof(said) - n, "%u:%u: %s\n", f->at.line, f->at.col, f->what);
}

static size_t lint(const char *text)
{
    struct ruleset *r = NULL;
    struct pg_err err = {0};
    enum import_form form;

    said[0] = '\0';
    if (import_load("f", sl_str(text), true, &r, &form, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    size_t n = lint_rules(r, NOW_S, on_finding, NULL);
    ruleset_free(r);
    return n;
}

static void finds(const char *text, const char *what)
{
    (void)lint(text);
    if (strstr(said, what) == NULL) {
        fail_msg("not found: %s\nbut:\n%s", what, said);
    }
}

#define REST                                                                                       \
    "    - {name: rest, match: {repositories: [\"**\"], tags: [\"*\"]}, delete: "                  \
    "{not_pulled_for: 900d}}\n"
#define FILE_OF(rules) "retention:\n  rules:\n" rules REST

TEST(production_kept_indefinitely_that_expires_all)
{
    finds(
        "{\"rules\":[\n {\"rulePriority\":1,\"description\":\"keep production indefinitely\","
        "\"selection\":{\"tagStatus\":\"tagged\",\"tagPrefixList\":[\"prod-\"],\n"
        "\"countType\":\"imageCountMoreThan\",\"countNumber\":0},\"action\":{\"type\":"
        "\"expire\"}}]}",
        "3:48: rule \"ecr-1\" is described as \"keep production indefinitely\", and deletes every "
        "image that it is about");
    finds(FILE_OF("    - name: prod\n      description: Keep production FOREVER\n"
                  "      match: {repositories: [\"**\"], tags: [\"prod-*\"]}\n"
                  "      delete: {not_pulled_for: 30d}\n"),
          "6:15: rule \"prod\" is described as");
}

TEST(words_and_deeds)
{
    finds(FILE_OF("    - {name: a, description: builds go after 7 days, match: {repositories: "
                  "[\"**\"], tags: [\"ci-*\"]}, delete: {not_pulled_for: 70d}}\n"),
          "counts other days");
    finds(FILE_OF("    - {name: a, description: remove old builds, match: {repositories: [\"**\"], "
                  "tags: [\"ci-*\"]}, keep: forever}\n"),
          "and keeps");
    finds(FILE_OF("    - {name: a, match: {repositories: [\"**\"], tags: [\"ci-*\"]}, delete: "
                  "{beyond_newest: 0}}\n"),
          "deletes every image");
    finds(FILE_OF("    - {name: a, match: {repositories: [\"**\"], tags: [\"ci-*\"]}, keep: "
                  "{newest: 0}}\n"),
          "which is nothing");
}

TEST(rules_that_never_match_or_never_act)
{
    finds(FILE_OF("    - {name: a, match: {repositories: [\"**\"], versions: \">2 <1\"}, keep: "
                  "forever}\n"),
          "3:24: rule \"a\" can never match: no version is in the range");
    finds(
        FILE_OF("    - {name: k, match: {repositories: [\"**\"], tags: [\"p*\"]}, keep: forever}\n"
                "    - {name: d, match: {repositories: [\"ghcr.io/**\"], tags: [\"prod-*\"]}, "
                "delete: {seen_over: 1d}}\n"),
        "4:7: rule \"d\" deletes nothing: \"k\" at line 3 keeps all that it is about");
    finds(FILE_OF("    - {name: k, match: {repositories: [\"**\"], tags: [\"prod-*\"]}, keep: "
                  "forever}\n"
                  "    - {name: d, match: {repositories: [\"**\"], tags: [\"*-eu\"]}, delete: "
                  "{seen_over: 1d}}\n"),
          "rule \"d\" fights with \"k\"");
    finds(FILE_OF("    - {name: a, match: {repositories: [\"**\"], tags: [\"ci-*\"]}, delete: "
                  "{seen_over: 1d}}\n"
                  "    - {name: b, match: {repositories: [\"**\"], tags: [\"ci-eu-*\"]}, delete: "
                  "{seen_over: 2d}}\n"),
          "rule \"b\" changes nothing");
    finds(FILE_OF("    - {name: a, match: {repositories: [\"**\"], tags: [\"ci-*\", \"ci-eu-*\"]}, "
                  "delete: {seen_over: 1d}}\n"),
          "\"ci-eu-*\" adds nothing to \"ci-*\"");
}

TEST(a_keep_that_is_overruled)
{
    finds(
        "retention:\n  order: first_match\n  untagged: keep\n  rules:\n"
        "    - {name: all, match: {repositories: [\"**\"]}, delete: {seen_over: 1d}}\n"
        "    - {name: prod, match: {repositories: [\"**\"], tags: [\"prod-*\"]}, keep: forever}\n",
        "6:7: rule \"prod\" can never have an image: \"all\" at line 5 has all of them first, and "
        "overrules what is to be kept");
    finds(
        "retention:\n  order: first_match\n  untagged: keep\n  rules:\n"
        "    - {name: eu, match: {repositories: [\"**\"], tags: [\"*-eu\"]}, delete: {seen_over: "
        "1d}}\n"
        "    - {name: prod, match: {repositories: [\"**\"], tags: [\"prod-*\"]}, keep: forever}\n",
        "rule \"prod\" is overruled where an image is of \"eu\"");
}

TEST(tags_that_no_rule_is_about)
{
    finds(
        "retention:\n  rules:\n    - {name: a, match: {repositories: [\"**\"], tags: [\"ci-*\"]}, "
        "delete: {seen_over: 1d}}\n",
        "no rule is about a tag such as \"latest\"");
    finds("retention:\n  rules:\n    - {name: a, match: {repositories: [\"**\"]}, delete: "
          "{seen_over: 1d}}\n",
          "untagged never applies");
}

TEST(pins_that_have_ended)
{
    finds(
        FILE_OF("") "  pins: [{tag: \"ghcr.io/a/b:c\", owner: ops, reason: r, until: 2020-01-01}]",
        "the pin of ops has ended");
}

TEST(good_rules_have_no_finding)
{
    size_t n = lint(FILE_OF(
        "    - {name: prod, description: production is kept for ever, match: {repositories: "
        "[\"**\"], tags: [\"prod-*\"]}, keep: forever}\n"
        "    - {name: ci, description: gone 7 days after the last pull, match: {repositories: "
        "[\"**\"], tags: [\"ci-*\"]}, delete: {not_pulled_for: 7d}}\n"
        "    - {name: three, match: {repositories: [\"**\"], tags: [\"ci-*\"]}, keep: {newest: "
        "3}}\n"));
    if (n != 0) {
        fail_msg("%s", said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(production_kept_indefinitely_that_expires_all),
        RUN(words_and_deeds),
        RUN(rules_that_never_match_or_never_act),
        RUN(a_keep_that_is_overruled),
        RUN(tags_that_no_rule_is_about),
        RUN(pins_that_have_ended),
        RUN(good_rules_have_no_finding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
