/* SPDX-License-Identifier: Apache-2.0 */
/* Rules and facts: what is decided, by which rule, why, and what would help. */
#include "harness/test.h"

#include "harness/policy_world.h"
#include "policy/policy.h"

#define NGINX     SL("docker.io/library/nginx")
#define RULE      "default: deny\nrules:\n- name: a\n  match: {repositories: [nginx]}\n"
#define KEYED     RULE "  require: {signature: {any_of: [{key: a.pub}]}}\n"
#define SIGNED(k) world_signed(k, FACTS_SIGNATURE, FACTS_SIMPLE)

static struct pg_arena arena;

static struct policy *policy_of(const char *text)
{
    struct pg_err err = {0};
    struct policy *p;

    if (policy_load("f", sl_str(text), &world, &p, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    return p;
}

static struct policy_verdict decided(const char *text, const struct facts *f)
{
    struct policy *p = policy_of(text);
    struct policy_verdict v;

    policy_decide(p, f, &arena, &v);
    v.rule = pg_copy(&arena, v.rule); /* the policy goes */
    policy_unref(p);
    return v;
}

static struct policy_verdict decided_of(const char *text, const struct facts_signed *s, size_t n)
{
    struct facts f = {
        .repository = NGINX, .tag = SL("v1"), .now_s = 5000, .is_signed = s, .nsigned = n};

    return decided(text, &f);
}

static void is_denied(struct policy_verdict v, const char *rule, const char *reason)
{
    assert_int_equal(v.decision, POLICY_DENY);
    assert_string_equal(v.rule.p, rule);
    if (strstr(v.reason.p, reason) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", v.reason.p, reason);
    }
    assert_true(v.remedy.n > 0);
}

TEST(one_key)
{
    struct facts_signed a = SIGNED('a'), b = SIGNED('b');

    assert_int_equal(decided_of(KEYED, &a, 1).decision, POLICY_ALLOW);
    is_denied(decided_of(KEYED, NULL, 0), "a",
              "wanted is a signature by key a.pub (aaaaaaaaaaaaaaaa...); none was found");
    is_denied(decided_of(KEYED, &b, 1), "a", "what was found is by key bbbbbbbbbbbbbbbb...");
}

TEST(N02_what_no_rule_speaks_of_gets_the_default)
{
    struct facts f = {.repository = SL("ghcr.io/x/y"), .tag = SL("v1")};

    is_denied(decided(KEYED, &f), "default", "no rule speaks of it");
    assert_int_equal(decided("default: allow\n", &f).decision, POLICY_ALLOW);
}

TEST(N02_a_tags_rule_holds_for_its_digest_too)
{
    const char *text = "default: allow\nrules:\n- name: a\n"
                       "  match: {repositories: [nginx], tags: ['v*']}\n"
                       "  require: {signature: {any_of: [{key: a.pub}]}}\n";
    struct sl known[] = {SL("latest"), SL("v1")};
    struct facts f = {.repository = NGINX, .tag = SL("v2")};

    is_denied(decided(text, &f), "a", "wanted");
    f.tag = SL("latest");
    assert_int_equal(decided(text, &f).decision, POLICY_ALLOW);
    f.tag = (struct sl){NULL, 0};
    assert_int_equal(decided(text, &f).decision, POLICY_ALLOW);
    f.known_tags = known;
    f.nknown_tags = 2;
    is_denied(decided(text, &f), "a", "wanted");
    f.tag = SL("latest"); /* D06: another tag of the same image */
    is_denied(decided(text, &f), "a", "wanted");
}

TEST(N02_a_tag_that_is_denied_binds_pulls_by_tag_alone)
{
    const char *text = "default: allow\nrules:\n- name: no-latest\n  description: say which one\n"
                       "  match: {repositories: ['**'], tags: [latest]}\n  action: deny\n";
    struct sl known[] = {SL("latest")};
    struct facts f = {.repository = NGINX, .tag = SL("latest")};

    is_denied(decided(text, &f), "no-latest", "say which one");
    f.tag = (struct sl){NULL, 0};
    f.known_tags = known;
    f.nknown_tags = 1;
    assert_int_equal(decided(text, &f).decision, POLICY_ALLOW);
    f.tag = SL("v1");
    assert_int_equal(decided(text, &f).decision, POLICY_ALLOW);
}

TEST(a_rule_by_digest_binds_it_by_any_name_and_nothing_else)
{
    const char *text =
        "default: allow\nrules:\n- name: d\n  match: {repositories: ['**'], digests:\n"
        "   ['sha256:a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1']}\n"
        "  action: deny\n";
    struct facts f = {.repository = NGINX, .tag = SL("v1"), .digest = {.alg = PG_SHA256}};
    struct policy *p = policy_of(text);

    assert_true(policy_wants(p, &f).tags); /* of a blob it is not known whose it is */
    assert_false(policy_wants(p, &f).forbidden);
    policy_unref(p);
    assert_int_equal(decided(text, &f).decision, POLICY_ALLOW);
    memset(f.digest.bytes, 0xa1, 32);
    is_denied(decided(text, &f), "d", "");
    f.tag = (struct sl){NULL, 0};
    is_denied(decided(text, &f), "d", "");
}

TEST(N02_a_tag_that_is_allowed_opens_no_other_tag)
{
    const char *text = "default: deny\nrules:\n- name: v1\n"
                       "  match: {repositories: ['**'], tags: [v1]}\n  action: allow\n";
    struct sl known[] = {SL("v1")};
    struct facts f = {
        .repository = NGINX, .tag = SL("latest"), .known_tags = known, .nknown_tags = 1};

    is_denied(decided(text, &f), "default", "");
    f.tag = SL("v1");
    assert_int_equal(decided(text, &f).decision, POLICY_ALLOW);
}

TEST(all_rules_that_match_must_hold)
{
    const char *text = KEYED "- name: b\n  match: {repositories: ['docker.io/**']}\n"
                             "  require: {signature: {any_of: [{key: b.pub}]}}\n"
                             "- name: c\n  match: {repositories: ['**']}\n  action: allow\n";
    struct facts_signed both[] = {SIGNED('a'), SIGNED('b')};

    is_denied(decided_of(text, both, 1), "b", "b.pub");
    is_denied(decided_of(text, both + 1, 1), "a", "a.pub");
    assert_int_equal(decided_of(text, both, 2).decision, POLICY_ALLOW);
}

TEST(any_all_and_threshold)
{
    const char *any = RULE "  require: {signature: {any_of: [{key: a.pub}, {key: b.pub}]}}\n";
    const char *all = RULE "  require: {signature: {all_of: [{key: a.pub}, {key: b.pub}]}}\n";
    const char *two = RULE "  require: {signature: {threshold: 2, any_of: [{key: a.pub}, "
                           "{key: b.pub}, {key: c.pub}]}}\n";
    struct facts_signed s[] = {SIGNED('a'), SIGNED('a'), SIGNED('c'), SIGNED('b')};

    assert_int_equal(decided_of(any, s, 1).decision, POLICY_ALLOW);
    assert_int_equal(decided_of(all, s, 3).decision, POLICY_DENY);
    assert_int_equal(decided_of(all, s, 4).decision, POLICY_ALLOW);
    is_denied(decided_of(two, s, 2), "a", "2 different ones of");
    assert_int_equal(decided_of(two, s, 3).decision, POLICY_ALLOW);
}

TEST(one_hand_is_not_two)
{
    const char *text = RULE "  require: {signature: {threshold: 2, any_of: [\n"
                            "    {keyless: {issuer: i, subject: a@x}},\n"
                            "    {keyless: {issuer: i, subject_regex: '^.*@x$'}}]}}\n";
    struct facts_signed s[] = {world_identity(SL("i"), FACTS_SAN_EMAIL, SL("a@x")),
                               world_identity(SL("i"), FACTS_SAN_EMAIL, SL("a@x")),
                               world_identity(SL("i"), FACTS_SAN_EMAIL, SL("b@x"))};

    is_denied(decided_of(text, s, 2), "a", "2 different");
    assert_int_equal(decided_of(text, s, 3).decision, POLICY_ALLOW);
    assert_int_equal(decided_of(text, s + 1, 2).decision, POLICY_ALLOW);
}

TEST(an_identity_is_all_of_it)
{
    const char *text = RULE "  require: {signature: {any_of: [{keyless: {issuer: 'https://i', "
                            "subject: 'https://github.com/a/b'}}]}}\n";
    struct facts_signed good =
        world_identity(SL("https://i"), FACTS_SAN_URI, SL("https://github.com/a/b"));
    struct facts_signed s = good;

    assert_int_equal(decided_of(text, &s, 1).decision, POLICY_ALLOW);
    s.issuer = SL("https://j");
    is_denied(decided_of(text, &s, 1), "a", "of \"https://j\"");
    s = good;
    s.subject = SL("https://github.com/a/bc");
    is_denied(decided_of(text, &s, 1), "a", "what was found is by identity");
    s = good;
    s.san = FACTS_SAN_EMAIL;
    assert_int_equal(decided_of(text, &s, 1).decision, POLICY_DENY);
    s = good;
    s.nlogs = 0;
    is_denied(decided_of(text, &s, 1), "a", "no transparency log");
    s = good;
    s.nscts = 0;
    is_denied(decided_of(text, &s, 1), "a", "no certificate log");
    s = good;
    s.trust = 1;
    assert_int_equal(decided_of(text, &s, 1).decision, POLICY_DENY);
    s = good;
    s.not_after_s = 5000;
    is_denied(decided_of(text, &s, 1), "a", "holds no longer");
}

TEST(claims_and_annotations)
{
    const char *text = RULE "  require: {signature: {any_of: [{keyless: {issuer: i, subject: s, "
                            "claims: {source_repository_ref: refs/heads/main}, "
                            "annotations: {env: prod}}}]}}\n";
    struct facts_signed s = world_identity(SL("i"), FACTS_SAN_USER, SL("s"));
    struct sl extensions[FACTS_EXTENSIONS_MAX] = {[14] = SL("refs/heads/main")};
    json_t *annotations = json_pack("{s:s}", "env", "prod");

    is_denied(decided_of(text, &s, 1), "a", "it does not say that");
    s.extensions = extensions;
    is_denied(decided_of(text, &s, 1), "a", "env is \"prod\"");
    s.annotations = annotations;
    assert_int_equal(decided_of(text, &s, 1).decision, POLICY_ALLOW);
    extensions[14] = SL("refs/heads/evil");
    is_denied(decided_of(text, &s, 1), "a", "source_repository_ref");
    json_decref(annotations);
}

TEST(an_attestation_is_no_signature_and_a_signature_no_attestation)
{
    const char *wants_attestation =
        RULE "  require: {attestations: [{predicate_type: vuln, from: {key: a.pub}}]}\n";
    struct facts_signed signature = SIGNED('a');
    struct facts_signed attestation = world_signed('a', FACTS_ATTESTATION, FACTS_BUNDLE);

    attestation.predicate_type = SL("https://cosign.sigstore.dev/attestation/vuln/v1");
    signature.predicate_type = attestation.predicate_type;
    is_denied(decided_of(KEYED, &attestation, 1), "a", "none was found");
    is_denied(decided_of(wants_attestation, &signature, 1), "a", "none was found");
    assert_int_equal(decided_of(wants_attestation, &attestation, 1).decision, POLICY_ALLOW);
    attestation.predicate_type = SL("https://slsa.dev/provenance/v1");
    is_denied(decided_of(wants_attestation, &attestation, 1), "a", "another type");
}

#define SLSA1                                                                                      \
    "{\"predicate\":{\"runDetails\":{\"builder\":{\"id\":\"https://b/w@refs/tags/v1\"},"           \
    "\"metadata\":{\"finishedOn\":\"1970-01-01T01:00:00Z\"}},\"buildDefinition\":"                 \
    "{\"externalParameters\":{\"workflow\":{\"repository\":\"https://github.com/a/b\"}}}}}"

TEST(what_a_provenance_says_is_looked_at)
{
    const char *text = RULE "  require: {attestations: [{predicate_type: slsaprovenance1, from: "
                            "{key: a.pub}, builder_id: 'https://b/w@refs/tags/v1', "
                            "source_repository: 'git+https://github.com/a/b.git', max_age: 1h}]}\n";
    struct facts_signed good = world_signed('a', FACTS_ATTESTATION, FACTS_BUNDLE), s;
    struct sl extensions[FACTS_EXTENSIONS_MAX] = {[12] = SL("https://github.com/a/c")};

    good.predicate_type = SL("https://slsa.dev/provenance/v1");
    good.statement = SL(SLSA1);
    s = good;
    struct policy_verdict v = decided_of(text, &s, 1);
    assert_int_equal(v.decision, POLICY_ALLOW);
    assert_int_equal(v.not_after_s, 7200);
    s.statement = SL("{\"predicate\":{}}");
    is_denied(decided_of(text, &s, 1), "a", "another builder");
    s.statement = SL("{\"predicate\":{\"builder\":{\"id\":\"https://b/w@refs/tags/v1\"}}}");
    is_denied(decided_of(text, &s, 1), "a", "another source");
    s.statement = SL("{");
    is_denied(decided_of(text, &s, 1), "a", "cannot be understood");
    s = good;
    s.extensions = extensions;
    is_denied(decided_of(text, &s, 1), "a", "certificate is of another source");
    struct facts late = {.repository = NGINX, .now_s = 7200, .is_signed = &good, .nsigned = 1};
    is_denied(decided(text, &late), "a", "older than it may be");
    late.now_s = 1000; /* it is from the future */
    is_denied(decided(text, &late), "a", "future");
}

TEST(N22_trouble_is_not_absence)
{
    const char *waits = KEYED "  on_missing: wait\n";
    struct facts_signed a = SIGNED('a');
    struct facts f = {.repository = NGINX,
                      .tag = SL("v1"),
                      .now_s = 7,
                      .state = FACTS_FAILED,
                      .trouble = "upstream: 503"};

    struct policy_verdict v = decided(KEYED, &f);
    assert_int_equal(v.decision, POLICY_PENDING);
    assert_non_null(strstr(v.reason.p, "upstream: 503"));
    assert_int_equal(v.not_after_s, 7);
    f.state = FACTS_CUT;
    f.trouble = "2000 referrers";
    is_denied(decided(KEYED, &f), "a", "2000 referrers");
    is_denied(decided(waits, &f), "a", "2000 referrers");
    f.state = FACTS_COMPLETE;
    assert_int_equal(decided(waits, &f).decision, POLICY_PENDING);
    assert_int_equal(decided(KEYED, &f).decision, POLICY_DENY);
    f.is_signed = &a;
    f.nsigned = 1;
    f.state = FACTS_FAILED; /* what is verified stays so when upstream is dead */
    assert_int_equal(decided(KEYED, &f).decision, POLICY_ALLOW);
}

#define OBSERVING                                                                                  \
    "rules:\n- name: a\n  match: {repositories: [nginx]}\n"                                        \
    "  require: {signature: {any_of: [{key: a.pub}]}}\n  mode: observe\n"

TEST(a_rule_that_observes_never_denies_and_never_allows)
{
    const char *allow = "default: allow\n" OBSERVING, *deny = "default: deny\n" OBSERVING;
    struct facts_signed a = SIGNED('a');

    struct policy_verdict v = decided_of(allow, NULL, 0);
    assert_int_equal(v.decision, POLICY_ALLOW);
    assert_non_null(strstr(v.observed.p, "a: wanted is a signature"));
    assert_int_equal(decided_of(allow, &a, 1).observed.n, 0);
    is_denied(decided_of(deny, &a, 1), "default", "no rule");
}

TEST(a_refusal_is_told)
{
    struct facts_refused refused = {.code = "subject", .text = "signature is over sha256:11"};
    struct facts f = {.repository = NGINX, .tag = SL("v1"), .refused = &refused, .nrefused = 1};

    is_denied(decided(KEYED, &f), "a", "refused: signature is over sha256:11 (subject)");
}

TEST(N04_a_verdict_holds_as_long_as_its_facts)
{
    struct facts_signed s[] = {SIGNED('a'), SIGNED('a'), SIGNED('b')};
    const char *both = RULE "  require: {signature: {all_of: [{key: a.pub}, {key: b.pub}]}}\n";

    s[0].not_after_s = 6000;
    s[1].not_after_s = 8000;
    s[2].not_after_s = 7000;
    assert_int_equal(decided_of(KEYED, s, 3).not_after_s, 8000);
    assert_int_equal(decided_of(both, s, 3).not_after_s, 7000);
    assert_int_equal(decided_of(KEYED, s, 1).not_after_s, 6000);
}

TEST(N17_notation_counts_by_its_policy_alone)
{
    const char *text = RULE "  require: {signature: {any_of: [{notation: {statement: prod}}]}}\n";
    struct facts_signed s = {.kind = FACTS_SIGNATURE,
                             .format = FACTS_NOTATION,
                             .signer = FACTS_BY_CHAIN,
                             .subject = SL("CN=a"),
                             .not_after_s = INT64_MAX};

    assert_int_equal(decided_of(text, &s, 1).decision, POLICY_DENY); /* audit and skip name none */
    s.notation = SL("dev");
    assert_int_equal(decided_of(text, &s, 1).decision, POLICY_DENY);
    s.notation = SL("prod");
    assert_int_equal(decided_of(text, &s, 1).decision, POLICY_ALLOW);
}

TEST(what_has_to_be_looked_for)
{
    struct policy *p = policy_of("default: allow\nrules:\n"
                                 "- name: a\n  match: {repositories: [nginx], tags: [v1]}\n"
                                 "  require: {signature: {any_of: [{key: a.pub}]}}\n"
                                 "- name: b\n  match: {repositories: ['ghcr.io/**']}\n"
                                 "  require: {attestations: [{predicate_type: vuln, from: "
                                 "{keyless: {issuer: i, subject: s, trusted_root: o}}}]}\n"
                                 "- name: c\n  match: {repositories: ['quay.io/**']}\n"
                                 "  require: {signature: {any_of: [{notation: {}}]}}\n"
                                 "- name: d\n  match: {repositories: ['**']}\n  action: allow\n");
    struct facts f = {.repository = NGINX, .tag = SL("v1")};
    struct policy_wants w = policy_wants(p, &f);

    assert_true(w.governed && w.signatures && !w.attestations && w.simple && w.bundle &&
                !w.notation);
    assert_int_equal(w.trusts, 1);
    f.tag = SL("v2");
    assert_false(policy_wants(p, &f).governed);
    f.repository = SL("ghcr.io/a/b");
    w = policy_wants(p, &f);
    assert_true(w.governed && !w.signatures && w.attestations);
    assert_int_equal(w.trusts, 2);
    f.repository = SL("quay.io/a/b");
    w = policy_wants(p, &f);
    assert_true(w.notation && !w.simple && !w.bundle);
    policy_unref(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(one_key),
        RUN(N02_what_no_rule_speaks_of_gets_the_default),
        RUN(N02_a_tags_rule_holds_for_its_digest_too),
        RUN(N02_a_tag_that_is_denied_binds_pulls_by_tag_alone),
        RUN(a_rule_by_digest_binds_it_by_any_name_and_nothing_else),
        RUN(N02_a_tag_that_is_allowed_opens_no_other_tag),
        RUN(all_rules_that_match_must_hold),
        RUN(any_all_and_threshold),
        RUN(one_hand_is_not_two),
        RUN(an_identity_is_all_of_it),
        RUN(claims_and_annotations),
        RUN(an_attestation_is_no_signature_and_a_signature_no_attestation),
        RUN(what_a_provenance_says_is_looked_at),
        RUN(N22_trouble_is_not_absence),
        RUN(a_rule_that_observes_never_denies_and_never_allows),
        RUN(a_refusal_is_told),
        RUN(N04_a_verdict_holds_as_long_as_its_facts),
        RUN(N17_notation_counts_by_its_policy_alone),
        RUN(what_has_to_be_looked_for),
    };

    pg_hash_setup();
    pg_arena_init(&arena, (size_t)16 << 20);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    pg_arena_free(&arena);
    return rc;
}
