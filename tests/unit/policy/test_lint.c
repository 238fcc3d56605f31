/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a policy that loads, and what another one says otherwise. */
#include "harness/test.h"

#include "harness/policy_world.h"

#include "base/hash.h"
#include "policy/contrast.h"
#include "policy/lint.h"

#define DENY_REST "default: deny\nrules:\n"

static struct pg_buf out;

static struct policy *policy_of(const char *text)
{
    struct pg_err err = {0};
    struct policy *p = NULL;

    if (policy_load("f", sl_str(text), &world, &p, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    return p;
}

static size_t lint(const char *text)
{
    struct policy *p = policy_of(text);

    pg_buf_clear(&out);
    size_t n = lint_policy("f", p, &out);
    policy_unref(p);
    return n;
}

static void finds(const char *text, const char *what)
{
    assert_int_equal(lint(text), 1);
    (void)pg_buf_put(&out, (struct sl){"", 1});
    if (strstr(out.p, what) == NULL) {
        fail_msg("%s", out.p);
    }
}

static void finds_nothing(const char *text)
{
    size_t n = lint(text);

    if (n != 0) {
        fail_msg("%.*s", (int)out.n, out.p);
    }
}

#define RULE(name, match, rest) "- {name: " name ", match: {repositories: [" match "]}, " rest "}\n"

#define DIGEST(x) "'sha256:" x x x x x x x x "'"

TEST(rules_by_digest)
{
    finds(DENY_REST RULE("a", "nginx], digests: [" DIGEST("0123abcd"), "action: allow"),
          "these manifests alone");
    finds(DENY_REST RULE("a", "nginx], digests: [" DIGEST("0123abcd"), "action: deny")
              RULE("b", "nginx], digests: [" DIGEST("0123abcd"), "require: {secrets: deny}"),
          "rule b: is of no use");
    finds_nothing(DENY_REST RULE("a", "nginx], digests: [" DIGEST("0123abcd"), "action: deny")
                      RULE("b", "nginx], digests: [" DIGEST("0123abce"), "require: {secrets: deny}")
                          RULE("c", "nginx", "require: {secrets: deny}"));
}

TEST(rules_that_do_nothing)
{
    finds("default: allow\nrules:\n" RULE("a", "nginx", "action: allow"),
          "f:3:3: rule a: allows what");
    finds(DENY_REST RULE("a", "nginx", "action: allow, mode: observe"), "it does nothing");
    finds(DENY_REST RULE("a", "'docker.io/**'", "action: deny")
              RULE("b", "nginx", "require: {secrets: deny}"),
          "rule b: is of no use: rule a denies all");
    finds(DENY_REST RULE("a", "'**'", "require: {min_age: 3d}")
              RULE("b", "'docker.io/library/*'", "require: {min_age: 2d}"),
          "rule b: its min_age is of no use");
    finds(DENY_REST RULE("a", "'**'", "require: {scan: {max_severity: low, max_age: 1d}}")
              RULE("b", "nginx", "require: {scan: {max_severity: medium}}"),
          "rule b: its scan is of no use: rule a wants as much or more");
    finds_nothing(DENY_REST RULE("a", "'**'", "require: {scan: {max_severity: low}}")
                      RULE("b", "nginx", "require: {scan: {max_severity: medium, max_age: 1d}}"));
    finds_nothing(DENY_REST RULE("a", "'**'", "require: {scan: {max_severity: high}}")
                      RULE("b", "nginx", "require: {scan: {counts: {medium: 3}}}"));
}

TEST(rules_that_let_nothing_pass)
{
    finds(DENY_REST RULE("a", "'**'", "require: {platforms: [linux/amd64]}")
              RULE("b", "nginx", "require: {platforms: [linux/arm64]}"),
          "rule b: its platforms and those of rule a have nothing in common");
    finds(DENY_REST RULE("a", "'**'", "require: {labels: {deny: {'st*': '**'}}}")
              RULE("b", "nginx", "require: {labels: {require: {stage: prod}}}"),
          "wants the label stage, which rule a denies");
    finds(DENY_REST "- {name: a, match: {repositories: [nginx], tags: [latest]}, require: "
                    "{tags: {deny: ['la*']}}}\n",
          "denies all the tags that it matches");
}

TEST(what_is_not_sure_is_not_said)
{
    finds_nothing("default: allow\n");
    finds_nothing(DENY_REST RULE("a", "'docker.io/library/*'", "action: deny")
                      RULE("b", "'docker.io/**'", "require: {secrets: deny}"));
    finds_nothing(DENY_REST RULE("a", "nginx", "require: {platforms: ['linux/*']}")
                      RULE("b", "nginx", "require: {platforms: [linux/arm64]}"));
    finds_nothing(DENY_REST RULE("a", "nginx", "require: {platforms: [linux/arm]}")
                      RULE("b", "nginx", "require: {platforms: [linux/arm/v7]}"));
    finds_nothing(DENY_REST RULE("a", "nginx", "require: {min_age: 1d}")
                      RULE("b", "nginx", "require: {min_age: 2d}, mode: observe"));
    finds_nothing(DENY_REST RULE("a", "redis", "require: {platforms: [linux/amd64]}")
                      RULE("b", "nginx", "require: {platforms: [linux/arm64]}"));
}

static size_t differ(const char *old, const char *new)
{
    struct policy *a = policy_of(old), *b = policy_of(new);

    pg_buf_clear(&out);
    size_t n = contrast_policies(a, b, &out);
    (void)pg_buf_put(&out, (struct sl){"", 1});
    policy_unref(a);
    policy_unref(b);
    return n;
}

TEST(what_a_new_policy_says_otherwise)
{
    const char *one = DENY_REST RULE("a", "nginx", "require: {min_age: 1d}");
    const char *two = DENY_REST RULE("b", "nginx", "require: {min_age: 1d}");

    assert_int_equal(differ(one, one), 0);
    assert_int_equal(differ(one,
                            "default: deny\nrules:\n- match: {repositories: [nginx]}\n  name: a\n"
                            "  require:\n    min_age: 1d\n"),
                     1); /* written otherwise is told, too */
    assert_int_equal(
        differ(one, "default: allow\nrules:\n" RULE("a", "nginx", "require: {min_age: 1d}")), 1);
    assert_non_null(strstr(out.p, "+ what no rule speaks of is allowed"));
    assert_int_equal(differ(one, two), 2);
    assert_non_null(strstr(out.p, "- rule a for docker.io/library/nginx: wants\n"));
    assert_non_null(strstr(out.p, "+ rule b for docker.io/library/nginx: wants\n"));
    assert_int_equal(differ("default: deny\nauthorities: {v: {key: a.pub}}\nrules:\n" RULE(
                                "a", "nginx", "require: {signature: {any_of: [v]}}"),
                            "default: deny\nauthorities: {v: {key: b.pub}}\nrules:\n" RULE(
                                "a", "nginx", "require: {signature: {any_of: [v]}}")),
                     1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(rules_by_digest),
        RUN(rules_that_do_nothing),
        RUN(rules_that_let_nothing_pass),
        RUN(what_is_not_sure_is_not_said),
        RUN(what_a_new_policy_says_otherwise),
    };

    pg_hash_setup();
    pg_buf_init(&out, 65536);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    pg_buf_free(&out);
    return rc;
}
