/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every folder of tests/fixtures/signing/keyless/bundle-verify: verified, or refused for the reason
 * that its name says.
 */
#include "harness/test.h"

#include <openssl/crypto.h>

#include "harness/bundle_case.h"

#define FOLDER PG_SOURCE "/tests/fixtures/signing/keyless/bundle-verify"

static const struct {
    const char *name, *expected;
} cases[] = {
    {"cert-ca-window-ended_fail", "time"},
    {"cert-ca-window-not-started_fail", "time"},
    {"cert-empty_fail", "certificate"},
    {"cert-intermediate-expired-at-signing_fail", "time"},
    {"cert-no-codesigning-eku_fail", "certificate"},
    {"cert-signed-by-leaf_fail", "certificate"},
    {"cert-tampered_fail", "certificate"},
    {"cert-time-before-leaf_fail", "time"},
    {"cert-untrusted-ca-in-bundle_fail", "certificate"},
    {"cert-untrusted-ca_fail", "certificate"},
    {"dsse-not-a-statement_fail", "malformed"},
    {"dsse-payload-tampered_fail", "signature"},
    {"dsse-payloadtype-other_fail", "unsupported"},
    {"dsse-subject-other-alg_fail", "subject"},
    {"dsse-two-signatures_fail", "unsupported"},
    {"dsse-wrong-predicate_fail", "policy: predicate"},
    {"fmt-bad-base64_fail", "malformed"},
    {"fmt-both-contents_fail", "malformed"},
    {"fmt-duplicate-key_fail", "malformed"},
    {"fmt-index-overflow_fail", "malformed"},
    {"fmt-no-material_fail", "malformed"},
    {"fmt-no-mediatype_fail", "malformed"},
    {"fmt-trailing-garbage_fail", "malformed"},
    {"fmt-truncated_fail", "malformed"},
    {"fmt-unknown-version_fail", "unsupported"},
    {"fmt-v03-with-chain_fail", "malformed"},
    {"id-issuer-missing_fail", "identity"},
    {"id-issuer-trailing-der_fail", "identity"},
    {"id-issuer-v1-v2-disagree_fail", "identity"},
    {"id-issuer-v2-raw_fail", "identity"},
    {"id-san-email-as-uri_fail", "policy: identity"},
    {"id-san-nul_fail", "identity"},
    {"id-san-prefix_fail", "policy: identity"},
    {"id-wrong-san_fail", "policy: identity"},
    {"key-but-certificate_fail", "policy: signer"},
    {"key-wrong_fail", "key"},
    {"keyless-but-key_fail", "key"},
    {"msg-other-artifact_fail", "subject"},
    {"ok-alg-ed25519-dsse", "ok"},
    {"ok-alg-ed25519ph-msg", "(see below)"},
    {"ok-alg-p384-dsse", "ok"},
    {"ok-alg-p384-msg", "ok"},
    {"ok-alg-p384-rekor2", "ok"},
    {"ok-alg-p384-sha256-dsse", "ok"},
    {"ok-alg-p521-dsse", "ok"},
    {"ok-alg-p521-msg", "ok"},
    {"ok-alg-rsa3072-dsse", "ok"},
    {"ok-alg-rsa3072-msg", "ok"},
    {"ok-dsse-multi-subject", "ok"},
    {"ok-dsse-rekor1", "ok"},
    {"ok-dsse-rekor1-intoto", "ok"},
    {"ok-dsse-rekor2", "ok"},
    {"ok-dsse-slsa1", "ok"},
    {"ok-email-identity", "ok"},
    {"ok-issuer-v2-only", "ok"},
    {"ok-key-ed25519-nolog", "ok"},
    {"ok-key-rekor1", "ok"},
    {"ok-key-rekor2", "ok"},
    {"ok-key-rsapss-nolog", "ok"},
    {"ok-legacy-media-type-param", "ok"},
    {"ok-msg-rekor1", "ok"},
    {"ok-msg-rekor1-setonly", "ok"},
    {"ok-msg-rekor1-tsa", "ok"},
    {"ok-msg-rekor2", "ok"},
    {"ok-msg-tsa-only", "ok"},
    {"ok-sct-extensions", "ok"},
    {"ok-tsa-embedded-cert", "ok"},
    {"ok-tsa-leaf-expired-now", "ok"},
    {"ok-tsa-sha512-imprint", "ok"},
    {"ok-two-scts-same-log", "ok"},
    {"rekor2-dsse-payload-digest_fail", "log"},
    {"rekor2-keyhint-mismatch_fail", "log"},
    {"rekor2-no-proof_fail", "log"},
    {"rekor2-no-timestamp_fail", "time"},
    {"rekor2-origin-mismatch_fail", "log"},
    {"rekor2-other-cert_fail", "log"},
    {"rekor2-other-sig_fail", "log"},
    {"rekor2-treesize-leading-zero_fail", "log"},
    {"sct-log-key-window_fail", "sct"},
    {"sct-missing_fail", "policy: certificate logs"},
    {"sct-threshold2-one-log_fail", "policy: certificate logs"},
    {"sct-unknown-log_fail", "sct"},
    {"sig-bad_fail", "signature"},
    {"sig-der-trailing_fail", "signature"},
    {"sig-empty_fail", "signature"},
    {"tlog-body-whitespace_fail", "log"},
    {"tlog-checkpoint-bad-sig_fail", "log"},
    {"tlog-checkpoint-empty_fail", "log"},
    {"tlog-checkpoint-missing_fail", "log"},
    {"tlog-checkpoint-other-key_fail", "log"},
    {"tlog-dsse-other-payload_fail", "log"},
    {"tlog-dsse-other-sig_fail", "log"},
    {"tlog-duplicate-threshold2_fail", "policy: logs"},
    {"tlog-entry-of-other-signature_fail", "log"},
    {"tlog-entry-other-cert_fail", "log"},
    {"tlog-key-window_fail", "time"},
    {"tlog-missing_fail", "policy: logs"},
    {"tlog-no-proof-v03_fail", "log"},
    {"tlog-one-log-threshold2_fail", "policy: logs"},
    {"tlog-proof-extra-hash_fail", "log"},
    {"tlog-proof-hash-31-bytes_fail", "log"},
    {"tlog-proof-index-beyond-tree_fail", "log"},
    {"tlog-proof-short_fail", "log"},
    {"tlog-proof-treesize-not-checkpoint_fail", "log"},
    {"tlog-proof-wrong-index_fail", "log"},
    {"tlog-set-bad_fail", "log"},
    {"tlog-set-other-index_fail", "log"},
    {"tlog-set-other-time_fail", "log"},
    {"tlog-unknown-kind_fail", "unsupported"},
    {"tlog-unknown-log_fail", "log"},
    {"tsa-33_fail", "too_large"},
    {"tsa-after-leaf_fail", "time"},
    {"tsa-before-leaf_fail", "time"},
    {"tsa-digest-attr_fail", "timestamp"},
    {"tsa-eku-codesigning_fail", "timestamp"},
    {"tsa-eku-not-critical_fail", "timestamp"},
    {"tsa-ess-mismatch_fail", "timestamp"},
    {"tsa-leaf-expired-at-gentime_fail", "timestamp"},
    {"tsa-leaf-is-ca_fail", "timestamp"},
    {"tsa-no-ess_fail", "timestamp"},
    {"tsa-other-bytes_fail", "timestamp"},
    {"tsa-over-payload_fail", "timestamp"},
    {"tsa-root-only-untrusted-mixed_fail", "timestamp"},
    {"tsa-sha1-imprint_fail", "timestamp"},
    {"tsa-status-rejection_fail", "timestamp"},
    {"tsa-truncated_fail", "timestamp"},
    {"tsa-untrusted-with-genuine-cert_fail", "timestamp"},
    {"tsa-untrusted_fail", "timestamp"},
    {"tsa-window_fail", "timestamp"},
};
#define NCASES (sizeof(cases) / sizeof(cases[0]))

/* Ed25519ph is not in OpenSSL before 3.2; there the one case that needs it is refused as such. */
#define NEEDS_ED25519PH "ok-alg-ed25519ph-msg"

static const char *expected_of(const char *name)
{
    if (strcmp(name, NEEDS_ED25519PH) == 0) {
        bool has = OpenSSL_version_num() >= 0x30200000L;

        print_message("%s: this OpenSSL %s Ed25519ph\n", name, has ? "has" : "has no");
        return has ? "ok" : "unsupported";
    }
    for (size_t i = 0; i < NCASES; i++)
        if (strcmp(cases[i].name, name) == 0)
            return cases[i].expected;
    fail_msg("%s is not in the table", name);
    return NULL;
}

TEST(every_case_is_verified_or_refused_for_its_reason)
{
    const struct bundle_case_defaults none = {0};
    DIR *folder = opendir(FOLDER);
    unsigned n = 0, wrong = 0;
    struct dirent *d;

    assert_non_null(folder);
    while ((d = readdir(folder)) != NULL) {
        char path[512], text[BUNDLE_CASE_TEXT];
        const char *said, *expected;

        if (d->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), FOLDER "/%s", d->d_name);
        expected = expected_of(d->d_name);
        said = bundle_case_run(path, &none, text);
        n++;
        if (strcmp(said, expected) != 0 && ++wrong)
            print_error("%s: %s, not %s: %s\n", d->d_name, said, expected, text);
    }
    closedir(folder);
    assert_int_equal(wrong, 0);
    assert_int_equal(n, NCASES);
}

/* The names say it too. */
TEST(the_table_agrees_with_the_names)
{
    for (size_t i = 0; i < NCASES; i++) {
        bool fails = strstr(cases[i].name, "_fail") != NULL;

        if (strcmp(cases[i].name, NEEDS_ED25519PH) != 0 &&
            fails == (strcmp(cases[i].expected, "ok") == 0))
            fail_msg("%s", cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(every_case_is_verified_or_refused_for_its_reason),
        RUN(the_table_agrees_with_the_names),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
