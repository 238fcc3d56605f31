/* SPDX-License-Identifier: Apache-2.0 */
/* Table tests of a policy: what passes, what is told of what does not, what is no test. */
#include "harness/test.h"

#include <stdio.h>

#include "harness/policy_world.h"

#include "base/hash.h"
#include "policy/trial.h"

#define POLICY                                                                                     \
    "default: deny\n"                                                                              \
    "authorities: {vendor: {key: a.pub}, ci: {keyless: {issuer: i, subject: a@b}},\n"              \
    "  any: {keyless: {issuer: i, subject_regex: '^.*$'}}}\n"                                      \
    "rules:\n"                                                                                     \
    "- name: signed\n"                                                                             \
    "  match: {repositories: [nginx], tags: ['v*']}\n"                                             \
    "  require: {signature: {any_of: [vendor, ci]}, platforms: [linux/amd64]}\n"                   \
    "- name: scanned\n"                                                                            \
    "  match: {repositories: ['ghcr.io/**']}\n"                                                    \
    "  require: {attestations: [{predicate_type: vuln, from: vendor}], min_age: 1d}\n"

static struct pg_arena arena;
static struct pg_buf out;
static struct trial_count count;
static struct pg_err err;

static int run(const char *tests)
{
    struct pg_tree *root = NULL;
    struct pg_tree_fault fault;
    struct policy *p = NULL;
    char text[4000];

    (void)snprintf(text, sizeof(text), "policy: p.yaml\ntests:\n%s", tests);
    pg_buf_clear(&out);
    pg_err_clear(&err);
    count = (struct trial_count){0};
    assert_int_equal(policy_load("p", SL(POLICY), &world, &p, &err), 0);
    assert_int_equal(pg_tree_read(&arena, sl_str(text), &root, &fault), 0);
    int rc = trial_run("t", root, p, &out, &count, &err);
    policy_unref(p);
    return rc;
}

static void passes(const char *test)
{
    if (run(test) < 0 || count.passed != 1) {
        fail_msg("%s: %s %.*s", test, err.msg != NULL ? err.msg : "", (int)out.n, out.p);
    }
}

static void is_refused(const char *test, const char *why)
{
    assert_int_equal(run(test), -1);
    if (strstr(err.msg, why) == NULL || strncmp(err.msg, "t:3:", 4) != 0) {
        fail_msg("%s", err.msg);
    }
}

TEST(what_signs_and_what_does_not)
{
    passes("- {image: 'nginx:v1', platform: linux/amd64, signed: [vendor], expect: allow}\n");
    passes("- {image: 'docker.io/library/nginx:v1', platform: linux/amd64, signed: [ci], "
           "expect: allow, rule: signed}\n");
    passes("- {image: 'nginx:v1', platform: linux/amd64, expect: deny, rule: signed, "
           "reason: none was found}\n");
    passes("- {image: 'nginx:v1', platform: linux/arm64, signed: [vendor], expect: deny, "
           "reason: linux/arm64}\n");
    passes("- {image: 'nginx:v1', platform: linux/amd64, evidence: failed, expect: pending}\n");
    passes("- {image: 'nginx:v1', signed: [vendor], expect: pending}\n");
    passes("- {image: 'nginx', known_tags: [v3], platform: linux/amd64, expect: deny, "
           "rule: signed}\n");
    passes("- {image: 'nginx', expect: deny, rule: default}\n");
    passes("- {image: 'nginx:v1', shape: index, signed: [vendor], expect: allow}\n");
    passes("- {image: 'nginx:v1', revoked: stolen, expect: deny, rule: revocation, "
           "reason: stolen}\n");
}

TEST(what_was_attested_and_how_old_it_is)
{
    passes("- {image: 'ghcr.io/a/b:v1', age: 2d, attested: [{by: vendor, type: vuln}], "
           "expect: allow}\n");
    passes("- {image: 'ghcr.io/a/b:v1', age: 2h, attested: [{by: vendor, type: vuln}], "
           "expect: deny, reason: 2 hours}\n");
    passes("- {image: 'ghcr.io/a/b:v1', age: 2d, attested: [{by: ci, type: vuln}], "
           "expect: deny}\n");
    passes("- {image: 'ghcr.io/a/b:v1', age: 2d, attested: [{by: vendor, type: spdx}], "
           "expect: deny}\n");
    passes("- {image: 'ghcr.io/a/b:v1', now: '2026-01-02T00:00:00Z', age: 2h, "
           "attested: [{by: vendor, type: vuln}], expect: deny, reason: '2026-01-02T22:00:00Z'}\n");
}

TEST(what_fails_is_told_with_its_place)
{
    assert_int_equal(run("- {name: one, image: 'nginx:v1', platform: linux/amd64, expect: allow}\n"
                         "- {image: 'nginx:v1', platform: linux/amd64, expect: deny}\n"),
                     0);
    assert_int_equal(count.passed, 1);
    assert_int_equal(count.failed, 1);
    assert_non_null(strstr(out.p, "t:3:3: one: expected is allow; it is deny by rule signed: "
                                  "wanted is a signature"));
    assert_int_equal(run("- {image: 'nginx:v1', expect: deny, rule: other}\n"), 0);
    assert_int_equal(count.failed, 1);
}

TEST(what_is_no_test)
{
    is_refused("- {expect: deny}\n", "needs an image");
    is_refused("- {image: nginx}\n", "needs expect");
    is_refused("- {image: nginx, expect: yes}\n", "expect cannot be \"yes\"");
    is_refused("- {image: nginx, expext: deny}\n", "did you mean \"expect\"?");
    is_refused("- {image: 'docker.io/*', expect: deny}\n", "would match nothing");
    is_refused("- {image: 'nginx@sha256:12', expect: deny}\n", "t:3:11");
    is_refused("- {image: nginx, signed: [nobody], expect: deny}\n", "no authority of that name");
    is_refused("- {image: nginx, signed: [any], expect: deny}\n", "patterns or claims");
    is_refused("- {image: nginx, signed: vendor, expect: deny}\n", "signed must be a list");
    is_refused("- {image: nginx, attested: [{by: vendor}], expect: deny}\n", "needs by and type");
    is_refused("- {image: nginx, now: today, expect: deny}\n", "now must be a time");
    is_refused("- {image: nginx, labels: [a], expect: deny}\n", "labels must be a mapping");
    is_refused("- {image: nginx, shape: round, expect: deny}\n", "shape cannot be");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(what_signs_and_what_does_not),
        RUN(what_was_attested_and_how_old_it_is),
        RUN(what_fails_is_told_with_its_place),
        RUN(what_is_no_test),
    };

    pg_hash_setup();
    pg_arena_init(&arena, (size_t)64 << 20);
    pg_buf_init(&out, 65536);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    pg_err_clear(&err);
    pg_buf_free(&out);
    pg_arena_free(&arena);
    return rc;
}
