/* SPDX-License-Identifier: Apache-2.0 */
/* A policy loads whole or not at all, and says where and why. */
#include "harness/test.h"

#include "harness/policy_world.h"
#include "policy/policy.h"

#define RULES                "default: deny\nrules:\n"
#define RULE                 RULES "- name: a\n  match: {repositories: [nginx]}\n"
#define KEYED                RULE "  require: {signature: {any_of: [{key: a.pub}]}}\n"
#define IN_ANY(what)         RULE "  require: {signature: {any_of: [" what "]}}\n"
#define IN_ATTESTATION(what) RULE "  require: {attestations: [{" what "}]}\n"

static void refused(const char *text, const char *why)
{
    struct policy *p = NULL;
    struct pg_err err = {0};

    if (policy_load("f", sl_str(text), &world, &p, &err) == 0) {
        policy_unref(p);
        fail_msg("this loads: %s", text);
    }
    assert_int_equal(err.kind, PG_E_DENIED);
    if (strstr(err.msg, why) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.msg, why);
    }
    pg_err_clear(&err);
}

static void loads(const char *text)
{
    struct policy *p = NULL;
    struct pg_err err = {0};

    if (policy_load("f", sl_str(text), &world, &p, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    policy_unref(p);
}

TEST(what_is_documented_loads)
{
    loads("default: allow\n");
    loads("policy:\n  default: deny\n  rules: []\n");
    loads("{\"default\": \"deny\", \"rules\": []}");
    loads(KEYED);
    loads(RULE "  action: allow\n");
    loads(RULE "  action: deny\n  description: ended\n");
    loads(KEYED "  on_missing: wait\n  mode: observe\n");
    loads(IN_ANY("{key: a.pub, tlog: true}, {keyless: {issuer: https://i, subject: a@b}}, "
                 "{notation: {}}"));
    loads(IN_ANY("{keyless: {issuer_regex: '^https://[a-z.]+$', subject_regex: '^.*@acme$', "
                 "trusted_root: other.json, sct: false, tlog: false, timestamp: true, "
                 "claims: {source_repository_uri: https://github.com/a/b}, "
                 "annotations: {env: prod}}}"));
    loads("authorities: {vendor: {key: a.pub}, ci: {keyless: {issuer: i, subject: s}}}\n" RULE
          "  require: {signature: {any_of: [vendor, ci], threshold: 2}}\n");
    loads(IN_ATTESTATION("predicate_type: slsaprovenance1, from: {key: a.pub}, builder_id: b, "
                         "source_repository: github.com/a/b, max_age: 30d"));
    loads(IN_ANY("{key: \"-----BEGIN PUBLIC KEY-----\\nAAAA\"}"));
}

TEST(what_is_missing_is_told)
{
    refused("", "f:1:1: the file is empty");
    refused("rules: []\n", "f:1:1: the policy needs default: allow or default: deny");
    refused(RULES "- match: {repositories: [nginx]}\n  action: allow\n",
            "f:3:3: the rule needs a name");
    refused(RULES "- name: a\n  action: allow\n", "f:3:3: the rule needs match");
    refused(RULES
            "- name: a\n  match: {repositories: [nginx], digests: [latest]}\n  action: deny\n",
            "f:4:44: digest has no algorithm");
    refused(RULES "- name: a\n  match: {repositories: [nginx], platforms: [x]}\n  action: deny\n",
            "platforms");
    refused(RULES "- name: a\n  match: {}\n  action: allow\n", "f:4:10: match needs repositories");
    refused(RULES "- name: a\n  match: {repositories: []}\n  action: allow\n",
            "1 to 1000 patterns");
    refused(RULE, "either require, or action");
    refused(RULE "  require: {}\n", "require needs something to require");
    refused(RULE "  require: {signature: {}}\n", "either any_of or all_of");
    refused(RULE "  require: {signature: {any_of: []}}\n", "1 to 32 authorities");
    refused(IN_ATTESTATION("from: {key: a.pub}"), "needs predicate_type");
    refused(IN_ATTESTATION("predicate_type: vuln"), "needs from");
    refused(IN_ANY("{keyless: {issuer: i}}"), "f:5:44: keyless needs an issuer and a subject");
    refused(IN_ANY("{keyless: {subject: s}}"), "one of issuer and issuer_regex");
}

TEST(what_is_unknown_is_told)
{
    refused("default: deny\nrule: []\n",
            "f:2:1: unknown key \"rule\" in the policy; did you mean \"rules\"?");
    refused(KEYED "  mod: observe\n",
            "f:6:3: unknown key \"mod\" in a rule; did you mean \"mode\"?");
    refused(KEYED "  mode: warn\n", "f:6:9: mode must be one of: enforce, observe");
    refused("default: maybe\n", "f:1:10: default must be one of: allow, deny");
    refused(RULES "- name: a\n  match: {images: [nginx]}\n",
            "unknown key \"images\" in match; known here: "
            "repositories, tags");
    refused(IN_ANY("{kye: a.pub}"), "an authority is one of");
    refused(IN_ANY("vendor"), "there is no authority \"vendor\"");
    refused(IN_ANY("{key: a.pub, keyless: {issuer: i, subject: s}}"), "unknown key \"keyless\"");
    refused(IN_ANY("{keyless: {issuer: i, subject: s, subjectRegExp: x}}"), "unknown key");
    refused(IN_ANY("{keyless: {issuer: i, subject: s, claims: {ref: x}}}"),
            "known here: build_signer_uri");
    refused(IN_ANY("{key: a.pub, tlog: yes}"), "tlog must be true or false");
    refused(IN_ANY("{key: gone.pub}"), "f:5:40: cannot open gone");
    refused("default: deny\ndefault: allow\n", "stands here twice");
    refused("default: deny\nrules: &x []\n", "anchors");
}

TEST(what_would_deceive_is_refused)
{
    refused(IN_ANY("{keyless: {issuer_regex: '^.*$', subject_regex: '^.*$'}}"),
            "both match anything");
    refused(IN_ANY("{keyless: {issuer_regex: 'https://x', subject: s}}"), "must be anchored");
    refused(IN_ANY("{keyless: {issuer: i, issuer_regex: '^i$', subject: s}}"), "not both");
    refused(IN_ANY("{keyless: {issuer: '', subject: s}}"), "issuer must be a text, and not empty");
    refused(IN_ANY("{key: a.pub}, {key: a.pub}"), "twice");
    refused(RULE "  require: {signature: {any_of: [{key: a.pub}], threshold: 2}}\n", "from 1 to 1");
    refused(RULE "  require: {signature: {any_of: [{key: a.pub}], threshold: 0}}\n", "from 1 to 1");
    refused(RULE "  require: {signature: {any_of: [{key: a.pub}], threshold: -1}}\n",
            "from 1 to 1");
    refused(RULE "  require: {signature: {all_of: [{key: a.pub}], threshold: 1}}\n", "with any_of");
    refused(IN_ATTESTATION("predicate_type: vuln, from: {notation: {}}"), "attests to nothing");
    refused(IN_ATTESTATION("predicate_type: vuln, from: {key: a.pub}, max_age: 3"), "such as 48h");
    refused(IN_ATTESTATION("predicate_type: vuln, from: {key: a.pub}, max_age: 0s"), "such as 48h");
    refused(
        IN_ATTESTATION("predicate_type: vuln, from: {key: a.pub}, max_age: 99999999999999999999d"),
        "such as 48h");
    refused(KEYED "- name: a\n  match: {repositories: [redis]}\n  action: allow\n",
            "two rules have the name");
    refused(RULE "  action: allow\n  on_missing: wait\n", "on_missing is for a rule");
    refused(RULES "- name: a\n  match: {repositories: ['*']}\n  action: allow\n",
            "f:4:26: \"*\" would match nothing");
    refused(RULES "- name: a\n  match: {repositories: ['**'], tags: ['a/b']}\n  action: allow\n",
            "pattern for tags");
}

TEST(a_revision_is_that_of_all_that_is_said)
{
    const char *texts[] = {"default: deny\n", "default: allow\n", KEYED, KEYED "  mode: observe\n",
                           IN_ANY("{key: b.pub}")};
    enum { N = sizeof(texts) / sizeof(*texts) };
    uint8_t revision[N][32];
    struct pg_err err = {0};

    for (size_t i = 0; i < N; i++) {
        struct policy *p;
        assert_int_equal(policy_load("f", sl_str(texts[i]), &world, &p, &err), 0);
        policy_revision(p, revision[i]);
        policy_unref(p);
        for (size_t k = 0; k < i; k++) {
            assert_memory_not_equal(revision[i], revision[k], 32);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(what_is_documented_loads),
        RUN(what_is_missing_is_told),
        RUN(what_is_unknown_is_told),
        RUN(what_would_deceive_is_refused),
        RUN(a_revision_is_that_of_all_that_is_said),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
