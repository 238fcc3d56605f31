/* SPDX-License-Identifier: Apache-2.0 */
/* The tree says what was decided, and why. */
#include "harness/test.h"

#include "base/json.h"
#include "harness/policy_world.h"
#include "policy/explain.h"

#define POLICY                                                                                     \
    "default: deny\nrules:\n- name: keys\n  match: {repositories: ['**']}\n"                       \
    "  require: {signature: {any_of: [{key: a.pub}, {key: b.pub}]}}\n"                             \
    "- name: later\n  match: {repositories: ['**']}\n  mode: observe\n"                            \
    "  require: {attestations: [{predicate_type: vuln, from: {key: a.pub}}]}\n"

static struct pg_arena arena;

static struct pg_buf explained(struct facts *f, bool json)
{
    struct pg_err err = {0};
    struct policy_verdict v;
    struct policy *p;
    struct pg_buf out;

    assert_int_equal(policy_load("f", SL(POLICY), &world, &p, &err), 0);
    f->repository = SL("ghcr.io/a/b");
    f->now_s = 10000;
    const struct explain_node *root = explain_decision(p, f, &arena, &v);
    pg_buf_init(&out, (size_t)1 << 20);
    if (json) {
        explain_put_json(root, &out);
    } else {
        explain_put_text(root, f->now_s, &out);
        (void)pg_buf_put(&out, (struct sl){"", 1});
    }
    policy_unref(p);
    return out;
}

TEST(what_is_missing_stands_where_it_is_missing)
{
    struct facts_signed c = world_signed('c', FACTS_SIGNATURE, FACTS_SIMPLE);
    struct facts_refused refused = {.code = "subject", .text = "it is over\x1b[2J another"};
    struct facts f = {.is_signed = &c, .nsigned = 1, .refused = &refused, .nrefused = 1};
    struct pg_buf out = explained(&f, false);

    assert_string_equal(
        out.p,
        "[NO] verdict keys: wanted is a signature by key a.pub (aaaaaaaaaaaaaaaa...) or key b.pub "
        "(bbbbbbbbbbbbbbbb...); what was found is by key cccccccccccccccc...: not one who is "
        "named\n"
        "  [NO] rule keys: wanted is a signature by key a.pub (aaaaaaaaaaaaaaaa...) or key b.pub "
        "(bbbbbbbbbbbbbbbb...); what was found is by key cccccccccccccccc...: not one who is "
        "named\n"
        "    [NO] requirement: a signature by key a.pub (aaaaaaaaaaaaaaaa...) or key b.pub "
        "(bbbbbbbbbbbbbbbb...)\n"
        "      [NO] authority: key a.pub (aaaaaaaaaaaaaaaa...)\n"
        "        [NO] fact: by key cccccccccccccccc...: not one who is named; in "
        "sha256:630000000000...\n"
        "      [NO] authority: key b.pub (bbbbbbbbbbbbbbbb...)\n"
        "        [NO] fact: by key cccccccccccccccc...: not one who is named; in "
        "sha256:630000000000...\n"
        "  [NO] observing rule later: wanted is an attestation of type "
        "https://cosign.sigstore.dev/attestation/vuln/v1 by key a.pub (aaaaaaaaaaaaaaaa...); what "
        "was found was refused: it is over\x3f[2J another (subject)\n"
        "    [NO] requirement: an attestation of type "
        "https://cosign.sigstore.dev/attestation/vuln/v1 by key a.pub (aaaaaaaaaaaaaaaa...)\n"
        "      [NO] authority: key a.pub (aaaaaaaaaaaaaaaa...)\n"
        "  [NO] refused subject: it is over\x3f[2J another; in sha256:000000000000...\n"
        "  [-] remedy: have this image signed so, or change the rule keys\n");
    pg_buf_free(&out);
}

TEST(what_holds_says_since_and_until_when)
{
    struct facts_signed a = world_signed('a', FACTS_SIGNATURE, FACTS_SIMPLE);
    struct facts f = {.is_signed = &a, .nsigned = 1};

    a.signed_at_s = 2000;
    a.not_after_s = 86400;
    struct pg_buf out = explained(&f, false);
    assert_non_null(strstr(out.p, "[yes] verdict keys: all that the rules want is there, until "
                                  "1970-01-02T00:00:00Z\n"));
    assert_non_null(strstr(out.p, "[yes] fact: by key aaaaaaaaaaaaaaaa...; in "
                                  "sha256:610000000000..., signed 2 hours ago, until "
                                  "1970-01-02T00:00:00Z\n"));
    pg_buf_free(&out);
}

TEST(the_same_as_json)
{
    struct facts_signed a = world_signed('a', FACTS_SIGNATURE, FACTS_SIMPLE);
    struct facts f = {.is_signed = &a, .nsigned = 1, .state = FACTS_FAILED, .trouble = "\"503\""};
    struct pg_buf out = explained(&f, true);
    struct pg_err err = {0};
    _json_ json_t *root = NULL;

    if (pg_json_parse(pg_buf_sl(&out), PG_E_INTERNAL, &root, &err) < 0) {
        fail_msg("%s: %.*s", err.msg, (int)out.n, out.p);
    }
    assert_string_equal(pg_json_str(root, "state").p, "holds");
    const json_t *children = json_object_get(root, "children");
    assert_int_equal(json_array_size(children), 3);
    const json_t *rule = json_array_get(children, 0);
    assert_string_equal(pg_json_str(rule, "name").p, "keys");
    const json_t *requirement = json_array_get(json_object_get(rule, "children"), 0);
    assert_int_equal(json_array_size(json_object_get(requirement, "children")), 2);
    assert_string_equal(pg_json_str(json_array_get(children, 2), "text").p, "\"503\"");
    pg_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(what_is_missing_stands_where_it_is_missing),
        RUN(what_holds_says_since_and_until_when),
        RUN(the_same_as_json),
    };

    pg_hash_setup();
    pg_arena_init(&arena, (size_t)16 << 20);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    pg_arena_free(&arena);
    return rc;
}
