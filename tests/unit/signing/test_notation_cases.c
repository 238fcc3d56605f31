/* SPDX-License-Identifier: Apache-2.0 */
/* Envelopes of the fixtures: each is accepted, or refused for the reason in its name. */
#include "harness/notation_case.h"
#include "harness/stamp_asker.h"

#define FOLDER   PG_SOURCE "/tests/fixtures/signing/notation/"
#define MANIFEST SL("application/vnd.oci.image.manifest.v1+json")

/* neg-unsigned has no envelope: that there is none is for who looks for evidence to say.
 * ok-jws-artifacttype differs from others in the manifest around it alone. */
static const struct {
    const char *name, *policy;
    enum verify_reason reason;
    const char *says;
} cases[] = {
    {"neg-alg-mismatch.jws", "strict", VERIFY_SIGNATURE, "says that it is ES384"},
    {"neg-alg-ps512-rsa2048.jws", "strict", VERIFY_SIGNATURE, "says that it is PS512"},
    {"neg-alg-rs256.jws", "strict", VERIFY_UNSUPPORTED, "algorithm is \"RS256\""},
    {"neg-cose-other-digest.cose", "strict", VERIFY_SUBJECT, "this image is sha256:f00cea1d2f5f"},
    {"neg-cose-payload-tampered.cose", "strict", VERIFY_SIGNATURE, "does not match"},
    {"neg-cose-signature-tampered.cose", "strict", VERIFY_SIGNATURE, "does not match"},
    {"neg-cose-trailing.cose", "strict", VERIFY_MALFORMED, "1 bytes behind"},
    {"neg-cose-untagged.cose", "strict", VERIFY_MALFORMED, "the tag of COSE_Sign1"},
    {"neg-crit-missing.jws", "strict", VERIFY_MALFORMED, "crit"},
    {"neg-crit-names-absent-header.jws", "strict", VERIFY_MALFORMED,
     "\"crit\" names \"io.cncf.notary.expiry\", which is absent"},
    {"neg-cty.jws", "strict", VERIFY_UNSUPPORTED, "over \"application/json\""},
    {"neg-eku-serverauth.jws", "strict", VERIFY_CERTIFICATE, "extended key usage"},
    {"neg-eku-timestamping.jws", "strict", VERIFY_CERTIFICATE, "extended key usage"},
    {"neg-envelope-not-json.jws", "strict", VERIFY_MALFORMED, "the envelope is not JSON"},
    {"neg-expired-cert.jws", "strict", VERIFY_TIME, "is not valid now"},
    {"neg-expired-cert-signing-time-claim.jws", "strict", VERIFY_TIME, "is not valid now"},
    {"neg-expired-signature.jws", "strict", VERIFY_EXPIRED, "ended at 2026-02-01T00:00:00"},
    {"neg-general-json.jws", "strict", VERIFY_MALFORMED, "flattened"},
    {"neg-jws-as-cose.cose", "strict", VERIFY_MALFORMED, "CBOR"},
    {"neg-ku-keyencipherment.jws", "strict", VERIFY_CERTIFICATE, "has a key usage"},
    {"neg-leaf-is-ca.jws", "strict", VERIFY_CERTIFICATE, "is a CA's"},
    {"neg-no-signing-time.jws", "strict", VERIFY_MALFORMED,
     "\"io.cncf.notary.signingTime\" is missing"},
    {"neg-no-x5c.jws", "strict", VERIFY_MALFORMED, "has no certificates"},
    {"neg-not-yet-valid-cert.jws", "strict", VERIFY_TIME, "is not valid now"},
    {"neg-other-identity.jws", "otherid", VERIFY_IDENTITY, "signed by \"CN=release"},
    {"neg-other-size.jws", "strict", VERIFY_SUBJECT, "this image's manifest has 395"},
    {"neg-payload-tampered.jws", "strict", VERIFY_SIGNATURE, "does not match"},
    {"neg-scheme-downgrade.jws", "strict", VERIFY_CERTIFICATE,
     "in a signingAuthority: trust store"},
    {"neg-signature-tampered.jws", "strict", VERIFY_SIGNATURE, "does not match"},
    {"neg-timestamp-after-expiry.jws", "tsa", VERIFY_TIME, "at the time of the timestamp"},
    {"neg-timestamp-other-bytes.jws", "tsa", VERIFY_TIMESTAMP, "the timestamp: "},
    {"neg-timestamp-untrusted.jws", "tsa", VERIFY_TIMESTAMP, "the timestamp: "},
    {"neg-x5c-extra.jws", "strict", VERIFY_CERTIFICATE, "not signed by the next one"},
    {"neg-x5c-no-root.jws", "strict", VERIFY_CERTIFICATE, "in a ca: trust store"},
    {"neg-x5c-order.jws", "strict", VERIFY_CERTIFICATE, "not signed by the next one"},
    {"ok-cose-p256.cose", "strict", VERIFY_NONE, NULL},
    {"ok-cose-p521.cose", "strict", VERIFY_NONE, NULL},
    {"ok-cose-rsa3072.cose", "strict", VERIFY_NONE, NULL},
    {"ok-cose-rsa4096.cose", "strict", VERIFY_NONE, NULL},
    {"ok-jws-artifacttype.jws", "strict", VERIFY_NONE, NULL},
    {"ok-jws-handmade.jws", "strict", VERIFY_NONE, NULL},
    {"ok-jws-metadata-expiry.jws", "strict", VERIFY_NONE, NULL},
    {"ok-jws-p384.jws", "strict", VERIFY_NONE, NULL},
    {"ok-jws-p521.jws", "strict", VERIFY_NONE, NULL},
    {"ok-jws-rsa2048.jws", "strict", VERIFY_NONE, NULL},
    {"ok-jws-rsa3072.jws", "strict", VERIFY_NONE, NULL},
    {"ok-jws-rsa4096.jws", "strict", VERIFY_NONE, NULL},
    {"ok-jws-self-signed.jws", "self", VERIFY_NONE, NULL},
    {"ok-jws-signing-authority.jws", "strict", VERIFY_NONE, NULL},
    {"ok-jws-timestamped-expired-cert.jws", "tsa", VERIFY_NONE, NULL},
    /* The same envelopes under other statements. */
    {"neg-expired-signature.jws", "permissive", VERIFY_NONE, NULL},
    {"neg-expired-cert.jws", "permissive", VERIFY_NONE, NULL},
    {"neg-other-identity.jws", "anyid", VERIFY_NONE, NULL},
    {"neg-signature-tampered.jws", "permissive", VERIFY_SIGNATURE, "does not match"},
    {"neg-other-size.jws", "permissive", VERIFY_SUBJECT, "this image's manifest has 395"},
    {"neg-leaf-is-ca.jws", "permissive", VERIFY_CERTIFICATE, "is a CA's"},
    {"neg-timestamp-untrusted.jws", "strict", VERIFY_TIME, "is not valid now"},
    {"ok-jws-timestamped-expired-cert.jws", "strict", VERIFY_TIME, "is not valid now"},
    {"ok-jws-p384.jws", "tsa", VERIFY_TIMESTAMP, "has no timestamp"},
    {"ok-jws-self-signed.jws", "strict", VERIFY_CERTIFICATE, "in a ca: trust store"},
    {"ok-jws-signing-authority.jws", "tsa", VERIFY_CERTIFICATE, "in a signingAuthority: trust"},
};
#define NCASES (sizeof(cases) / sizeof(cases[0]))

static struct sl manifest;

static struct trust *trust_of(const char *policy)
{
    struct trust *t = trust_new();
    char path[512];
    struct sl json;

    notation_case_store(t, "ca", "fixture", FOLDER "truststore/x509/ca/fixture/root.pem");
    notation_case_store(t, "ca", "selfsigned", FOLDER "truststore/x509/ca/selfsigned/self.pem");
    notation_case_store(t, "signingAuthority", "fixture",
                        FOLDER "truststore/x509/signingAuthority/fixture/sa-root.pem");
    notation_case_store(t, "tsa", "fixture", FOLDER "truststore/x509/tsa/fixture/tsa-root.pem");
    (void)snprintf(path, sizeof(path), FOLDER "trustpolicy.%s.json", policy);
    json = notation_case_file(path);
    notation_case_policy(t, json);
    free((char *)(uintptr_t)json.p);
    return t;
}

static struct notation_case case_of(const struct trust *t, const char *name, struct sl bytes)
{
    return (struct notation_case){
        .trust = t,
        .envelope = bytes,
        .media_type = strstr(name, ".cose") != NULL ? NOTATION_CASE_COSE : NOTATION_CASE_JWS,
        .manifest = manifest,
        .manifest_type = MANIFEST,
        .repository = NOTATION_CASE_REPO,
        .now_s = NOTATION_CASE_NOW,
        .stamp = &stamp_asker,
    };
}

static struct sl envelope_of(const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof(path), FOLDER "%s", name);
    return notation_case_file(path);
}

TEST(each_case_has_its_verdict)
{
    for (size_t i = 0; i < NCASES; i++) {
        struct trust *t = trust_of(cases[i].policy);
        struct sl bytes = envelope_of(cases[i].name);
        struct notation_case c = case_of(t, cases[i].name, bytes);
        char text[PG_ERR_TEXT_MAX] = "";
        enum verify_reason reason;
        struct pg_arena arena;

        pg_arena_init(&arena, VERIFY_ARENA_BYTES);
        reason = notation_case_verify(&c, &arena, NULL, text);
        if (reason != cases[i].reason)
            fail_msg("%s under %s: reason %d, not %d: %s", cases[i].name, cases[i].policy, reason,
                     cases[i].reason, text);
        if (cases[i].says != NULL && strstr(text, cases[i].says) == NULL)
            fail_msg("%s under %s: \"%s\" does not say \"%s\"", cases[i].name, cases[i].policy,
                     text, cases[i].says);
        pg_arena_free(&arena);
        free((char *)(uintptr_t)bytes.p);
        trust_unref(t);
    }
}

static struct verify_fact fact_of(const char *policy, const char *name, struct pg_arena *arena)
{
    struct trust *t = trust_of(policy);
    struct sl bytes = envelope_of(name);
    struct notation_case c = case_of(t, name, bytes);
    struct verify_fact fact = {0};
    char text[PG_ERR_TEXT_MAX];

    if (notation_case_verify(&c, arena, &fact, text) != VERIFY_NONE)
        fail_msg("%s: %s", name, text);
    free((char *)(uintptr_t)bytes.p);
    trust_unref(t);
    return fact;
}

TEST(a_fact_says_who_and_when_and_for_how_long)
{
    struct verify_fact fact;
    struct pg_arena arena;

    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
    fact = fact_of("strict", "ok-cose-p256.cose", &arena);
    assert_int_equal(fact.kind, VERIFY_IS_SIGNATURE);
    assert_int_equal(fact.format, VERIFY_NOTATION);
    assert_int_equal(fact.signer, VERIFY_BY_CHAIN);
    assert_true(sl_eq(fact.chain_subject, SL("CN=release,O=fixture.test,ST=WA,C=US")));
    assert_true(sl_eq(fact.policy_name, SL("strict")));
    assert_null(fact.annotations);
    assert_int_equal(fact.signed_at_s, 0); /* what it says of that itself proves nothing */
    assert_true(fact.not_after_s > NOTATION_CASE_NOW && fact.not_after_s < INT64_MAX);
    assert_int_equal(fact.nlogs + fact.nscts + fact.nstamps, 0);

    fact = fact_of("tsa", "ok-jws-timestamped-expired-cert.jws", &arena);
    assert_int_equal(fact.nstamps, 1);
    assert_true(fact.signed_at_s > 1767225600 && fact.signed_at_s < 1769904000); /* January 2026 */
    assert_int_equal(fact.not_after_s, INT64_MAX);

    fact = fact_of("strict", "ok-jws-signing-authority.jws", &arena);
    assert_int_equal(fact.signed_at_s, 1768478400); /* 2026-01-15T12:00:00Z */
    assert_int_equal(fact.nstamps, 0);

    fact = fact_of("strict", "ok-jws-metadata-expiry.jws", &arena);
    assert_int_equal(json_object_size(fact.annotations), 1);
    assert_true(sl_eq(pg_json_str(fact.annotations, "io.acme.buildId"), SL("123")));
    json_decref(fact.annotations);
    pg_arena_free(&arena);
}

/* Which program made it is all of an envelope that nobody signed and nobody reads. */
static bool is_agent(struct sl bytes, size_t at)
{
    const struct sl name = SL("io.cncf.notary.signingAgent"), value = SL("fixture/1");
    const char *from = memmem(bytes.p, bytes.n, name.p, name.n), *until;

    assert_non_null(from);
    until = memmem(from, (size_t)(bytes.p + bytes.n - from), value.p, value.n);
    assert_non_null(until);
    return bytes.p + at >= from && bytes.p + at < until + value.n;
}

static void flip(const char *name, const char *policy)
{
    struct trust *t = trust_of(policy);
    struct sl bytes = envelope_of(name);
    struct notation_case c = case_of(t, name, bytes);
    char *at = (char *)(uintptr_t)bytes.p;

    for (size_t i = 0; i < bytes.n; i++) {
        struct pg_arena arena;

        if (is_agent(bytes, i))
            continue;
        at[i] = (char)(at[i] ^ 1 << i % 8);
        pg_arena_init(&arena, VERIFY_ARENA_BYTES);
        if (notation_case_verify(&c, &arena, NULL, NULL) == VERIFY_NONE)
            fail_msg("%s: accepted with byte %zu changed to %#x", name, i, (unsigned char)at[i]);
        pg_arena_free(&arena);
        at[i] = (char)(at[i] ^ 1 << i % 8);
    }
    free(at);
    trust_unref(t);
}

TEST(no_byte_can_be_changed)
{
    flip("ok-cose-p256.cose", "strict");
    flip("ok-jws-handmade.jws", "strict");
}

/* Cut anywhere. */
TEST(no_part_is_enough)
{
    struct trust *t = trust_of("strict");
    struct sl bytes = envelope_of("ok-cose-p256.cose");
    struct notation_case c = case_of(t, ".cose", bytes);

    for (size_t n = 0; n < bytes.n; n++) {
        struct pg_arena arena;
        char *part = malloc(n + 1);

        memcpy(part, bytes.p, n);
        c.envelope = (struct sl){part, n};
        pg_arena_init(&arena, VERIFY_ARENA_BYTES);
        assert_int_not_equal(notation_case_verify(&c, &arena, NULL, NULL), VERIFY_NONE);
        pg_arena_free(&arena);
        free(part);
    }
    free((char *)(uintptr_t)bytes.p);
    trust_unref(t);
}

static int ask_nobody(void *context, const struct stamp_question *q, struct stamp_answer *a_r,
                      struct pg_err *err)
{
    (void)context, (void)q, (void)a_r;
    return pg_fail(err, PG_E_TIMEOUT, "no answer in 5 s");
}

TEST(without_an_answer_about_the_timestamp_there_is_no_fact)
{
    static const struct stamp nobody = {.ask = ask_nobody};
    const char *name = "ok-jws-timestamped-expired-cert.jws";
    struct trust *t = trust_of("tsa");
    struct sl bytes = envelope_of(name);
    struct notation_case c = case_of(t, name, bytes);
    char text[PG_ERR_TEXT_MAX];
    struct pg_arena arena;

    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
    c.stamp = &nobody;
    assert_int_equal(notation_case_verify(&c, &arena, NULL, text), VERIFY_HELPER);
    assert_non_null(strstr(text, "no answer in 5 s"));
    c.stamp = NULL;
    assert_int_equal(notation_case_verify(&c, &arena, NULL, NULL), VERIFY_HELPER);
    pg_arena_free(&arena);
    free((char *)(uintptr_t)bytes.p);
    trust_unref(t);
}

static int ask_liar(void *context, const struct stamp_question *q, struct stamp_answer *a_r,
                    struct pg_err *err)
{
    (void)q, (void)err;
    *a_r = *(const struct stamp_answer *)context;
    return 0;
}

/* Who looks at timestamps is another program, which is not believed more than it has to be. */
TEST(an_answer_about_a_timestamp_makes_sense_or_is_none)
{
    const struct {
        struct stamp_answer says;
        enum verify_reason reason;
    } all[] = {
        {{1768478400, 0, 0}, VERIFY_NONE}, /* January 2026 */
        {{1768478400, 0, 1}, VERIFY_HELPER},
        {{1768478400, INT64_MAX, 0}, VERIFY_TIMESTAMP},
        {{1768478400, -1, 0}, VERIFY_TIMESTAMP},
        {{INT64_MAX, 0, 0}, VERIFY_TIMESTAMP},
        {{INT64_MIN, 0, 0}, VERIFY_TIMESTAMP},
        {{NOTATION_CASE_NOW, 0, 0}, VERIFY_TIME}, /* its certificate had ended */
        {{0, 0, 0}, VERIFY_TIME},
    };
    const char *name = "ok-jws-timestamped-expired-cert.jws";
    struct trust *t = trust_of("tsa");
    struct sl bytes = envelope_of(name);
    struct notation_case c = case_of(t, name, bytes);
    struct pg_arena arena;

    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const struct stamp liar = {ask_liar, (void *)(uintptr_t)&all[i].says};

        c.stamp = &liar;
        assert_int_equal(notation_case_verify(&c, &arena, NULL, NULL), all[i].reason);
    }
    pg_arena_free(&arena);
    free((char *)(uintptr_t)bytes.p);
    trust_unref(t);
}

TEST(what_is_signed_beside_the_digest_counts_too)
{
    struct trust *t = trust_of("strict");
    struct sl bytes = envelope_of("ok-jws-p384.jws");
    struct notation_case c = case_of(t, ".jws", bytes);
    struct pg_arena arena;

    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
    c.manifest_type = SL("application/vnd.docker.distribution.manifest.v2+json");
    assert_int_equal(notation_case_verify(&c, &arena, NULL, NULL), VERIFY_SUBJECT);
    c.manifest_type = SL("");
    assert_int_equal(notation_case_verify(&c, &arena, NULL, NULL), VERIFY_SUBJECT);
    c.manifest_type = MANIFEST;
    c.media_type = SL("application/json");
    assert_int_equal(notation_case_verify(&c, &arena, NULL, NULL), VERIFY_UNSUPPORTED);
    c.media_type = NOTATION_CASE_JWS;
    c.repository = SL("registry.fixture.test/acme/ap");
    assert_int_equal(notation_case_verify(&c, &arena, NULL, NULL), VERIFY_TRUST_POLICY);
    c.repository = (struct sl){NULL, 0};
    assert_int_equal(notation_case_verify(&c, &arena, NULL, NULL), VERIFY_TRUST_POLICY);
    pg_arena_free(&arena);
    free((char *)(uintptr_t)bytes.p);
    trust_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(each_case_has_its_verdict),
        RUN(a_fact_says_who_and_when_and_for_how_long),
        RUN(no_byte_can_be_changed),
        RUN(no_part_is_enough),
        RUN(without_an_answer_about_the_timestamp_there_is_no_fact),
        RUN(an_answer_about_a_timestamp_makes_sense_or_is_none),
        RUN(what_is_signed_beside_the_digest_counts_too),
    };
    int status;

    manifest = notation_case_file(FOLDER "manifest.json");
    status = cmocka_run_group_tests(tests, NULL, NULL);
    free((char *)(uintptr_t)manifest.p);
    return status;
}
