/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of other tools' policies: what it says loads, and never says less. */
#include "harness/test.h"

#include "harness/policy_world.h"
#include "policy/convert.h"

#define PEM "-----BEGIN PUBLIC KEY-----\\nAAA\\n-----END PUBLIC KEY-----"
#define CIP                                                                                        \
    "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: p}\n"     \
    "spec:\n"
#define KYVERNO                                                                                    \
    "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec:\n  rules:\n"       \
    "  - name: r\n    verifyImages:\n"
#define VALIDATING                                                                                 \
    "apiVersion: policies.kyverno.io/v1beta1\nkind: ImageValidatingPolicy\nmetadata: {name: p}\n"  \
    "spec:\n  matchImageReferences: [{glob: 'ghcr.io/a/*'}]\n  attestors: [{name: k, cosign: "     \
    "{key: {data: \"" PEM "\"}}}, {name: n, notary: {certs: x}}]\n"                                \
    "  attestations: [{name: v, intoto: {type: 'https://x/v'}}]\n  validations:\n"

static void is_converted(const char *text, size_t ndropped, const char *expected)
{
    struct pg_err err = {0};
    struct policy *p;
    struct pg_buf out;
    size_t n;

    pg_buf_init(&out, (size_t)1 << 20);
    if (convert_policies("f", sl_str(text), &out, &n, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    (void)pg_buf_put(&out, (struct sl){"", 1});
    const char *body = strstr(out.p, "rules:\n") + strlen("rules:\n");
    assert_string_equal(body, expected);
    assert_int_equal(n, ndropped);
    if (policy_load("o", (struct sl){out.p, out.n - 1}, &world, &p, &err) < 0) {
        fail_msg("%s\n%s", err.msg, out.p);
    }
    policy_unref(p);
    pg_buf_free(&out);
}

#define KEY_ITEM "{key: \"" PEM "\"}"

TEST(cluster_image_policy)
{
    is_converted(
        CIP "  images: [{glob: 'index.docker.io/acme/*'}, {glob: 'ghcr.io/acme/**'}]\n"
            "  authorities:\n  - key: {data: \"" PEM "\"}\n"
            "  - keyless: {url: x, identities: [{issuer: 'https://i', subjectRegExp: "
            "'.*@acme\\.com$'}]}\n",
        0,
        "- name: \"p\"\n  match:\n    repositories: [\"docker.io/acme/*\", "
        "\"ghcr.io/acme/**\"]\n  require:\n    signature:\n      any_of:\n      - " KEY_ITEM
        "\n      - {keyless: {issuer: \"https://i\", subject_regex: "
        "\"^.*.*@acme\\\\.com$\"}}\n");
    is_converted(CIP "  mode: warn\n  images: [{glob: 'a.test/b:v1'}, {glob: 'a.test/c'}]\n"
                     "  authorities: [{static: {action: pass}}]\n",
                 0,
                 "- name: \"p\"\n  match:\n    repositories: [\"a.test/b\"]\n    tags: [\"v1\"]\n"
                 "  action: allow\n  mode: observe\n"
                 "- name: \"p-2\"\n  match:\n    repositories: [\"a.test/c\"]\n"
                 "  action: allow\n  mode: observe\n");
}

TEST(what_is_not_honoured_is_said_and_denies)
{
    is_converted(
        CIP "  images: [{glob: '**'}]\n  authorities: [{key: {kms: gcpkms://x}}]\n", 1,
        "# NOT HONOURED: f:6:23: the key is in a secret or a KMS; copy the public key to a "
        "file and name it\n"
        "- name: \"p\"\n  match:\n    repositories: [\"**\"]\n  description: what the "
        "original asks for cannot be looked at here\n  action: deny\n");
    is_converted(
        CIP "  images: [{glob: '**'}]\n  authorities:\n  - key: {data: \"" PEM "\"}\n"
            "    attestations: [{name: a, predicateType: 'https://x/y', policy: {type: "
            "cue}}]\n",
        1,
        "# NOT HONOURED: f:8:68: what CUE or Rego asks of an attestation; the rule denies\n"
        "- name: \"p\"\n  match:\n    repositories: [\"**\"]\n  description: what the "
        "original asks for cannot be looked at here\n  action: deny\n");
    is_converted(CIP "  images: [{glob: '**'}]\n  match: [{resource: pods}]\n"
                     "  authorities: [{static: {action: fail}}]\n",
                 1,
                 "# NOT HONOURED: f:6:3: match is not known here\n"
                 "- name: \"p\"\n  match:\n    repositories: [\"**\"]\n  description: what the "
                 "original asks for cannot be looked at here\n  action: deny\n");
}

TEST(kyverno_verify_images)
{
    is_converted(KYVERNO "    - imageReferences: ['ghcr.io/acme/*', '*:v1']\n"
                         "      failureAction: Audit\n      attestors:\n      - count: 1\n"
                         "        entries:\n        - keys: {publicKeys: \"" PEM "\\n" PEM
                         "\", rekor: {ignoreTlog: true}}\n          annotations: {env: prod}\n",
                 0,
                 "- name: \"p-r\"\n  match:\n    repositories: [\"ghcr.io/acme/**\"]\n  require:\n"
                 "    signature:\n      any_of:\n      - {key: \"" PEM
                 "\", annotations: {\"env\": \"prod\"}}\n  mode: observe\n"
                 "- name: \"p-r-2\"\n  match:\n    repositories: [\"**\"]\n    tags: [\"v1\"]\n"
                 "  require:\n    signature:\n      any_of:\n      - {key: \"" PEM
                 "\", annotations: {\"env\": \"prod\"}}\n  mode: observe\n");
    is_converted(
        KYVERNO
        "    - imageReferences: ['*']\n      attestations:\n      - type: 'https://x/y'\n"
        "        conditions: [{all: []}]\n        attestors: [{entries: [{keyless: {issuer: "
        "i, subject: s}}]}]\n",
        1,
        "# NOT HONOURED: f:11:21: conditions on what an attestation says; the rule denies\n"
        "- name: \"p-r\"\n  match:\n    repositories: [\"**\"]\n  description: what the "
        "original asks for cannot be looked at here\n  action: deny\n");
}

TEST(image_validating_policy)
{
    is_converted(
        VALIDATING "  - expression: images.containers.map(image, "
                   "verifyImageSignatures(image, [attestors.k])).all(e, e > 0)\n"
                   "  - expression: images.containers.map(image, "
                   "verifyAttestationSignatures(image, attestations.v, "
                   "[attestors.k])).all(e, e > 0)\n",
        0,
        "- name: \"p\"\n  match:\n    repositories: [\"ghcr.io/a/**\"]\n  require:\n"
        "    signature:\n      any_of:\n      - " KEY_ITEM "\n"
        "- name: \"p-2\"\n  match:\n    repositories: [\"ghcr.io/a/**\"]\n  require:\n"
        "    attestations:\n    - predicate_type: \"https://x/v\"\n      from:\n      - " KEY_ITEM
        "\n");
    is_converted(VALIDATING "  - expression: size(images.containers) > 0\n", 1,
                 "# NOT HONOURED: f:9:5: this expression of CEL; the rule denies\n"
                 "- name: \"p\"\n  match:\n    repositories: [\"ghcr.io/a/**\"]\n  description: "
                 "what the original asks for cannot be looked at here\n  action: deny\n");
}

TEST(lines_are_those_of_the_whole_file)
{
    is_converted("kind: ConfigMap\n---\n" CIP "  images: [{glob: 'x y'}]\n  authorities: [{static: "
                 "{action: pass}}]\n",
                 2,
                 "# NOT HONOURED: f:1:1: ConfigMap is not a policy for images that is known\n"
                 "# NOT HONOURED: f:7:19: images that it matched get the default: \"x y\": only "
                 "lower-case letters, digits, . _ - / and the wildcards * and ** may stand in a "
                 "pattern\n  []\n");
}

TEST(what_is_no_policy_is_refused)
{
    struct pg_err err = {0};
    struct pg_buf out;
    size_t n;

    pg_buf_init(&out, (size_t)1 << 20);
    assert_int_equal(convert_policies("f", SL("kind: ConfigMap\n"), &out, &n, &err), -1);
    assert_non_null(strstr(err.msg, "f:1:1: there is no ClusterImagePolicy"));
    assert_int_equal(convert_policies("f", SL("a: b\n---\na: [\n"), &out, &n, &err), -1);
    assert_non_null(strstr(err.msg, "f:4:1: not YAML"));
    pg_err_clear(&err);
    pg_buf_free(&out);
}

TEST(one_authority_twice_is_one_or_denies)
{
    is_converted(CIP "  images: [{glob: 'a.test/b'}]\n  authorities:\n  - key: {data: \"" PEM
                     "\"}\n  - key: {data: \"" PEM "\"}\n",
                 0,
                 "- name: \"p\"\n  match:\n    repositories: [\"a.test/b\"]\n  require:\n"
                 "    signature:\n      any_of:\n      - " KEY_ITEM "\n");
    is_converted(
        CIP "  images: [{glob: 'a.test/b'}]\n  authorities:\n  - key: {data: \"" PEM
            "\"}\n  - key: {data: \"" PEM "\"}\n    ctlog: {url: x}\n",
        1,
        "# NOT HONOURED: f:8:17: the same authority once more, with other logs or timestamps\n"
        "- name: \"p\"\n  match:\n    repositories: [\"a.test/b\"]\n  description: what "
        "the original asks for cannot be looked at here\n  action: deny\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(cluster_image_policy),
        RUN(what_is_not_honoured_is_said_and_denies),
        RUN(kyverno_verify_images),
        RUN(image_validating_policy),
        RUN(lines_are_those_of_the_whole_file),
        RUN(one_authority_twice_is_one_or_denies),
        RUN(what_is_no_policy_is_refused),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
