/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public conformance suite's bundles, and some of sigstore-go's and cosign's: the third-party
 * data in the folder PG_CONFORMANCE_DIR, when it is set.
 *
 *     bundle-verify/, roots/public-good/trusted_root.json, sigstore-go/, cosign/
 */
#include "harness/test.h"

#include <openssl/evp.h>

#include "base/json.h"
#include "harness/bundle_case.h"

#define BEACON                                                                                     \
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/"      \
    "workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
#define GITHUB "https://token.actions.githubusercontent.com"

static const char *data;
static struct pg_arena arena;
static char text[BUNDLE_CASE_TEXT];

static struct sl file(const char *name)
{
    struct sl bytes = bundle_case_file(data, name, NULL);

    if (bytes.p == NULL)
        fail_msg("%s/%s is missing", data, name);
    return bytes;
}

static void drop(struct sl bytes)
{
    free((char *)(uintptr_t)bytes.p);
}

TEST(the_suite_gets_its_verdicts)
{
    char artifact[512], root[512], folder[512];
    struct bundle_case_defaults d = {artifact, root, BEACON, GITHUB};
    unsigned accepted = 0, rejected = 0, wrong = 0;
    struct dirent *entry;
    DIR *all;

    (void)snprintf(folder, sizeof(folder), "%s/bundle-verify", data);
    (void)snprintf(artifact, sizeof(artifact), "%s/bundle-verify/a.txt", data);
    (void)snprintf(root, sizeof(root), "%s/roots/public-good/trusted_root.json", data);
    all = opendir(folder);
    assert_non_null(all);
    while ((entry = readdir(all)) != NULL) {
        bool fails = strstr(entry->d_name, "_fail") != NULL;
        char path[1024];
        const char *said;

        (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || entry->d_type != DT_DIR)
            continue;
        said = bundle_case_run(path, &d, text);
        *(strcmp(said, "ok") == 0 ? &accepted : &rejected) += 1;
        if (fails == (strcmp(said, "ok") == 0) && ++wrong)
            print_error("%s: %s: %s\n", entry->d_name, said, text);
    }
    closedir(all);
    print_message("%u accepted, %u rejected\n", accepted, rejected);
    assert_int_equal(wrong, 0);
    assert_true(accepted > 0 && rejected > 0);
}

static struct trust *trust_of(const char *root)
{
    struct sl json = file(root);
    struct trust *t = bundle_case_trust(json, (struct sl){NULL, 0}, text);

    if (t == NULL)
        fail_msg("%s: %s", root, text);
    drop(json);
    return t;
}

/* Of an image with this digest, of which the bytes are not known. */
static int verify(const char *name, const struct trust *t, const char *sha256,
                  struct verify_fact *f_r, struct verify_refusal *no_r)
{
    struct sl bundle = file(name);
    struct verify_subject s = {0};
    struct verify_evidence e = {.format = VERIFY_BUNDLE, .bytes = bundle};
    struct verify_options o = {.now_s = 1, .timestamps = &stamp_asker};
    struct verify_question q = {&s, &e, t, &o};
    struct pg_err err = {0};
    int status;

    assert_int_equal(digest_parse(sl_str(sha256), &s.digest, &err), 0);
    status = verify_evidence(&q, &arena, f_r, no_r);
    drop(bundle);
    return status;
}

#define NO_IMAGE "sha256:0000000000000000000000000000000000000000000000000000000000000000"

static void is_refused(const char *name, const char *root, const char *code)
{
    struct trust *t = trust_of(root);
    struct verify_refusal no = {0};
    struct verify_fact f;

    assert_int_equal(verify(name, t, NO_IMAGE, &f, &no), 0);
    if (strcmp(verify_reason_code(no.reason), code) != 0)
        fail_msg("%s: %s: %s", name, verify_reason_code(no.reason), no.err.msg);
    pg_err_clear(&no.err);
    trust_unref(t);
}

/* All is right with npm's but that it is not about an image: it has a sha512 alone. An old one
 * brings a root along, which nobody need read. */
TEST(bundles_of_other_things_are_refused_for_what_they_are)
{
    is_refused("sigstore-go/bundles/sigstore.js@2.0.0-provenance.sigstore.json",
               "roots/public-good/trusted_root.json", "subject");
    is_refused("sigstore-go/bundles/dsse.sigstore.json",
               "sigstore-go/trusted-roots/public-good.json", "certificate");
    is_refused("sigstore-go/bundles/dsse-2sigs.sigstore.json",
               "sigstore-go/trusted-roots/public-good.json", "unsupported");
}

TEST(a_user_name_is_a_subject)
{
    struct trust *t = trust_of("sigstore-go/trusted-roots/scaffolding.json");
    struct verify_refusal no = {0};
    struct verify_fact f;
    int status =
        verify("sigstore-go/bundles/othername.sigstore.json", t,
               "sha256:bc103b4a84971ef6459b294a2b98568a2bfb72cded09d4acd1e16366a401f95b", &f, &no);

    if (status != 1)
        fail_msg("%s", no.err.msg);
    assert_int_equal(f.identity.type, VERIFY_SAN_USER);
    assert_true(sl_eq(f.identity.subject, SL("foo!oidc.local")));
    assert_true(sl_eq(f.identity.issuer, SL("http://oidc.local:8080")));
    json_decref(f.annotations);
    trust_unref(t);
}

/* The subject that the statement names first. */
static struct sl subject_of(const char *name)
{
    struct sl bundle = file(name), payload, hex;
    struct pg_err err = {0};
    json_t *root, *statement;
    size_t room;
    char *bytes;
    int n;

    assert_int_equal(pg_json_parse(bundle, PG_E_DENIED, &root, &err), 0);
    payload = pg_json_str(json_object_get(root, "dsseEnvelope"), "payload");
    room = payload.n + 4;
    bytes = calloc(1, room);
    n = EVP_DecodeBlock((unsigned char *)bytes, (const unsigned char *)payload.p, (int)payload.n);
    assert_true(n > 0);
    statement = json_loads(bytes, 0, NULL);
    hex = pg_json_str(
        json_object_get(json_array_get(json_object_get(statement, "subject"), 0), "digest"),
        "sha256");
    hex = pg_copy(&arena, hex);
    json_decref(statement);
    json_decref(root);
    free(bytes);
    drop(bundle);
    return hex;
}

TEST(an_attestation_of_an_image_is_accepted_for_its_own_subject)
{
    const char *name = "cosign/oci-attestation.sigstore.json";
    struct trust *t = trust_of("cosign/trusted_root_pgi.json");
    struct verify_refusal no = {0};
    struct verify_fact f;
    char digest[128];

    (void)snprintf(digest, sizeof(digest), "sha256:%s", subject_of(name).p);
    if (verify(name, t, digest, &f, &no) != 1)
        fail_msg("%s", no.err.msg);
    assert_int_equal(f.kind, VERIFY_IS_ATTESTATION);
    assert_int_equal(f.identity.type, VERIFY_SAN_EMAIL);
    assert_true(sl_eq(f.identity.subject, SL("cody@soyland.com")));
    json_decref(f.annotations);
    assert_int_equal(verify(name, t, NO_IMAGE, &f, &no), 0);
    assert_int_equal(no.reason, VERIFY_SUBJECT);
    pg_err_clear(&no.err);
    trust_unref(t);
}

static const char *with_key(int64_t until_s)
{
    struct sl root = file("sigstore-go/trusted-roots/public-key-validity.json");
    struct sl key = file("sigstore-go/public-keys/public-key-validity.pem");
    struct sl bundle = file("sigstore-go/bundles/public-key-validity.sigstore.json");
    struct trust *t = trust_new();
    char id[TRUST_ID_DIGITS + 1];
    struct pg_err err = {0};
    struct verify_fact f;
    const char *said;

    if (trust_add_key(t, "key", key, (struct trust_window){0, until_s}, id, &err) < 0 ||
        trust_add_root(t, "root", root, &err) < 0)
        fail_msg("%s", err.msg);
    said = bundle_case_verify(bundle, SL("test content"), t, false, &arena, &f, text);
    trust_unref(t);
    drop(root);
    drop(key);
    drop(bundle);
    return said;
}

/* CVE-2026-54787 */
TEST(a_key_signs_within_its_time_alone)
{
    assert_string_equal(with_key(INT64_MAX), "ok");
    assert_string_equal(with_key(1), "time");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(the_suite_gets_its_verdicts),
        RUN(bundles_of_other_things_are_refused_for_what_they_are),
        RUN(a_user_name_is_a_subject),
        RUN(an_attestation_of_an_image_is_accepted_for_its_own_subject),
        RUN(a_key_signs_within_its_time_alone),
    };
    int failed;

    data = getenv("PG_CONFORMANCE_DIR");
    if (data == NULL) {
        print_message("PG_CONFORMANCE_DIR is not set: the third-party bundles are not looked at\n");
        return 0;
    }
    pg_hash_setup();
    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_arena_free(&arena);
    return failed;
}
