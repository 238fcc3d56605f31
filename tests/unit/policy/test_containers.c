/* SPDX-License-Identifier: Apache-2.0 */
/* containers-policy.json means here what it means to podman. */
#include "harness/test.h"

#include "harness/policy_world.h"
#include "policy/policy.h"

static struct pg_arena arena;

static void refused(const char *text, const char *why)
{
    struct policy *p = NULL;
    struct pg_err err = {0};

    if (policy_load("f", sl_str(text), &world, &p, &err) == 0) {
        policy_unref(p);
        fail_msg("this loads: %s", text);
    }
    if (strstr(err.msg, why) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.msg, why);
    }
    pg_err_clear(&err);
}

static struct policy *policy_of(const char *text)
{
    struct pg_err err = {0};
    struct policy *p;

    if (policy_load("f", sl_str(text), &world, &p, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    return p;
}

static struct policy_verdict decided(const struct policy *p, const struct facts *f)
{
    struct policy_verdict v;

    policy_decide(p, f, &arena, &v);
    return v;
}

#define YES            "[{\"type\":\"insecureAcceptAnything\"}]"
#define NO             "[{\"type\":\"reject\"}]"
#define DOCKER(scopes) "{\"default\":" NO ",\"transports\":{\"docker\":{" scopes "}}}"
#define SIGNED(more)   "[{\"type\":\"sigstoreSigned\"," more "}]"
#define KEY            "\"keyPath\":\"a.pub\""

TEST(N17_the_longest_scope_wins_alone)
{
    struct policy *p =
        policy_of(DOCKER("\"docker.io/library/app:v1\":" YES ",\"docker.io/library/app\":" NO
                         ",\"docker.io/library\":" YES ",\"docker.io\":" NO ",\"ghcr.io\":" YES
                         ",\"*.example.com\":" YES ",\"x.example.com\":" NO
                         ",\"*.b.example.com\":" NO ",\"ghcr.io/a/b@sha256:"
                         "0101010101010101010101010101010101010101010101010101010101010101\":" NO));
    static const struct {
        const char *repository, *tag;
        uint8_t digest;
        bool allowed;
    } rows[] = {
        {"docker.io/library/app", "v1", 0, true},
        {"docker.io/library/app", "v2", 0, false},
        {"docker.io/library/app", NULL, 0, false},
        {"docker.io/library/other", "v1", 0, true},
        {"docker.io/library/app/sub", "v1", 0, false},
        {"docker.io/libraryx/app", "v1", 0, false},
        {"docker.io/acme/app", "v1", 0, false},
        {"ghcr.io/a/b", "v1", 1, true},
        {"ghcr.io/a/b", NULL, 1, false},
        {"ghcr.io/a/b", NULL, 2, true},
        {"ghcr.io/a/b/c", NULL, 1, true},
        {"y.example.com/a", "v1", 0, true},
        {"x.example.com/a", "v1", 0, false},
        {"a.b.example.com/a", "v1", 0, false},
        {"example.com/a", "v1", 0, false},
        {"quay.io/a/b", "v1", 0, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct facts f = {.repository = sl_str(rows[i].repository), .tag = sl_str(rows[i].tag)};
        memset(f.digest.bytes, rows[i].digest, 32);
        struct policy_verdict v = decided(p, &f);
        if (v.decision != (rows[i].allowed ? POLICY_ALLOW : POLICY_DENY)) {
            fail_msg("row %zu: %s is decided by " SL_FMT, i, rows[i].repository, SL_ARG(v.rule));
        }
    }
    policy_unref(p);
}

TEST(N02_who_asks_by_digest_is_held_to_the_tags_scope_too)
{
    struct policy *p =
        policy_of(DOCKER("\"docker.io/library/app:v1\":" NO ",\"docker.io/library/app\":" YES));
    struct sl known[] = {SL("v0"), SL("v1")};
    struct facts f = {.repository = SL("docker.io/library/app"), .known_tags = known};

    assert_int_equal(decided(p, &f).decision, POLICY_ALLOW);
    f.nknown_tags = 1;
    assert_int_equal(decided(p, &f).decision, POLICY_ALLOW);
    f.nknown_tags = 2;
    assert_int_equal(decided(p, &f).decision, POLICY_DENY);
    policy_unref(p);
}

TEST(all_requirements_of_a_scope_must_hold)
{
    struct policy *p = policy_of(DOCKER("\"docker.io\":[{\"type\":\"sigstoreSigned\"," KEY
                                        "},{\"type\":\"sigstoreSigned\","
                                        "\"keyPaths\":[\"b.pub\",\"c.pub\"]}]"));
    struct facts_signed s[] = {world_signed('a', FACTS_SIGNATURE, FACTS_SIMPLE),
                               world_signed('c', FACTS_SIGNATURE, FACTS_SIMPLE)};
    struct facts f = {.repository = SL("docker.io/library/app"), .is_signed = s, .nsigned = 1};
    struct policy_wants w = policy_wants(p, &f);

    assert_true(w.governed && w.simple && !w.bundle && !w.notation && !w.attestations);
    s[0].reference = s[1].reference = SL("docker.io/library/app");
    assert_int_equal(decided(p, &f).decision, POLICY_DENY);
    f.nsigned = 2;
    assert_int_equal(decided(p, &f).decision, POLICY_ALLOW);
    s[1].format = FACTS_BUNDLE;
    assert_int_equal(decided(p, &f).decision, POLICY_DENY);
    policy_unref(p);
}

#define WITH(identity) DOCKER("\"docker.io\":" SIGNED(KEY ",\"signedIdentity\":{" identity "}"))
#define APP            "docker.io/library/app"

TEST(signed_identity_in_all_forms)
{
    static const struct {
        const char *policy, *tag, *reference;
        bool allowed;
    } rows[] = {
        {DOCKER("\"docker.io\":" SIGNED(KEY)), NULL, APP, true},
        {DOCKER("\"docker.io\":" SIGNED(KEY)), NULL, "index." APP, true},
        {DOCKER("\"docker.io\":" SIGNED(KEY)), NULL, "app:v7", true},
        {DOCKER("\"docker.io\":" SIGNED(KEY)), NULL, APP "2", false},
        {DOCKER("\"docker.io\":" SIGNED(KEY)), "v1", APP, false},
        {DOCKER("\"docker.io\":" SIGNED(KEY)), "v1", APP ":v1", true},
        {DOCKER("\"docker.io\":" SIGNED(KEY)), "v1", APP ":v2", false},
        {DOCKER("\"docker.io\":" SIGNED(KEY)), NULL, "", false},
        {WITH("\"type\":\"matchExact\""), "v1", APP ":v1", true},
        {WITH("\"type\":\"matchExact\""), NULL, APP, false},
        {WITH("\"type\":\"matchRepository\""), "v1", APP, true},
        {WITH("\"type\":\"matchRepository\""), "v1", "ghcr.io/a/b", false},
        {WITH("\"type\":\"exactReference\",\"dockerReference\":\"quay.io/v/app:9\""), "v1",
         "quay.io/v/app:9", true},
        {WITH("\"type\":\"exactReference\",\"dockerReference\":\"quay.io/v/app:9\""), "v1",
         "quay.io/v/app:8", false},
        {WITH("\"type\":\"exactRepository\",\"dockerRepository\":\"quay.io/v/app\""), "v1",
         "quay.io/v/app:8", true},
        {WITH("\"type\":\"exactRepository\",\"dockerRepository\":\"quay.io/v/app\""), "v1", APP,
         false},
        {WITH("\"type\":\"remapIdentity\",\"prefix\":\"docker.io/library\",\"signedPrefix\":"
              "\"vendor.io/prod\""),
         "v1", "vendor.io/prod/app:v1", true},
        {WITH("\"type\":\"remapIdentity\",\"prefix\":\"docker.io/library\",\"signedPrefix\":"
              "\"vendor.io/prod\""),
         "v1", APP ":v1", false},
        {WITH("\"type\":\"remapIdentity\",\"prefix\":\"docker.io/lib\",\"signedPrefix\":"
              "\"vendor.io/prod\""),
         "v1", APP ":v1", true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct policy *p = policy_of(rows[i].policy);
        struct facts_signed s = world_signed('a', FACTS_SIGNATURE, FACTS_SIMPLE);
        struct facts f = {
            .repository = SL(APP), .tag = sl_str(rows[i].tag), .is_signed = &s, .nsigned = 1};
        s.reference = sl_str(rows[i].reference);
        struct policy_verdict v = decided(p, &f);
        if (v.decision != (rows[i].allowed ? POLICY_ALLOW : POLICY_DENY)) {
            fail_msg("row %zu: " SL_FMT, i, SL_ARG(v.reason));
        }
        policy_unref(p);
    }
}

TEST(why_a_pull_by_tag_fails_is_told)
{
    struct policy *p = policy_of(DOCKER("\"docker.io\":" SIGNED(KEY)));
    struct facts_signed s = world_signed('a', FACTS_SIGNATURE, FACTS_SIMPLE);
    struct facts f = {.repository = SL(APP), .tag = SL("v1"), .is_signed = &s, .nsigned = 1};

    s.reference = SL(APP);
    assert_non_null(strstr(decided(p, &f).reason.p, "pull by digest, or use matchRepository"));
    policy_unref(p);
}

#define FULCIO                                                                                     \
    "\"fulcio\":{\"caData\":\"YWJj\",\"oidcIssuer\":\"https://i\",\"subjectEmail\":\"a@b\"}"

TEST(fulcio_is_an_email_of_an_issuer_in_the_log)
{
    struct policy *p =
        policy_of(DOCKER("\"docker.io\":" SIGNED(FULCIO ",\"rekorPublicKeyPath\":\"r.pub\"")));
    struct facts_signed s = world_identity(SL("https://i"), FACTS_SAN_EMAIL, SL("a@b"));
    struct facts f = {.repository = SL(APP), .is_signed = &s, .nsigned = 1};

    s.format = FACTS_SIMPLE;
    s.reference = SL(APP);
    s.nscts = 0;
    s.trust = 2;
    assert_int_equal(policy_wants(p, &f).trusts, 4);
    assert_int_equal(decided(p, &f).decision, POLICY_ALLOW);
    s.san = FACTS_SAN_URI;
    assert_int_equal(decided(p, &f).decision, POLICY_DENY);
    s.san = FACTS_SAN_EMAIL;
    s.nlogs = 0;
    assert_int_equal(decided(p, &f).decision, POLICY_DENY);
    s.nlogs = 1;
    s.trust = 0;
    assert_int_equal(decided(p, &f).decision, POLICY_DENY);
    policy_unref(p);
}

TEST(what_cannot_be_honoured_is_refused)
{
    refused("{\"default\":[]}", "1 to 16 requirements");
    refused("{\"transports\":{}}", "needs default");
    refused("{\"default\":" YES ",\"more\":1}", "unknown key \"more\"");
    refused("{\"default\":[{\"type\":\"maybe\"}]}", "type is insecureAcceptAnything");
    refused("{\"default\":[{\"type\":\"reject\",\"why\":1}]}", "unknown key \"why\"");
    refused("{\"default\":[{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\"}]}", "GPG");
    refused("{\"default\":" SIGNED("\"pki\":{}") "}", "one's own authority");
    refused("{\"default\":" SIGNED("\"keyPath\":\"a\",\"keyData\":\"YWJj\"") "}", "only one of");
    refused("{\"default\":" SIGNED("\"keyPath\":\"a\"," FULCIO) "}", "exactly one of");
    refused("{\"default\":" SIGNED(FULCIO) "}", "rekorPublicKeyPath");
    refused("{\"default\":" SIGNED("\"keyPaths\":[]") "}", "not empty");
    refused("{\"default\":" SIGNED("\"keyData\":\"a\"") "}", "not base64");
    refused("{\"default\":" SIGNED("\"keyPath\":\"gone\"") "}", "cannot open gone");
    refused("{\"default\":" SIGNED("\"Keypath\":\"a\"") "}", "unknown key \"Keypath\"");
    refused(WITH("\"type\":\"any\""), "signedIdentity has a type");
    refused(WITH("\"type\":\"exactReference\""), "needs dockerReference");
    refused(WITH("\"type\":\"matchExact\",\"prefix\":\"a\""), "unknown key \"prefix\"");
    refused(DOCKER("\"index.docker.io/library/nginx\":" YES), "the hub's is docker.io");
    refused(DOCKER("\"docker.io\":" YES ",\"docker.io\":" NO), "twice");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(N17_the_longest_scope_wins_alone),
        RUN(N02_who_asks_by_digest_is_held_to_the_tags_scope_too),
        RUN(all_requirements_of_a_scope_must_hold),
        RUN(signed_identity_in_all_forms),
        RUN(why_a_pull_by_tag_fails_is_told),
        RUN(fulcio_is_an_email_of_an_issuer_in_the_log),
        RUN(what_cannot_be_honoured_is_refused),
    };

    pg_hash_setup();
    pg_arena_init(&arena, (size_t)16 << 20);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    pg_arena_free(&arena);
    return rc;
}
