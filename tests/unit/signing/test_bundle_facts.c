/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of a good bundle; and of the same with other trust, or without something. */
#include "harness/test.h"

#include "base/json.h"
#include "harness/bundle_case.h"

#define FOLDER   PG_SOURCE "/tests/fixtures/signing/keyless/bundle-verify/"
#define WORKFLOW "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"
#define GITHUB   "https://token.actions.githubusercontent.com"

/* One case, whose bundle and trusted root may be changed before it is asked about. */
static struct {
    struct pg_arena arena;
    struct sl artifact;
    json_t *bundle, *root;
    struct trust *trust;
    bool with_manifest, with_stamps;
    struct verify_fact fact;
    struct verify_refusal no;
} w;

static json_t *parsed(const char *folder, const char *name)
{
    struct sl bytes = bundle_case_file(folder, name, NULL);
    struct pg_err err = {0};
    json_t *tree;

    assert_int_equal(pg_json_parse(bytes, PG_E_DENIED, &tree, &err), 0);
    free((char *)(uintptr_t)bytes.p);
    return tree;
}

static void drop(void)
{
    pg_arena_free(&w.arena);
    free((char *)(uintptr_t)w.artifact.p);
    json_decref(w.bundle);
    json_decref(w.root);
    json_decref(w.fact.annotations);
    pg_err_clear(&w.no.err);
    trust_unref(w.trust);
    memset(&w, 0, sizeof(w));
}

static void load(const char *name)
{
    char folder[512];

    (void)snprintf(folder, sizeof(folder), FOLDER "%s", name);
    pg_arena_init(&w.arena, VERIFY_ARENA_BYTES);
    w.artifact = bundle_case_file(folder, "artifact", NULL);
    w.bundle = parsed(folder, "bundle.sigstore.json");
    w.root = parsed(folder, "trusted_root.json");
    w.trust = trust_new();
    w.with_manifest = w.with_stamps = true;
}

static void trust_root(void)
{
    char *root = json_dumps(w.root, JSON_COMPACT);
    struct pg_err err = {0};

    if (trust_add_root(w.trust, "root", sl_str(root), &err) < 0)
        fail_msg("%s", err.msg);
    free(root);
}

static void trust_key_of(const char *name, struct trust_window window)
{
    char folder[512], id[TRUST_ID_DIGITS + 1];
    struct pg_err err = {0};
    struct sl pem;

    (void)snprintf(folder, sizeof(folder), FOLDER "%s", name);
    pem = bundle_case_file(folder, "key.pub", NULL);
    if (trust_add_key(w.trust, "key.pub", pem, window, id, &err) < 0)
        fail_msg("%s", err.msg);
    free((char *)(uintptr_t)pem.p);
}

static enum verify_reason ask(void)
{
    char *bundle = json_dumps(w.bundle, JSON_COMPACT);
    struct verify_subject s = {.digest = digest_of(PG_SHA256, w.artifact)};
    struct verify_evidence e = {.format = VERIFY_BUNDLE, .bytes = sl_str(bundle)};
    struct verify_options o = {.now_s = 1, .timestamps = w.with_stamps ? &stamp_asker : NULL};
    struct verify_question q = {&s, &e, w.trust, &o};
    int status;

    if (w.with_manifest)
        s.manifest = w.artifact;
    status = verify_evidence(&q, &w.arena, &w.fact, &w.no);
    free(bundle);
    return status == 1 ? VERIFY_NONE : w.no.reason;
}

static void is(enum verify_reason expected)
{
    enum verify_reason r = ask();

    if (r != expected)
        fail_msg("%s, not %s: %s", verify_reason_code(r), verify_reason_code(expected),
                 w.no.err.msg);
}

static json_t *material(void)
{
    return json_object_get(w.bundle, "verificationMaterial");
}

static json_t *entry(void)
{
    return json_array_get(json_object_get(material(), "tlogEntries"), 0);
}

static json_t *authority(const char *list, size_t i)
{
    return json_array_get(json_object_get(w.root, list), i);
}

/* {"validFor": {"end": text}} of a log's key. */
static void end_of_log(const char *list, size_t i, const char *end)
{
    json_t *valid = json_object_get(json_object_get(authority(list, i), "publicKey"), "validFor");

    json_object_set_new(valid, "end", json_string(end));
}

TEST(a_keyless_signature_says_who_when_and_where)
{
    const struct sl *x = w.fact.identity.extensions;

    load("ok-msg-rekor1");
    trust_root();
    is(VERIFY_NONE);
    assert_int_equal(w.fact.kind, VERIFY_IS_SIGNATURE);
    assert_int_equal(w.fact.format, VERIFY_BUNDLE);
    assert_int_equal(w.fact.signer, VERIFY_BY_IDENTITY);
    assert_int_equal(w.fact.identity.type, VERIFY_SAN_URI);
    assert_true(sl_eq(w.fact.identity.subject, SL(WORKFLOW)));
    assert_true(sl_eq(w.fact.identity.issuer, SL(GITHUB)));
    assert_int_equal(w.fact.signed_at_s, 1768478430);
    assert_true(w.fact.not_after_s == INT64_MAX);
    assert_int_equal(w.fact.nlogs, 1);
    assert_int_equal(w.fact.nscts, 1);
    assert_int_equal(w.fact.nstamps, 0);
    assert_null(w.fact.statement.p);
    assert_null(w.fact.key_id.p);
    assert_true(sl_eq(x[1], SL(GITHUB)) && sl_eq(x[8], SL(GITHUB)));
    assert_true(sl_eq(x[2], SL("push")) && sl_eq(x[20], SL("push")));
    assert_true(sl_eq(x[5], SL("acme/app")) && sl_eq(x[6], SL("refs/heads/main")));
    assert_true(sl_eq(x[12], SL("https://github.com/acme/app")));
    assert_true(sl_eq(x[22], SL("public")) && sl_eq(x[23], SL("production")));
    assert_true(sl_eq(x[24], SL("repo:acme/app:ref:refs/heads/main")));
    assert_null(x[7].p);
    drop();
}

TEST(an_attestation_is_not_a_signature)
{
    load("ok-dsse-slsa1");
    trust_root();
    is(VERIFY_NONE);
    assert_int_equal(w.fact.kind, VERIFY_IS_ATTESTATION);
    assert_true(sl_eq(w.fact.predicate_type, SL("https://slsa.dev/provenance/v1")));
    assert_true(sl_starts(w.fact.statement, SL("{\"_type\":")));
    drop();
    load("ok-dsse-rekor1");
    trust_root();
    is(VERIFY_NONE);
    assert_int_equal(w.fact.kind, VERIFY_IS_SIGNATURE);
    drop();
}

TEST(a_key_is_told_by_its_id)
{
    load("ok-key-rekor1");
    trust_root();
    trust_key_of("ok-key-rsapss-nolog", TRUST_ALWAYS);
    trust_key_of("ok-key-ed25519-nolog", TRUST_ALWAYS);
    trust_key_of("ok-key-rekor1", TRUST_ALWAYS);
    is(VERIFY_NONE);
    assert_int_equal(w.fact.signer, VERIFY_BY_KEY);
    assert_int_equal(w.fact.key_id.n, TRUST_ID_DIGITS);
    assert_int_equal(w.fact.nlogs, 1);
    assert_int_equal(w.fact.nscts, 0);
    drop();
}

TEST(without_a_trusted_root_a_keys_log_entries_count_for_nothing)
{
    load("ok-key-rekor1");
    trust_key_of("ok-key-rekor1", TRUST_ALWAYS);
    is(VERIFY_NONE);
    assert_int_equal(w.fact.nlogs, 0);
    assert_int_equal(w.fact.signed_at_s, 0);
    drop();
    load("ok-msg-rekor1");
    trust_key_of("ok-key-rekor1", TRUST_ALWAYS);
    is(VERIFY_LOG); /* a certificate needs them */
    drop();
}

/* CVE-2026-54787 */
TEST(a_key_with_a_window_needs_a_time_in_it)
{
    load("ok-key-rekor1");
    trust_root();
    trust_key_of("ok-key-rekor1", (struct trust_window){0, 1768478429});
    is(VERIFY_TIME);
    drop();
    load("ok-key-rekor1");
    trust_root();
    trust_key_of("ok-key-rekor1", (struct trust_window){1768478430, 1768478430});
    is(VERIFY_NONE);
    drop();
    load("ok-key-ed25519-nolog");
    trust_key_of("ok-key-ed25519-nolog", (struct trust_window){0, 1768478430});
    is(VERIFY_TIME);
    assert_non_null(strstr(w.no.err.msg, "nothing proves when"));
    drop();
}

TEST(a_time_that_nobody_signed_is_none)
{
    load("ok-msg-rekor1");
    trust_root();
    json_object_del(entry(), "inclusionPromise");
    is(VERIFY_TIME);
    drop();
    load("ok-msg-rekor1-tsa"); /* the timestamp is one */
    trust_root();
    json_object_del(entry(), "inclusionPromise");
    is(VERIFY_NONE);
    assert_int_equal(w.fact.nstamps, 1);
    assert_int_equal(w.fact.nlogs, 1);
    drop();
}

TEST(the_kind_that_the_bundle_says_is_the_entrys)
{
    load("ok-msg-rekor1");
    trust_root();
    json_object_set_new(json_object_get(entry(), "kindVersion"), "version", json_string("0.0.2"));
    is(VERIFY_LOG);
    drop();
}

TEST(a_logs_key_is_trusted_up_to_its_last_second)
{
    load("ok-msg-rekor1");
    end_of_log("tlogs", 0, "2026-01-15T12:00:30Z");
    trust_root();
    is(VERIFY_NONE);
    drop();
    load("ok-msg-rekor1");
    end_of_log("tlogs", 0, "2026-01-15T12:00:29Z");
    trust_root();
    is(VERIFY_TIME);
    drop();
    load("ok-msg-rekor2"); /* by the timestamps alone */
    end_of_log("tlogs", 1, "2026-01-15T11:00:00Z");
    trust_root();
    is(VERIFY_TIME);
    drop();
}

TEST(without_certificate_logs_scts_count_for_nothing)
{
    load("ok-msg-rekor1");
    json_object_del(w.root, "ctlogs");
    trust_root();
    is(VERIFY_NONE);
    assert_int_equal(w.fact.nscts, 0);
    drop();
}

TEST(without_an_authority_nobody_is_believed)
{
    load("ok-msg-rekor1");
    json_object_del(w.root, "certificateAuthorities");
    trust_root();
    is(VERIFY_CERTIFICATE);
    drop();
    load("ok-msg-rekor1");
    json_object_del(w.root, "tlogs");
    trust_root();
    is(VERIFY_LOG);
    drop();
    load("ok-msg-tsa-only");
    json_object_del(w.root, "timestampAuthorities");
    trust_root();
    is(VERIFY_TIMESTAMP);
    drop();
}

TEST(nobody_to_ask_about_a_timestamp_is_a_refusal)
{
    load("ok-msg-rekor1-tsa");
    trust_root();
    w.with_stamps = false;
    is(VERIFY_HELPER);
    drop();
}

TEST(what_needs_the_bytes_says_so)
{
    load("ok-msg-rekor1");
    trust_root();
    w.with_manifest = false;
    is(VERIFY_NONE);
    drop();
    load("ok-alg-p384-msg");
    trust_root();
    w.with_manifest = false;
    is(VERIFY_UNSUPPORTED);
    assert_non_null(strstr(w.no.err.msg, "manifest's bytes"));
    drop();
    load("ok-alg-p384-dsse"); /* the envelope has its own */
    trust_root();
    w.with_manifest = false;
    is(VERIFY_NONE);
    drop();
}

TEST(another_key_or_image_is_named_in_the_sentence)
{
    load("ok-key-rekor1");
    trust_root();
    trust_key_of("ok-key-ed25519-nolog", TRUST_ALWAYS);
    is(VERIFY_KEY);
    assert_non_null(strstr(w.no.err.msg, ", it says, but the trusted key is "));
    drop();
    load("msg-other-artifact_fail");
    trust_root();
    is(VERIFY_SUBJECT);
    assert_non_null(strstr(w.no.err.msg, "the signature is over sha256:"));
    assert_non_null(strstr(w.no.err.msg, ", this image is sha256:5b1759ab"));
    drop();
}

/* The same signature that names another digest as a hint, and none. */
static void flip_signature(void)
{
    json_t *s =
        json_array_get(json_object_get(json_object_get(w.bundle, "dsseEnvelope"), "signatures"), 0);
    char text[256];

    (void)snprintf(text, sizeof(text), "%s", json_string_value(json_object_get(s, "sig")));
    text[20] = text[20] == 'A' ? 'B' : 'A';
    json_object_set_new(s, "sig", json_string(text));
}

TEST(a_hint_is_for_words_alone)
{
    load("ok-key-rekor1");
    trust_root();
    trust_key_of("ok-key-rekor1", TRUST_ALWAYS);
    flip_signature();
    is(VERIFY_SIGNATURE);
    assert_non_null(strstr(w.no.err.msg, "said to be signed by the trusted key "));
    drop();
    load("ok-key-rekor1");
    trust_root();
    trust_key_of("ok-key-rekor1", TRUST_ALWAYS);
    json_object_set_new(json_object_get(material(), "publicKey"), "hint", json_string("k"));
    is(VERIFY_NONE);
    flip_signature();
    is(VERIFY_KEY);
    drop();
}

TEST(what_a_bundle_says_it_is_about_proves_nothing)
{
    json_t *message;

    load("msg-other-artifact_fail");
    trust_root();
    message = json_object_get(w.bundle, "messageSignature");
    json_object_del(message, "messageDigest");
    is(VERIFY_SIGNATURE);
    drop();
}

/* Two bundles' entries, of the same log: one of them is about another signature (CVE-2024-51746).
 */
TEST(a_wrong_entry_beside_a_right_one_refuses_both)
{
    json_t *other;

    load("tlog-entry-of-other-signature_fail");
    other = json_incref(entry());
    drop();
    load("ok-msg-rekor1");
    trust_root();
    json_array_append(json_object_get(material(), "tlogEntries"), other);
    is(VERIFY_LOG);
    drop();
    load("ok-msg-rekor1");
    trust_root();
    json_array_insert(json_object_get(material(), "tlogEntries"), 0, other);
    is(VERIFY_LOG);
    drop();
    json_decref(other);
}

/* CVE-2024-45395 */
TEST(log_entries_are_counted)
{
    load("ok-msg-rekor1");
    trust_root();
    while (json_array_size(json_object_get(material(), "tlogEntries")) < VERIFY_ENTRIES_MAX)
        json_array_append(json_object_get(material(), "tlogEntries"), entry());
    is(VERIFY_NONE);
    assert_int_equal(w.fact.nlogs, 1); /* however often: CVE-2026-49834 */
    json_array_append(json_object_get(material(), "tlogEntries"), entry());
    is(VERIFY_TOO_LARGE);
    drop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_keyless_signature_says_who_when_and_where),
        RUN(an_attestation_is_not_a_signature),
        RUN(a_key_is_told_by_its_id),
        RUN(without_a_trusted_root_a_keys_log_entries_count_for_nothing),
        RUN(a_key_with_a_window_needs_a_time_in_it),
        RUN(a_time_that_nobody_signed_is_none),
        RUN(the_kind_that_the_bundle_says_is_the_entrys),
        RUN(a_logs_key_is_trusted_up_to_its_last_second),
        RUN(without_certificate_logs_scts_count_for_nothing),
        RUN(without_an_authority_nobody_is_believed),
        RUN(nobody_to_ask_about_a_timestamp_is_a_refusal),
        RUN(what_needs_the_bytes_says_so),
        RUN(another_key_or_image_is_named_in_the_sentence),
        RUN(a_hint_is_for_words_alone),
        RUN(what_a_bundle_says_it_is_about_proves_nothing),
        RUN(a_wrong_entry_beside_a_right_one_refuses_both),
        RUN(log_entries_are_counted),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
