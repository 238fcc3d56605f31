/* SPDX-License-Identifier: Apache-2.0 */
/* OPA in a policy: what may be written, when it is asked, what its answers mean, what it is told.
 */
#include "harness/test.h"

#include <stdio.h>

#include "harness/policy_world.h"

#include "base/hash.h"
#include "base/json.h"
#include "policy/contrast.h"
#include "policy/document.h"
#include "policy/explain.h"
#include "policy/lint.h"
#include "policy/opa.h"

#define RULES                                                                                      \
    "rules:\n- name: a\n  match: {repositories: [nginx]}\n  require: {platforms: [linux/amd64]}\n"
#define OPA "default: allow\n" RULES "opa: {url: 'http://127.0.0.1:1', path: a/b%s}\n"

static struct pg_arena arena;
static struct facts facts;
static struct facts_content content;

static void assert_sl(struct sl got, const char *wanted)
{
    if (!sl_eq(got, sl_str(wanted))) {
        fail_msg("\"" SL_FMT "\" is not \"%s\"", SL_ARG(got), wanted);
    }
}

static int setup(void **state)
{
    (void)state;
    pg_arena_init(&arena, (size_t)1 << 20);
    content = (struct facts_content){.shape = FACTS_IMAGE, .platform = SL("linux/amd64")};
    facts = (struct facts){
        .repository = SL("docker.io/library/nginx"), .tag = SL("v1"), .content = &content};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pg_arena_free(&arena);
    return 0;
}

static struct policy *load(const char *more, struct pg_err *err)
{
    char text[2000];
    struct policy *p = NULL;

    (void)snprintf(text, sizeof(text), OPA, more);
    return policy_load("f", sl_str(text), &world, &p, err) == 0 ? p : NULL;
}

static struct policy *loaded(const char *more)
{
    struct pg_err err = {0};
    struct policy *p = load(more, &err);

    if (p == NULL) {
        fail_msg("%s", err.msg);
    }
    return p;
}

static struct policy_verdict decided(const struct policy *p)
{
    struct policy_verdict v;

    policy_decide(p, &facts, &arena, &v);
    return v;
}

/* With on_error: wait. */
static struct policy_verdict after(const char *answer)
{
    struct policy *p = loaded("");
    struct facts_opinion o;
    struct policy_verdict v;

    opa_read(sl_str(answer), &arena, &o);
    facts.opinion = &o;
    v = decided(p);
    policy_unref(p);
    facts.opinion = NULL;
    return v;
}

static void refused(const char *text, const char *why)
{
    struct policy *p = NULL;
    struct pg_err err = {0};

    assert_int_equal(policy_load("f", sl_str(text), &world, &p, &err), -1);
    if (strstr(err.msg, why) == NULL || strncmp(err.msg, "f:", 2) != 0) {
        fail_msg("\"%s\" says nothing of \"%s\"", err.msg, why);
    }
    pg_err_clear(&err);
}

static void test_what_may_be_written(void **state)
{
    (void)state;
    struct policy *p = loaded("");
    const struct opa *o = policy_opa(p);

    assert_int_equal(o->timeout_ms, 250);
    assert_int_equal(o->cache_ms, 30000);
    assert_true(o->waits);
    policy_unref(p);
    p = loaded(", timeout: 2s, cache: 0s, on_error: deny");
    o = policy_opa(p);
    assert_int_equal(o->timeout_ms, 2000);
    assert_int_equal(o->cache_ms, 0);
    assert_false(o->waits);
    policy_unref(p);
}

static void test_what_may_not(void **state)
{
    static const char *const urls[] = {
        "",           "127.0.0.1:8181", "ftp://h",       "http://", "http://a/b", "http://user@h",
        "http://h?x", "http://h h",     "unix:opa.sock", "unix:/",  "unix:/a b"};
    static const char *const paths[] = {"", "/a", "a/", "a//b", "a.b", "a?b", "a/../b"};
    static const char *const times[] = {"9ms", "11s", "1", "1m", "-1s", "99999999s"};
    char text[400];

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        (void)snprintf(text, sizeof(text), "default: allow\nopa: {url: '%s', path: a/b}\n",
                       urls[i]);
        refused(text, "opa needs url");
    }
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        (void)snprintf(text, sizeof(text), "default: allow\nopa: {url: 'http://h', path: '%s'}\n",
                       paths[i]);
        refused(text, "opa needs path");
    }
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        (void)snprintf(text, sizeof(text),
                       "default: allow\nopa: {url: 'http://h', path: a, timeout: %s}\n", times[i]);
        refused(text, "f:2:42: timeout must be a time from 10ms to 10s");
    }
    refused("default: allow\nopa: {url: 'http://h', path: a, cache: 61s}\n", "cache must be");
    refused("default: allow\nopa: {url: 'http://h', path: a, on_error: allow}\n", "on_error");
    refused("default: allow\nopa: {url: 'http://h', path: a, key: b}\n", "key");
    refused("default: allow\nopa: x\n", "opa");
}

static void test_it_is_asked_of_what_all_rules_allow(void **state)
{
    (void)state;
    struct policy *p = loaded("");
    struct policy_verdict v = decided(p);

    assert_int_equal(v.decision, POLICY_PENDING);
    assert_true(v.asks_opa);
    content.platform = SL("linux/arm64");
    v = decided(p);
    assert_int_equal(v.decision, POLICY_DENY);
    assert_false(v.asks_opa);
    assert_sl(v.rule, "a");
    facts.repository = SL("docker.io/library/other"); /* no rule speaks of it */
    struct policy_wants w = policy_wants(p, &facts);
    assert_true(w.scans && w.governed && w.content && w.tags && w.age && w.signatures);
    assert_true(decided(p).asks_opa);
    policy_unref(p);
}

static void test_N16_only_a_boolean_true_is_yes(void **state)
{
    static const char *const no[] = {
        "{}",
        "{\"result\":null}",
        "{\"result\":{}}",
        "{\"result\":true}",
        "{\"result\":[]}",
        "{\"result\":{\"allow\":\"true\"}}",
        "{\"result\":{\"allow\":1}}",
        "{\"result\":{\"allow\":null}}",
        "{\"result\":{\"allow\":false,\"reasons\":\"x\"}}",
        "{\"result\":{\"reasons\":[]},\"allow\":true}",
    };
    static const char *const nothing[] = {
        "",
        "x",
        "[]",
        "{\"result\":{\"allow\":true}",
        "{\"result\":{\"allow\":true,\"allow\":true}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        struct policy_verdict v = after(no[i]);
        assert_int_equal(v.decision, POLICY_DENY);
        assert_sl(v.rule, "opa");
    }
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        assert_int_equal(after(nothing[i]).decision, POLICY_PENDING);
    }
    assert_int_equal(after("{\"result\":{\"allow\":true}}").decision, POLICY_ALLOW);
}

static void test_reasons_are_bounded_and_plain(void **state)
{
    struct facts_opinion o;
    struct pg_buf b;

    (void)state;
    struct policy_verdict v =
        after("{\"result\":{\"allow\":false,\"reasons\":[\"a\\u0007b\",7,\"c\"]}}");
    assert_sl(v.reason, "OPA denies it: a b; c");
    pg_buf_init(&b, 100000);
    (void)pg_buf_put(&b, SL("{\"result\":{\"allow\":false,\"reasons\":["));
    for (int i = 0; i < 100; i++) {
        (void)pg_buf_printf(&b, "%s\"%0400d\"", i > 0 ? "," : "", i);
    }
    (void)pg_buf_put(&b, SL("]}}"));
    opa_read(pg_buf_sl(&b), &arena, &o);
    assert_int_equal(o.nreasons, OPA_REASONS_MAX);
    assert_int_equal(o.reasons[0].n, OPA_REASON_MAX);
    pg_buf_free(&b);
}

static void test_a_no_by_facts_that_could_not_be_had_waits(void **state)
{
    (void)state;
    facts.state = FACTS_FAILED;
    assert_int_equal(after("{\"result\":{\"allow\":false}}").decision, POLICY_PENDING);
    assert_int_equal(after("{\"result\":{\"allow\":true}}").decision, POLICY_ALLOW);
}

static void test_on_error_deny(void **state)
{
    const struct facts_opinion o = {.trouble = "no route", .revision = SL("")};
    struct policy *p = loaded(", on_error: deny");

    (void)state;
    facts.opinion = &o;
    struct policy_verdict v = decided(p);
    assert_int_equal(v.decision, POLICY_DENY);
    assert_sl(v.reason, "OPA was asked in vain: no route");
    policy_unref(p);
}

static void test_what_it_is_told(void **state)
{
    static const struct facts_pair label = {SL("a\"b"), SL("c\xff")}, env = {SL("TOKEN"), SL("s3")};
    static const struct sl tags[] = {SL("v1"), SL("v2")};
    const struct facts_signed by[] = {
        {.kind = FACTS_SIGNATURE, .signer = FACTS_BY_KEY, .key_id = SL("ab"), .nlogs = 1},
        {.kind = FACTS_ATTESTATION,
         .signer = FACTS_BY_IDENTITY,
         .issuer = SL("i"),
         .subject = SL("s"),
         .predicate_type = SL("p"),
         .signed_at_s = 1800000000,
         .inherited = true}};
    struct pg_err err = {0};
    _json_ json_t *root = NULL;
    struct pg_buf b;

    (void)state;
    content.labels = &label;
    content.env = &env;
    content.nlabels = content.nenv = 1;
    facts.known_tags = tags;
    facts.nknown_tags = 2;
    facts.is_signed = by;
    facts.nsigned = 2;
    facts.since_s = 1800000000;
    pg_buf_init(&b, DOCUMENT_BYTES_MAX);
    document_put(&facts, FACTS_HIGH, &b);
    assert_int_equal(pg_json_parse(pg_buf_sl(&b), PG_E_UPSTREAM_WRONG, &root, &err), 0);
    assert_null(memmem(b.p, b.n, "s3", 2)); /* values of variables stay here */
    const json_t *image = json_object_get(root, "image");
    assert_sl(pg_json_str(image, "registry"), "docker.io");
    assert_sl(pg_json_str(image, "known_since"), "2027-01-15T08:00:00.000Z");
    assert_int_equal(json_array_size(json_object_get(image, "tags")), 2);
    const json_t *second = json_array_get(json_object_get(root, "signed"), 1);
    assert_sl(pg_json_str(second, "by"), "identity");
    assert_sl(pg_json_str(second, "predicate_type"), "p");
    assert_true(json_is_true(json_object_get(second, "inherited")));
    pg_buf_free(&b);
}

static void test_N16_a_filter_of_findings_is_never_silent(void **state)
{
    struct facts_finding found[300] = {0};
    struct facts_scan scan = {.source = SL("trivy"),
                              .good_s = 1800000000,
                              .findings = found,
                              .nfindings = 300,
                              .unlisted = {[FACTS_HIGH] = 7}};
    struct pg_err err = {0};
    _json_ json_t *root = NULL;
    struct pg_buf b;

    (void)state;
    for (size_t i = 0; i < 300; i++) {
        found[i] = (struct facts_finding){.id = SL("CVE-1"),
                                          .package = SL("p"),
                                          .version = SL("1"),
                                          .severity = i < 100 ? FACTS_HIGH : FACTS_LOW};
    }
    found[99].severity = FACTS_CRITICAL;
    found[0].settled_until_s = 2000;
    found[200].is_exploited = true;
    found[201].severity = FACTS_UNKNOWN;
    facts.now_s = 1000;
    facts.scans = &scan;
    facts.nscans = 1;
    pg_buf_init(&b, DOCUMENT_BYTES_MAX);
    document_put(&facts, FACTS_HIGH, &b);
    assert_int_equal(pg_json_parse(pg_buf_sl(&b), PG_E_UPSTREAM_WRONG, &root, &err), 0);
    const json_t *s = json_array_get(json_object_get(root, "scans"), 0);
    const json_t *open = json_object_get(s, "open"), *told = json_object_get(s, "findings");
    assert_int_equal(json_integer_value(json_object_get(open, "high")), 98 + 7);
    assert_int_equal(json_integer_value(json_object_get(open, "critical")), 1);
    assert_int_equal(json_integer_value(json_object_get(open, "low")), 199);
    assert_int_equal(json_integer_value(json_object_get(open, "unknown")), 1);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(s, "settled"), "high")), 1);
    assert_int_equal(json_array_size(told), DOCUMENT_FOUND_MAX);
    assert_int_equal(json_integer_value(json_object_get(s, "told")), DOCUMENT_FOUND_MAX);
    assert_int_equal(json_integer_value(json_object_get(s, "of")), 98 + 1 + 2);
    assert_sl(pg_json_str(json_array_get(told, 0), "severity"), "critical");
    facts.now_s = 3000; /* what was settled is open again: another document */
    pg_buf_clear(&b);
    document_put(&facts, FACTS_CRITICAL, &b);
    assert_non_null(memmem(b.p, b.n, "\"high\":106", 10));
    assert_non_null(memmem(b.p, b.n, "\"told\":3,\"of\":3", 15));
    pg_buf_free(&b);
}

static void test_lint_diff_and_explain_tell_of_it(void **state)
{
    struct policy *a = loaded(""), *b = loaded(", cache: 1s");
    struct policy *c = NULL;
    struct pg_err err = {0};
    struct pg_buf out;
    struct policy_verdict v;

    (void)state;
    pg_buf_init(&out, 10000);
    assert_int_equal(contrast_policies(a, a, &out), 0);
    assert_int_equal(contrast_policies(a, b, &out), 1);
    assert_non_null(memmem(out.p, out.n, "cache 1000ms", 12));
    pg_buf_clear(&out);
    assert_int_equal(lint_policy("f", a, &out), 0);
    assert_int_equal(policy_load("f", SL("default: deny\nopa: {url: 'http://opa.lan', path: a}\n"),
                                 &world, &c, &err),
                     0);
    assert_int_equal(lint_policy("f", c, &out), 2);
    assert_non_null(memmem(out.p, out.n, "without TLS", 11));
    assert_non_null(memmem(out.p, out.n, "never asked", 11));
    pg_buf_clear(&out);
    explain_put_text(explain_decision(a, &facts, &arena, &v), 0, &out);
    assert_non_null(memmem(out.p, out.n, "[not yet] opa a/b", 17));
    pg_buf_free(&out);
    policy_unref(a);
    policy_unref(b);
    policy_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_may_be_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_may_not, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_is_asked_of_what_all_rules_allow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_N16_only_a_boolean_true_is_yes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reasons_are_bounded_and_plain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_no_by_facts_that_could_not_be_had_waits, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_on_error_deny, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_it_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_N16_a_filter_of_findings_is_never_silent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_lint_diff_and_explain_tell_of_it, setup, teardown),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
