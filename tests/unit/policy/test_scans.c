/* SPDX-License-Identifier: Apache-2.0 */
/* What scan results make of a pull, as table tests: one policy each. */
#include "harness/test.h"

#include <stdio.h>

#include "harness/policy_world.h"

#include "base/hash.h"
#include "policy/explain.h"
#include "policy/policy_int.h"
#include "policy/scans.h"
#include "policy/trial.h"

static struct pg_arena arena;
static struct pg_buf out;
static struct pg_err err;
static struct policy *policy;

static int set_up(void **state)
{
    (void)state;
    pg_hash_setup();
    pg_arena_init(&arena, (size_t)4 << 20);
    pg_buf_init(&out, (size_t)1 << 16);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    policy_unref(policy);
    policy = NULL;
    pg_arena_free(&arena);
    pg_buf_free(&out);
    pg_err_clear(&err);
    return 0;
}

static int load(const char *scan)
{
    char text[2000];

    policy_unref(policy);
    policy = NULL;
    pg_err_clear(&err);
    (void)snprintf(text, sizeof(text),
                   "default: deny\nauthorities: {team: {key: a.pub}}\nrules:\n- name: scanned\n"
                   "  match: {repositories: [nginx]}\n  require:\n    scan: %s\n",
                   scan);
    return policy_load("p", sl_str(text), &world, &policy, &err);
}

static void use(const char *scan)
{
    if (load(scan) < 0) {
        fail_msg("%s: %s", scan, err.msg);
    }
}

static const struct facts_content image = {.shape = FACTS_IMAGE};

/* What is known of an image of which n sources have said this. */
static struct facts facts_of(const struct facts_scan *scans, size_t n)
{
    return (struct facts){.repository = SL("docker.io/library/nginx"),
                          .digest = digest_of(PG_SHA256, SL("x")),
                          .now_s = 1000000,
                          .content = &image,
                          .scans = scans,
                          .nscans = n};
}

/* A test without its image: "scan: [...], expect: deny". */
static void passes(const char *test)
{
    struct pg_tree *root = NULL;
    struct pg_tree_fault fault;
    struct trial_count count = {0};
    char text[4000];

    pg_buf_clear(&out);
    (void)snprintf(text, sizeof(text), "policy: p.yaml\ntests:\n- {image: 'nginx:v1', %s}\n", test);
    assert_int_equal(pg_tree_read(&arena, sl_str(text), &root, &fault), 0);
    if (trial_run("t", root, policy, &out, &count, &err) < 0 || count.passed != 1) {
        fail_msg("%s: %s %.*s", test, err.msg != NULL ? err.msg : "", (int)out.n, out.p);
    }
}

#define FOUND(severity)                                                                            \
    "scan: [{source: trivy, age: 1h, findings: [{id: CVE-1, package: openssl, severity: " severity \
    "}]}]"

static void is_refused(const char *scan, const char *why)
{
    assert_int_equal(load(scan), -1);
    if (strstr(err.msg, why) == NULL || strncmp(err.msg, "p:", 2) != 0) {
        fail_msg("%s: %s", scan, err.msg);
    }
}

TEST(nothing_worse_than_the_severity_passes)
{
    use("{max_severity: medium}");
    passes("scan: [{source: trivy, age: 1h}], expect: allow");
    passes(FOUND("medium") ", expect: allow");
    passes(FOUND("high") ", expect: deny, rule: scanned, reason: 'trivy found CVE-1 (high) in "
                         "openssl'");
    passes(FOUND("critical") ", expect: deny");
    use("{max_severity: critical}");
    passes(FOUND("critical") ", expect: allow");
    passes("scan: [], expect: pending");
}

TEST(counts_are_upper_limits)
{
    use("{counts: {high: 1, low: 0}}");
    passes(FOUND("high") ", expect: allow");
    passes(FOUND("critical") ", expect: allow");
    passes(FOUND("low") ", expect: deny");
    passes("scan: [{source: t, age: 1h, findings: [{id: A, severity: high}, {id: B, severity: "
           "high}]}], expect: deny, reason: 'found 2 of severity high, and 1 may be'");
    use("{max_severity: low, counts: {high: 1}}");
    passes(FOUND("high") ", expect: allow");
    passes(FOUND("medium") ", expect: deny");
}

TEST(what_is_missing_waits_or_is_served_or_is_denied)
{
    use("{max_severity: low}");
    passes("scan: [], expect: pending, reason: there is no scan result yet of any source");
    passes("shape: index, expect: allow"); /* each child is decided by itself */
    use("{max_severity: low, on_missing: deny}");
    passes("scan: [], expect: deny");
    use("{max_severity: low, on_missing: serve}");
    passes("scan: [], expect: allow");
    passes("shape: artifact, types: [application/x.y], expect: deny, reason: no image"); /* N07 */
}

TEST(what_is_served_without_a_scan_says_so_and_asks_for_one)
{
    const struct facts f = facts_of(NULL, 0);
    struct policy_verdict v;

    use("{max_severity: low, on_missing: serve}");
    assert_true(policy_wants(policy, &f).scans && policy_wants(policy, &f).governed);
    policy_decide(policy, &f, &arena, &v);
    assert_true(v.decision == POLICY_ALLOW && v.asks_scan);
    assert_non_null(memmem(v.observed.p, v.observed.n, "it is served so", 15));
    use("{max_severity: low}");
    policy_decide(policy, &f, &arena, &v);
    assert_true(v.decision == POLICY_PENDING && v.asks_scan && v.observed.n == 0);
    assert_non_null(memmem(v.remedy.p, v.remedy.n, "when it has been scanned", 24));
}

TEST(N09_the_worst_source_wins)
{
    use("{max_severity: medium}");
    passes("scan: [{source: ci, age: 1h}, {source: trivy, age: 2h, findings: [{id: C, severity: "
           "critical}]}], expect: deny, reason: trivy found C");
    passes("scan: [{source: ci, age: 1h}, {source: trivy, failed: it died}], expect: deny, "
           "reason: 'the scan by trivy failed: it died'");
    use("{max_severity: medium, from: [ci]}");
    passes("scan: [{source: ci, age: 1h}, {source: trivy, failed: it died}], expect: allow");
    use("{max_severity: medium, from: [ci, trivy]}");
    passes("scan: [{source: ci, age: 1h}], expect: pending, reason: yet of trivy");
    passes("scan: [{source: ci, age: 1h}, {source: trivy, age: 1h}], expect: allow");
}

TEST(N11_a_failed_scan_is_never_served)
{
    use("{max_severity: medium, on_missing: serve}");
    passes("scan: [{source: trivy, failed: it died}], expect: deny");
    use("{max_severity: medium, on_missing: serve, on_error: wait}");
    passes("scan: [{source: trivy, failed: it died}], expect: pending");
    /* a good result holds while it is new enough, whatever came after it */
    passes("scan: [{source: trivy, age: 1h, failed: it died}], expect: allow");
    use("{max_severity: medium, on_missing: serve, max_age: 30m}");
    passes("scan: [{source: trivy, age: 1h, failed: it died}], expect: deny");
}

TEST(N26_what_has_no_packages_passes_where_a_rule_says_so)
{
    use("{max_severity: low}");
    passes("scan: [{source: t, failed: no packages, empty: true}], expect: deny");
    use("{max_severity: low, static: true, database_max_age: 1d, max_age: 1d}");
    passes("scan: [{source: t, failed: no packages, empty: true}], expect: allow");
    passes("scan: [{source: t, failed: it died}], expect: deny");
    passes("scan: [], expect: pending");
    /* it had some once */
    passes("scan: [{source: t, age: 9h, failed: no packages, empty: true, findings: [{id: C, "
           "severity: high}]}], expect: deny");
}

TEST(old_results_and_old_databases_are_missing)
{
    use("{max_severity: medium, max_age: 2h}");
    passes("scan: [{source: trivy, age: 1h}], expect: allow");
    passes("scan: [{source: trivy, age: 2h}], expect: pending, reason: too old is the scan "
           "result of trivy");
    use("{max_severity: medium, database_max_age: 1d, on_missing: deny}");
    passes("scan: [{source: trivy, age: 1h, database_age: 23h}], expect: allow");
    passes("scan: [{source: trivy, age: 1h, database_age: 25h}], expect: deny");
    passes("scan: [{source: trivy, age: 1h}], expect: deny, reason: of unknown age");
    /* what an old one found still denies, where what is missing is served */
    use("{max_severity: medium, max_age: 2h, on_missing: serve}");
    passes("scan: [{source: t, age: 9h, findings: [{id: C, severity: critical}]}], expect: deny");
}

TEST(N25_what_nobody_rated_counts_as_high_later_or_when_it_is_exploited)
{
    use("{max_severity: medium}");
    passes("scan: [{source: t, age: 1h, findings: [{id: C, severity: unknown}]}], expect: allow");
    passes("scan: [{source: t, age: 71h, findings: [{id: C, severity: unknown}]}], expect: allow");
    passes("scan: [{source: t, age: 72h, findings: [{id: C, severity: unknown}]}], expect: deny, "
           "reason: counts as high");
    passes("scan: [{source: t, age: 1h, findings: [{id: C, severity: unknown, exploited: true}]}],"
           " expect: deny");
    use("{counts: {critical: 0}}");
    passes("scan: [{source: t, age: 72h, findings: [{id: C, severity: unknown}]}], expect: allow");
}

#define LATE                                                                                       \
    "scan: [{source: t, age: 1h, first: 20d, findings: [{id: C, severity: critical, age: 1h}]}], "

TEST(N25_a_new_finding_denies_what_is_new_and_after_a_grace_what_is_not)
{
    use("{max_severity: medium}");
    passes(LATE "here: 20d, expect: allow");
    passes(LATE "expect: deny");            /* it was not here */
    passes(LATE "here: 30m, expect: deny"); /* it came after the finding */
    passes("scan: [{source: t, age: 25h, first: 20d, findings: [{id: C, severity: critical, age: "
           "25h}]}], here: 20d, expect: deny");
    /* found by the first scan, though it was linked before that: it was never let in */
    passes("scan: [{source: t, age: 1h, findings: [{id: C, severity: critical}]}], here: 2h, "
           "expect: deny");
    use("{max_severity: medium, grace: none}");
    passes(LATE "here: 20d, expect: deny");
    use("{max_severity: medium, grace: 30m}");
    passes(LATE "here: 20d, expect: deny");
}

TEST(N25_the_grace_is_told_and_ends)
{
    const struct facts_finding x = {
        .id = SL("CVE-1"), .severity = FACTS_CRITICAL, .since_s = 999000, .package = SL("p")};
    const struct facts_scan s = {
        .source = SL("t"), .good_s = 999000, .first_s = 1000, .findings = &x, .nfindings = 1};
    struct facts f = facts_of(&s, 1);
    struct policy_verdict v;

    f.here_s = 2000;
    use("{max_severity: low, grace: 1h}");
    policy_decide(policy, &f, &arena, &v);
    assert_true(v.decision == POLICY_ALLOW && v.not_after_s == 999000 + 3600);
    assert_non_null(memmem(v.observed.p, v.observed.n, "CVE-1", 5));
}

TEST(what_is_settled_or_excluded_or_cannot_be_fixed_does_not_count)
{
    use("{max_severity: low}");
    passes("scan: [{source: t, age: 1h, findings: [{id: C, severity: high, settled: true}]}], "
           "expect: allow");
    use("{max_severity: low, exclude: [cve-1]}");
    passes(FOUND("high") ", expect: allow");
    use("{max_severity: low, fixable_only: true}");
    passes(FOUND("high") ", expect: allow");
    passes("scan: [{source: t, age: 1h, findings: [{id: C, severity: high, fixed: v2}]}], "
           "expect: deny, reason: fixed in v2");
}

TEST(what_is_exploited_denies_whatever_it_is_rated)
{
    use("{max_severity: critical, exploited: deny, fixable_only: true}");
    passes("scan: [{source: t, age: 1h, findings: [{id: C, severity: low, exploited: true}]}], "
           "expect: deny, reason: known to be exploited");
    passes("scan: [{source: t, age: 1h, findings: [{id: C, severity: low}]}], expect: allow");
}

TEST(a_verdict_ends_when_what_it_rests_on_does)
{
    struct facts_finding x = {
        .id = SL("CVE-1"), .severity = FACTS_CRITICAL, .since_s = 1000, .settled_until_s = 1000100};
    struct facts_scan s = {.source = SL("t"),
                           .good_s = 999000,
                           .first_s = 999000,
                           .database_s = 998000,
                           .findings = &x,
                           .nfindings = 1};
    const struct facts f = facts_of(&s, 1);
    struct policy_verdict v;

    use("{max_severity: low, max_age: 1h, database_max_age: 1d}");
    policy_decide(policy, &f, &arena, &v);
    assert_true(v.decision == POLICY_ALLOW && v.not_after_s == 1000100); /* the waiver's end */
    x.settled_until_s = INT64_MAX;
    policy_decide(policy, &f, &arena, &v);
    assert_true(v.not_after_s == 999000 + 3600);
    x.settled_until_s = 1000000;
    policy_decide(policy, &f, &arena, &v);
    assert_true(v.decision == POLICY_DENY);
    x = (struct facts_finding){.id = SL("C"), .since_s = 1000000 - SCANS_UNKNOWN_S + 60};
    policy_decide(policy, &f, &arena, &v);
    assert_true(v.decision == POLICY_ALLOW && v.not_after_s == 1000060);
}

TEST(what_cannot_be_listed_counts_and_what_cannot_be_read_waits)
{
    struct facts_scan s = {.source = SL("t"), .good_s = 1, .first_s = 1, .unlisted = {[0] = 3}};
    struct facts f = facts_of(&s, 1);
    struct policy_verdict v;

    use("{max_severity: medium}");
    policy_decide(policy, &f, &arena, &v);
    assert_true(v.decision == POLICY_DENY);
    f.scans_trouble = "the index is damaged";
    policy_decide(policy, &f, &arena, &v);
    assert_true(v.decision == POLICY_PENDING);
    use("{max_severity: medium, on_missing: serve}");
    policy_decide(policy, &f, &arena, &v);
    assert_true(v.decision == POLICY_PENDING);
}

TEST(N09_a_signed_report_counts_if_an_authority_signed_it)
{
    const struct facts_signed a = world_signed('a', FACTS_ATTESTATION, FACTS_BUNDLE);
    const struct facts_signed b = world_signed('b', FACTS_ATTESTATION, FACTS_BUNDLE);
    struct facts_scan s = {.source = SL("attested"), .good_s = 999999, .first_s = 999999, .by = &b};
    const struct facts f = facts_of(&s, 1);
    struct policy_verdict v;

    use("{max_severity: medium, attested_by: [team]}");
    assert_true(policy_wants(policy, &f).attestations && policy_wants(policy, &f).trusts != 0);
    policy_decide(policy, &f, &arena, &v);
    assert_true(v.decision == POLICY_PENDING); /* the author's own word improves nothing */
    s.by = &a;
    policy_decide(policy, &f, &arena, &v);
    assert_true(v.decision == POLICY_ALLOW);
    use("{max_severity: medium, from: [attested, trivy], attested_by: [team]}");
    policy_decide(policy, &f, &arena, &v);
    assert_true(v.decision == POLICY_PENDING);
    use("{max_severity: medium}");
    policy_decide(policy, &f, &arena, &v);
    assert_true(v.decision == POLICY_PENDING);
}

TEST(mistakes_are_told_with_their_place)
{
    is_refused("{}", "scan needs max_severity");
    is_refused("{max_severity: severe}", "max_severity must be one of: negligible, low");
    is_refused("{max_severity: low, on_missing: allow}", "on_missing must be one of: wait");
    is_refused("{max_severity: low, on_error: serve}", "on_error must be one of: wait, deny");
    is_refused("{counts: {severe: 1}}", "severe");
    is_refused("{counts: {high: -1}}", "negative");
    is_refused("{max_severity: low, max_age: soon}", "max_age must be a time");
    is_refused("{max_severity: low, grace: 0}", "grace must be a time");
    is_refused("{max_severity: low, from: [attested]}", "attested_by has to say");
    is_refused("{max_severity: low, from: [ci, ci]}", "stands in from twice");
    is_refused("{max_severity: low, from: [trivy], attested_by: [team]}", "of no use");
    is_refused("{max_severity: low, exclude: []}", "exclude must be a list");
    is_refused("{max_severity: low, surprise: 1}", "surprise");
}

TEST(what_each_source_found_is_explained)
{
    const struct facts_finding all[] = {
        {.id = SL("CVE-1"), .severity = FACTS_CRITICAL, .settled_until_s = INT64_MAX},
        {.id = SL("CVE-2"), .severity = FACTS_LOW}};
    const struct facts_scan scans[] = {
        {.source = SL("grype"), .failed_s = 999940, .failed = SL("it died")},
        {.source = SL("trivy"),
         .good_s = 1000000 - 7200,
         .first_s = 1000,
         .database_s = 1000000 - 172800,
         .findings = all,
         .nfindings = 2}};
    const struct facts f = facts_of(scans, 2);
    struct policy_verdict v;

    use("{max_severity: low, from: [trivy]}");
    explain_put_text(explain_decision(policy, &f, &arena, &v), f.now_s, &out);
    (void)pg_buf_put(&out, (struct sl){"", 1});
    assert_int_equal(v.decision, POLICY_ALLOW);
    assert_non_null(strstr(out.p,
                           "[-] scan trivy: 1 critical, 1 low, of which 1 settled by waivers "
                           "or VEX; reported 2 hours ago, with a database made 2 days ago"));
    assert_non_null(strstr(out.p, "[-] scan grype: failed 1 minutes ago: it died"));
}

TEST(the_policy_is_told_in_words)
{
    use("{max_severity: medium, counts: {medium: 3}, exploited: deny, from: [trivy], max_age: 2d}");
    explain_put_policy(policy, &out);
    assert_non_null(memmem(out.p, out.n,
                           "a scan that finds nothing critical, nothing high, at most "
                           "3 medium, nothing that is exploited, by trivy, not older "
                           "than 2d",
                           strlen("a scan that finds nothing critical, nothing high, at most 3 "
                                  "medium, nothing that is exploited, by trivy, not older than "
                                  "2d")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(nothing_worse_than_the_severity_passes),
        T(counts_are_upper_limits),
        T(what_is_missing_waits_or_is_served_or_is_denied),
        T(what_is_served_without_a_scan_says_so_and_asks_for_one),
        T(N09_the_worst_source_wins),
        T(N11_a_failed_scan_is_never_served),
        T(N26_what_has_no_packages_passes_where_a_rule_says_so),
        T(old_results_and_old_databases_are_missing),
        T(N25_what_nobody_rated_counts_as_high_later_or_when_it_is_exploited),
        T(N25_a_new_finding_denies_what_is_new_and_after_a_grace_what_is_not),
        T(N25_the_grace_is_told_and_ends),
        T(what_is_settled_or_excluded_or_cannot_be_fixed_does_not_count),
        T(what_is_exploited_denies_whatever_it_is_rated),
        T(a_verdict_ends_when_what_it_rests_on_does),
        T(what_cannot_be_listed_counts_and_what_cannot_be_read_waits),
        T(N09_a_signed_report_counts_if_an_authority_signed_it),
        T(mistakes_are_told_with_their_place),
        T(what_each_source_found_is_explained),
        T(the_policy_is_told_in_words),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
