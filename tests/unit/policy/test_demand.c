/* SPDX-License-Identifier: Apache-2.0 */
/* What rules require of an image besides signatures: what holds, what is told, what is refused. */
#include "harness/test.h"

#include <stdio.h>

#include "harness/policy_world.h"

#include "base/hash.h"
#include "policy/policy.h"
#include "policy/secret.h"

#define RULE "default: deny\nrules:\n- name: a\n  match: {repositories: [nginx]}\n  require: {%s}\n"
#define DAY  ((int64_t)86400)

static struct pg_arena arena;
static struct facts facts;
static struct facts_content content;
static struct facts_pair label, annotation;
static struct sl type;

static int setup(void **state)
{
    (void)state;
    pg_arena_init(&arena, (size_t)1 << 20);
    type = SL("application/vnd.oci.image.config.v1+json");
    label = (struct facts_pair){SL("team"), SL("web")};
    annotation = (struct facts_pair){SL("org.opencontainers.image.base.name"), SL("debian:12")};
    content = (struct facts_content){.shape = FACTS_IMAGE,
                                     .platform = SL("linux/arm/v7"),
                                     .types = &type,
                                     .ntypes = 1,
                                     .labels = &label,
                                     .nlabels = 1,
                                     .annotations = &annotation,
                                     .nannotations = 1};
    facts = (struct facts){.repository = SL("docker.io/library/nginx"),
                           .tag = SL("v1"),
                           .now_s = 100 * DAY,
                           .since_s = 90 * DAY,
                           .content = &content};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pg_arena_free(&arena);
    return 0;
}

static struct policy *policy_of(const char *require, struct pg_err *err)
{
    char text[2000];
    struct policy *p = NULL;

    (void)snprintf(text, sizeof(text), RULE, require);
    return policy_load("f", sl_str(text), &world, &p, err) == 0 ? p : NULL;
}

static struct policy_verdict decided(const char *require)
{
    struct pg_err err = {0};
    struct policy *p = policy_of(require, &err);
    struct policy_verdict v;

    if (p == NULL) {
        fail_msg("%s", err.msg);
    }
    policy_decide(p, &facts, &arena, &v);
    v.rule = pg_copy(&arena, v.rule);
    policy_unref(p);
    return v;
}

static void holds(const char *require)
{
    struct policy_verdict v = decided(require);

    if (v.decision != POLICY_ALLOW) {
        fail_msg("%s: %.*s", require, (int)v.reason.n, v.reason.p);
    }
}

static void fails(const char *require, const char *why)
{
    struct policy_verdict v = decided(require);

    if (v.decision != POLICY_DENY || memmem(v.reason.p, v.reason.n, why, strlen(why)) == NULL) {
        fail_msg("%s: %d \"%.*s\"", require, v.decision, (int)v.reason.n, v.reason.p);
    }
    assert_string_equal(v.rule.p, "a");
    assert_true(v.remedy.n > 0);
}

static void is_refused(const char *require, const char *why)
{
    struct pg_err err = {0};
    struct policy *p = policy_of(require, &err);

    if (p != NULL) {
        policy_unref(p);
        fail_msg("this loads: %s", require);
    }
    if (strstr(err.msg, why) == NULL || strncmp(err.msg, "f:5:", 4) != 0) {
        fail_msg("%s", err.msg);
    }
    pg_err_clear(&err);
}

TEST(platforms)
{
    holds("platforms: [linux/arm/v7]");
    holds("platforms: [linux/amd64, linux/arm]");
    holds("platforms: ['linux/*']");
    fails("platforms: [linux/arm/v6, linux/arm64]", "it is for linux/arm/v7");
    fails("platforms: ['*/amd64']", "it is for");
    content.platform = (struct sl){NULL, 0};
    fails("platforms: ['linux/*']", "says no platform");
}

TEST(labels)
{
    holds("labels: {require: {team: web}}");
    holds("labels: {require: {team: '**'}, deny: {stage: '**'}}");
    fails("labels: {require: {team: ops}}", "its label \"team\" is \"web\"");
    fails("labels: {require: {owner: '**'}}", "it has no label \"owner\"");
    fails("labels: {deny: {'t*': 'w*'}}", "it has the label \"team\"");
    holds("labels: {deny: {team: 'a*'}}");
    fails("labels: {require: {team: web}, deny: {team: web}}", "it has the label");
}

TEST(what_is_too_long_to_be_matched_does_not_slip_through)
{
    static char text[4000];

    memset(text, 'x', sizeof(text));
    label.value = (struct sl){text, sizeof(text)};
    fails("labels: {deny: {team: 'a*'}}", "it has the label");
    fails("labels: {require: {team: 'x*'}}", "its label \"team\" is");
    holds("labels: {require: {team: '**'}}");
    label.name = (struct sl){text, sizeof(text)};
    fails("labels: {deny: {team: 'a*'}}", "it has the label");
}

TEST(types_and_what_is_no_image)
{
    struct sl types[] = {SL("application/vnd.x"), SL("application/vnd.cncf.helm.config.v1+json")};

    holds("artifact_types: [image]");
    fails("artifact_types: ['application/vnd.cncf.*']", "it is application/vnd.oci.image");
    content.shape = FACTS_ARTIFACT;
    content.types = types;
    content.ntypes = 2;
    fails("artifact_types: [image, 'application/vnd.x']", "helm");
    holds("artifact_types: ['application/**']");
    fails("platforms: [linux/arm]", "it is no image: application/vnd.x");
    fails("secrets: deny", "it is no image");
    fails("artifact_types: [image], platforms: [linux/arm]", "application/vnd.x");
    holds("artifact_types: ['application/**'], platforms: [linux/amd64], secrets: deny");
    content.ntypes = 0;
    fails("artifact_types: ['**/**']", "it does not say what it is");
    content.shape = FACTS_INDEX;
    holds("artifact_types: [image], platforms: [linux/amd64], labels: {require: {x: y}}");
}

TEST(a_dressed_image_is_not_excused)
{
    struct sl types[] = {SL("application/vnd.x"), type};

    content.types = types;
    content.ntypes = 2;
    fails("artifact_types: [image, application/vnd.x], platforms: [linux/amd64]", "linux/arm/v7");
}

TEST(secrets)
{
    struct facts_pair env[] = {{SL("PATH"), SL("/bin")}, {SL("DB_PASSWORD"), SL("hunter22")}};

    content.env = env;
    content.nenv = 1;
    holds("secrets: deny");
    content.nenv = 2;
    fails("secrets: deny", "its variable \"DB_PASSWORD\" holds a secret, as its name says");
    content.nenv = 0;
    label = (struct facts_pair){SL("DB_PASSWORD"), SL("hunter22")};
    holds("secrets: deny");
    annotation.value = SL("AKIAABCDEFGHIJKLMNOP");
    fails("secrets: deny", "its annotation");
}

TEST(what_looks_like_a_secret)
{
    static const char *const yes[] = {"x ghp_0123456789abcdefghijABCDEFGHIJ012345 y",
                                      "https://u:p@h/",
                                      "AKIA0123456789ABCDEF",
                                      "-----BEGIN OPENSSH PRIVATE KEY-----",
                                      "a ftp://a:b@c",
                                      "-----BEGIN CERTIFICATE-----x-----BEGIN EC PRIVATE KEY-----"};
    static const char *const no[] = {"ghp_short",
                                     "https://h:8080/@x",
                                     "https://u@h/",
                                     "AKIAx",
                                     "-----BEGIN CERTIFICATE-----",
                                     "http://h/?a:b@c",
                                     "xAKIA0123456789ABCDEF",
                                     "https://$USER:$PASS@h"};
    static const char *const named[] = {"changeme", "/run/x", "$TOKEN", "", "abc"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
        if (secret_look(SL("x"), sl_str(yes[i]), false) == NULL) {
            fail_msg("%s is none", yes[i]);
        }
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++) {
        if (secret_look(SL("x"), sl_str(no[i]), false) != NULL) {
            fail_msg("%s is one", no[i]);
        }
    }
    for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++) {
        assert_null(secret_look(SL("API_TOKEN"), sl_str(named[i]), true));
    }
    assert_non_null(secret_look(SL("api_token"), SL("s3cr3t"), true));
}

TEST(base_images)
{
    holds("base_images: {allow: [debian]}");
    holds("base_images: {allow: ['docker.io/library/*']}");
    fails("base_images: {allow: ['ghcr.io/acme/**']}", "it is based on \"debian:12\"");
    annotation.value = SL("registry.test:5000/a/b@sha256:00");
    holds("base_images: {allow: ['registry.test:5000/**']}");
    annotation.value = SL("**");
    fails("base_images: {allow: ['**']}", "it is based on \"**\"");
    content.nannotations = 0;
    fails("base_images: {allow: ['**']}", "does not say on what");
}

TEST(tags_bind_pulls_by_tag)
{
    fails("tags: {deny: ['v*']}", "it is asked for as \"v1\"");
    holds("tags: {deny: [latest]}");
    facts.tag = (struct sl){NULL, 0};
    holds("tags: {deny: ['*']}");
}

TEST(N08_age_is_by_our_own_clock)
{
    struct policy_verdict v;

    holds("min_age: 10d");
    fails("min_age: 11d, on_young: deny", "the tag has named it here for 10 days only; it is old "
                                          "enough at 1970-04-12T00:00:00Z");
    v = decided("min_age: 11d");
    assert_int_equal(v.not_after_s, 101 * DAY);
    facts.since_s = 0;
    fails("min_age: 1s", "not known since when");
    facts.since_s = facts.now_s + 10;
    fails("min_age: 1s", "not known since when");
    facts.tag = (struct sl){NULL, 0};
    facts.since_s = facts.now_s - 60;
    fails("min_age: 1h", "it has been known here for 1 minutes only");
}

TEST(what_is_not_known_never_holds)
{
    static const char *const all[] = {"platforms: ['*/*']",
                                      "artifact_types: ['**/**']",
                                      "labels: {require: {team: '**'}}",
                                      "labels: {deny: {x: '**'}}",
                                      "secrets: deny",
                                      "base_images: {allow: ['**']}"};

    content.trouble = "could not be fetched";
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        content.is_unknown = false;
        fails(all[i], "its config could not be fetched");
        content.is_unknown = true;
        assert_int_equal(decided(all[i]).decision, POLICY_PENDING);
        facts.content = NULL;
        assert_int_equal(decided(all[i]).decision, POLICY_PENDING);
        facts.content = &content;
    }
}

TEST(a_denial_is_told_before_what_may_yet_come)
{
    content.trouble = "could not be fetched";
    content.is_unknown = true;
    fails("platforms: ['*/*'], tags: {deny: [v1]}", "it is asked for as");
    facts.state = FACTS_FAILED;
    fails("tags: {deny: [v1]}, signature: {any_of: [{key: a.pub}]}", "it is asked for as");
    assert_int_equal(decided("signature: {any_of: [{key: a.pub}]}, min_age: 1d").decision,
                     POLICY_PENDING);
}

TEST(what_has_to_be_looked_for)
{
    struct pg_err err = {0};
    struct policy *p = policy_of("platforms: [linux/arm]", &err);
    struct policy_wants w = policy_wants(p, &facts);

    assert_true(w.governed && w.content && !w.age && !w.tags && !w.signatures && w.trusts == 0);
    policy_unref(p);
    p = policy_of("min_age: 1d", &err);
    w = policy_wants(p, &facts);
    assert_true(w.governed && !w.content && w.age && w.tags);
    policy_unref(p);
    p = policy_of("tags: {deny: [latest]}", &err);
    w = policy_wants(p, &facts);
    assert_true(!w.governed && !w.content && !w.age && !w.tags);
    policy_unref(p);
}

TEST(N08_what_the_tag_was_is_asked_about_only_where_all_rules_take_it)
{
    facts.tag = SL("v1");
    facts.since_s = facts.now_s - 60;
    assert_true(decided("min_age: 1h, on_young: previous").previous);
    assert_false(decided("min_age: 1h, on_young: deny").previous);
    assert_false(decided("min_age: 1h").previous);
    assert_false(decided("min_age: 10s, on_young: previous").previous); /* it is allowed */
    assert_true(decided("min_age: 1h, on_young: previous, platforms: [plan9/arm]").previous);
    assert_false(decided("min_age: 10s, on_young: previous, platforms: [plan9/arm]").previous);
    facts.revoked = "it is bad";
    assert_true(decided("min_age: 1h, on_young: previous").previous);
    assert_false(decided("min_age: 1h").previous);
    facts.revoked = NULL;
    facts.tag = (struct sl){NULL, 0};
    assert_false(decided("min_age: 1h, on_young: previous").previous); /* by digest */
}

TEST(a_tag_that_may_not_move_stays_what_it_was)
{
    facts.tag = SL("v1");
    holds("tags: {immutable: ['v*']}");
    facts.record = FACTS_AS_RECORDED;
    holds("tags: {immutable: ['v*'], on_moved: deny}");
    facts.record = FACTS_MOVED;
    facts.recorded = (struct digest){.alg = PG_SHA256, .bytes = {0xab}};
    fails("tags: {immutable: ['v*']}", "it was sha256:ab00");
    holds("tags: {immutable: ['w*']}");
    assert_true(decided("tags: {immutable: ['v*']}").previous);
    assert_true(decided("tags: {immutable: ['v*'], on_moved: hold}").previous);
    assert_false(decided("tags: {immutable: ['v*'], on_moved: deny}").previous);
    facts.record = FACTS_RECORD_UNKNOWN;
    assert_int_equal(decided("tags: {immutable: ['v*']}").decision, POLICY_PENDING);
    assert_false(decided("tags: {immutable: ['v*']}").previous);
    facts.tag = (struct sl){NULL, 0};
    holds("tags: {immutable: ['v*']}");
}

TEST(nothing_is_silently_ignored)
{
    is_refused("", "require needs something");
    is_refused("platforms: []", "platforms must be a list");
    is_refused("platforms: [amd64]", "\"amd64\" is no platform; write linux/amd64");
    is_refused("platforms: [linux/arm/v7/x]", "is no platform");
    is_refused("platfroms: [linux/arm]", "did you mean \"platforms\"?");
    is_refused("artifact_types: [helm]", "\"helm\" is no media type");
    is_refused("labels: {}", "labels needs require or deny");
    is_refused("labels: {require: [a]}", "must be a mapping");
    is_refused("labels: {require: {'a*': b}}", "without a wildcard");
    is_refused("labels: {deny: {a: [b]}}", "must be a text");
    is_refused("labels: {want: {a: b}}", "unknown key \"want\" in labels");
    is_refused("secrets: allow", "secrets can only be: deny");
    is_refused("base_images: {deny: [a]}", "unknown key \"deny\"");
    is_refused("base_images: {}", "base_images needs allow");
    is_refused("base_images: {allow: ['docker.io/*']}", "would match nothing");
    is_refused("tags: {deny: ['a/b']}", "pattern for tags");
    is_refused("min_age: 3", "min_age must be a time");
    is_refused("on_young: deny", "on_young stands with min_age");
    is_refused("tags: {}", "tags needs deny or immutable");
    is_refused("tags: {deny: [latest], on_moved: hold}", "on_moved stands with immutable");
    is_refused("tags: {immutable: ['v*'], on_moved: wait}", "on_moved can only be: hold");
    is_refused("tags: {immutable: ['a/b']}", "pattern for tags");
    is_refused("min_age: 3d, on_young: newest", "on_young can only be: deny, or previous");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(platforms, setup, teardown),
        cmocka_unit_test_setup_teardown(labels, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_too_long_to_be_matched_does_not_slip_through, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(types_and_what_is_no_image, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dressed_image_is_not_excused, setup, teardown),
        cmocka_unit_test_setup_teardown(secrets, setup, teardown),
        cmocka_unit_test_setup_teardown(what_looks_like_a_secret, setup, teardown),
        cmocka_unit_test_setup_teardown(base_images, setup, teardown),
        cmocka_unit_test_setup_teardown(tags_bind_pulls_by_tag, setup, teardown),
        cmocka_unit_test_setup_teardown(N08_age_is_by_our_own_clock, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_known_never_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(a_denial_is_told_before_what_may_yet_come, setup, teardown),
        cmocka_unit_test_setup_teardown(what_has_to_be_looked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(
            N08_what_the_tag_was_is_asked_about_only_where_all_rules_take_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_tag_that_may_not_move_stays_what_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_silently_ignored, setup, teardown),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
