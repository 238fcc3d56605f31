/* SPDX-License-Identifier: Apache-2.0 */
/* What a JWS may say, what a payload may say, and what revocation lists change. */
#include <pthread.h>

#include "harness/notary_maker.h"

#define TYPE   "\"cty\":\"application/vnd.cncf.notary.payload.v1+json\""
#define SCHEME "\"io.cncf.notary.signingScheme\":\"notary.x509\""
#define WHEN   "\"io.cncf.notary.signingTime\":\"2026-01-15T12:00:00Z\""
#define CRIT   "\"crit\":[\"io.cncf.notary.signingScheme\"]"
#define ES256  "\"alg\":\"ES256\""
#define GOOD   "{" ES256 "," CRIT "," TYPE "," SCHEME "," WHEN "}"
#define DIGEST                                                                                     \
    "\"digest\":\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\""
#define TARGET  "\"mediaType\":\"a/b\",\"size\":2," DIGEST
#define PAYLOAD "{\"targetArtifact\":{" TARGET "}}"

static struct maker_cert root, leaf, mid;
/* Below mid: one says where a list is, one where to ask, one where its CA's certificate is; and a
 * CA of mid's name. */
static struct maker_cert pointing, asking, helped, fake;
static struct pg_buf jws;

/* What is in place of the good header, and of the unprotected one. */
static const struct {
    const char *guarded, *beside;
    enum verify_reason reason;
    const char *says;
} headers[] = {
    {GOOD, NULL, VERIFY_NONE, NULL},
    {"{\"mine\":1," ES256 "," CRIT "," TYPE "," SCHEME "," WHEN "}", "\"other\":[{}],", VERIFY_NONE,
     NULL},
    {"{" ES256 "," TYPE "," SCHEME "," WHEN ",\"crit\":[\"io.cncf.notary.signingScheme\",\"mine\"],"
     "\"mine\":1}",
     NULL, VERIFY_UNSUPPORTED, "critical header \"mine\""},
    {"{" ES256 "," TYPE "," SCHEME "," WHEN ",\"crit\":[\"io.cncf.notary.signingScheme\",\"alg\"]}",
     NULL, VERIFY_UNSUPPORTED, "critical header \"alg\""},
    {"{" ES256 "," TYPE "," SCHEME "," WHEN
     ",\"crit\":[\"io.cncf.notary.signingScheme\",\"io.cncf.notary.signingScheme\"]}",
     NULL, VERIFY_MALFORMED, "twice"},
    {"{" ES256 "," TYPE "," SCHEME "," WHEN ",\"crit\":[]}", NULL, VERIFY_MALFORMED,
     "not a list of names"},
    {"{" ES256 "," TYPE "," SCHEME "," WHEN ",\"crit\":\"io.cncf.notary.signingScheme\"}", NULL,
     VERIFY_MALFORMED, "not a list of names"},
    {"{" ES256 "," TYPE "," SCHEME "," WHEN "}", NULL, VERIFY_MALFORMED, "no header \"crit\""},
    {"{" ES256 "," CRIT "," SCHEME "," WHEN "}", NULL, VERIFY_MALFORMED, "no header \"cty\""},
    {"{" ES256 "," CRIT "," TYPE "," WHEN "}", NULL, VERIFY_MALFORMED, "no header"},
    {"{" CRIT "," TYPE "," SCHEME "," WHEN "}", NULL, VERIFY_MALFORMED, "no header \"alg\""},
    {"{\"alg\":\"none\"," CRIT "," TYPE "," SCHEME "," WHEN "}", NULL, VERIFY_UNSUPPORTED, "none"},
    {"{\"alg\":\"HS256\"," CRIT "," TYPE "," SCHEME "," WHEN "}", NULL, VERIFY_UNSUPPORTED,
     "HS256"},
    {"{\"alg\":\"es256\"," CRIT "," TYPE "," SCHEME "," WHEN "}", NULL, VERIFY_UNSUPPORTED,
     "es256"},
    {"{\"alg\":-7," CRIT "," TYPE "," SCHEME "," WHEN "}", NULL, VERIFY_MALFORMED, "\"alg\""},
    {"{" ES256 "," ES256 "," CRIT "," TYPE "," SCHEME "," WHEN "}", NULL, VERIFY_MALFORMED,
     "not JSON"},
    {"{" ES256 "," CRIT "," TYPE "," SCHEME "," WHEN ",\"b64\":false}", NULL, VERIFY_UNSUPPORTED,
     "b64"},
    {"[" GOOD "]", NULL, VERIFY_MALFORMED, "not an object"},
    {"{" ES256 "," TYPE "," SCHEME "," WHEN ",\"crit\":[\"io.cncf.notary.signingScheme\","
     "\"io.cncf.notary.verificationPlugin\"],\"io.cncf.notary.verificationPlugin\":\"x\"}",
     NULL, VERIFY_UNSUPPORTED, "verification plugin"},
    {"{" ES256 "," CRIT "," TYPE "," SCHEME "," WHEN
     ",\"io.cncf.notary.verificationPlugin\":\"x\"}",
     NULL, VERIFY_MALFORMED, "\"io.cncf.notary.verificationPlugin\" is not in \"crit\""},
    {"{" ES256 "," CRIT "," TYPE "," SCHEME "," WHEN
     ",\"io.cncf.notary.expiry\":\"2030-01-01T00:00:00Z\"}",
     NULL, VERIFY_MALFORMED, "\"io.cncf.notary.expiry\" is not in \"crit\""},
    {"{" ES256 "," TYPE "," SCHEME "," WHEN ",\"crit\":[\"io.cncf.notary.signingScheme\","
     "\"io.cncf.notary.expiry\"],\"io.cncf.notary.expiry\":\"2026-01-15T12:00:00Z\"}",
     NULL, VERIFY_MALFORMED, "ends before it was made"},
    {"{" ES256 "," TYPE "," SCHEME "," WHEN ",\"crit\":[\"io.cncf.notary.signingScheme\","
     "\"io.cncf.notary.expiry\"],\"io.cncf.notary.expiry\":1900000000}",
     NULL, VERIFY_MALFORMED, "not a time of RFC 3339"},
    {"{" ES256 "," CRIT "," TYPE ",\"io.cncf.notary.signingScheme\":\"notary.x510\"," WHEN "}",
     NULL, VERIFY_UNSUPPORTED, "notary.x510"},
    {"{" ES256 "," TYPE "," SCHEME "," WHEN ",\"crit\":[\"io.cncf.notary.signingScheme\","
     "\"io.cncf.notary.authenticSigningTime\"],"
     "\"io.cncf.notary.authenticSigningTime\":\"2026-01-15T12:00:00Z\"}",
     NULL, VERIFY_MALFORMED, "which the scheme \"notary.x509\" has not"},
    {GOOD, "\"alg\":\"ES256\",", VERIFY_MALFORMED, "\"alg\" is there twice"},
    {"{" CRIT "," TYPE "," SCHEME "," WHEN "}", "\"alg\":\"ES256\",", VERIFY_MALFORMED,
     "\"alg\" is not protected"},
    {GOOD, "\"io.cncf.notary.expiry\":\"2030-01-01T00:00:00Z\",", VERIFY_MALFORMED,
     "\"io.cncf.notary.expiry\" is not protected"},
    {"{\"mine\":1," ES256 "," CRIT "," TYPE "," SCHEME "," WHEN "}", "\"mine\":2,",
     VERIFY_MALFORMED, "\"mine\" is there twice"},
    {GOOD, "\"io.cncf.notary.timestampSignature\":17,", VERIFY_MALFORMED, "not base64"},
    {GOOD, "\"io.cncf.notary.timestampSignature\":\"AA==\",", VERIFY_NONE, NULL},
};
#define NHEADERS (sizeof(headers) / sizeof(headers[0]))

static const struct {
    const char *payload;
    enum verify_reason reason;
    const char *says;
} payloads[] = {
    {PAYLOAD, VERIFY_NONE, NULL},
    {" { \"targetArtifact\" : {" TARGET ",\"artifactType\":\"x/y\",\"annotations\":{\"a\":\"b\"}}}",
     VERIFY_NONE, NULL},
    {"{\"targetArtifact\":{" TARGET "},\"more\":1}", VERIFY_MALFORMED, "has more in it"},
    {"{\"targetArtifact\":{" TARGET ",\"urls\":[]}}", VERIFY_MALFORMED, "has more in it"},
    {"{\"TargetArtifact\":{" TARGET "}}", VERIFY_MALFORMED, "targetArtifact"},
    {"{\"targetArtifact\":{" TARGET "},\"targetArtifact\":{" TARGET "}}", VERIFY_MALFORMED, "JSON"},
    {PAYLOAD "{}", VERIFY_MALFORMED, "JSON"},
    {"", VERIFY_MALFORMED, "JSON"},
    {"{}", VERIFY_MALFORMED, "targetArtifact"},
    {"{\"targetArtifact\":[]}", VERIFY_MALFORMED, "targetArtifact"},
    {"{\"targetArtifact\":{\"mediaType\":\"a/b\",\"size\":3," DIGEST "}}", VERIFY_SUBJECT,
     "over 3 bytes, this image's manifest has 2"},
    {"{\"targetArtifact\":{\"mediaType\":\"a/b\",\"size\":2.0," DIGEST "}}", VERIFY_MALFORMED,
     "no digest, mediaType or size"},
    {"{\"targetArtifact\":{\"mediaType\":\"a/b\",\"size\":-2," DIGEST "}}", VERIFY_SUBJECT, "-2"},
    {"{\"targetArtifact\":{\"mediaType\":\"A/b\",\"size\":2," DIGEST "}}", VERIFY_SUBJECT,
     "over a \"A/b\", this image is a \"a/b\""},
    {"{\"targetArtifact\":{\"size\":2," DIGEST "}}", VERIFY_MALFORMED, "no digest, mediaType"},
    {"{\"targetArtifact\":{\"mediaType\":\"a/b\",\"size\":2,\"digest\":\"sha512:"
     "27c74670adb75075fad058d5ceaf7b20c4e7786c83bae8a32f626f9782af34c9"
     "a33c2046ef60fd2a7878d378e29fec851806bbd9a67878f3a9f1cda4830763fd\"}}",
     VERIFY_SUBJECT, "over sha512:"},
    {"{\"targetArtifact\":{\"mediaType\":\"a/b\",\"size\":2,\"digest\":\"SHA256:"
     "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\"}}",
     VERIFY_SUBJECT, "over SHA256:"},
    {"{\"targetArtifact\":{" TARGET ",\"annotations\":{\"a\":1}}}", VERIFY_MALFORMED,
     "annotation is not a text"},
    {"{\"targetArtifact\":{" TARGET ",\"annotations\":[]}}", VERIFY_MALFORMED, "annotations"},
};
#define NPAYLOADS (sizeof(payloads) / sizeof(payloads[0]))

static struct trust *trust_with(const char *verification)
{
    struct trust *t = trust_new();
    struct pg_buf json;

    pg_buf_init(&json, 4096);
    (void)pg_buf_printf(&json,
                        "{\"version\":\"1.0\",\"trustPolicies\":[{\"name\":\"made\","
                        "\"registryScopes\":[\"*\"],\"signatureVerification\":{%s},"
                        "\"trustStores\":[\"ca:made\"],\"trustedIdentities\":[\"*\"]}]}",
                        verification);
    maker_trust(t, "ca", "made", &root);
    notation_case_policy(t, pg_buf_sl(&json));
    pg_buf_free(&json);
    return t;
}

static enum verify_reason verify_jws(const struct trust *t, struct verify_fact *fact_r, char *text)
{
    struct notation_case c = {.trust = t,
                              .envelope = pg_buf_sl(&jws),
                              .media_type = NOTATION_CASE_JWS,
                              .manifest = SL("{}"),
                              .manifest_type = SL("a/b"),
                              .repository = NOTATION_CASE_REPO,
                              .now_s = MAKER_NOW};
    enum verify_reason reason;
    struct pg_arena arena;

    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
    reason = notation_case_verify(&c, &arena, fact_r, text);
    pg_arena_free(&arena);
    return reason;
}

static void expect(const char *what, enum verify_reason got, enum verify_reason wanted,
                   const char *text, const char *says)
{
    if (got != wanted)
        fail_msg("%s: reason %d, not %d: %s", what, got, wanted, text);
    if (says != NULL && strstr(text, says) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", what, text, says);
}

TEST(each_header_has_its_verdict)
{
    struct trust *t = trust_with("\"level\":\"strict\"");
    const struct maker_cert *chain[] = {&leaf, &mid, &root, NULL};

    for (size_t i = 0; i < NHEADERS; i++) {
        struct maker_jws j = {headers[i].guarded, PAYLOAD, headers[i].beside, chain};
        char text[PG_ERR_TEXT_MAX] = "";

        maker_jws(&j, &jws);
        expect(headers[i].guarded, verify_jws(t, NULL, text), headers[i].reason, text,
               headers[i].says);
    }
    trust_unref(t);
}

TEST(each_payload_has_its_verdict)
{
    struct trust *t = trust_with("\"level\":\"strict\"");
    const struct maker_cert *chain[] = {&leaf, &mid, &root, NULL};

    for (size_t i = 0; i < NPAYLOADS; i++) {
        struct maker_jws j = {GOOD, payloads[i].payload, NULL, chain};
        char text[PG_ERR_TEXT_MAX] = "";

        maker_jws(&j, &jws);
        expect(payloads[i].payload, verify_jws(t, NULL, text), payloads[i].reason, text,
               payloads[i].says);
    }
    trust_unref(t);
}

TEST(an_envelope_has_a_limit)
{
    struct trust *t = trust_with("\"level\":\"strict\"");
    const struct maker_cert *chain[] = {&leaf, &mid, &root, NULL};
    char *long_header = malloc(VERIFY_NOTATION_MAX), text[PG_ERR_TEXT_MAX];
    struct maker_jws j = {GOOD, PAYLOAD, long_header, chain};
    struct pg_buf big;
    struct notation_case c = {.trust = t,
                              .media_type = NOTATION_CASE_JWS,
                              .manifest = SL("{}"),
                              .manifest_type = SL("a/b"),
                              .repository = NOTATION_CASE_REPO,
                              .now_s = MAKER_NOW};
    struct pg_arena arena;

    (void)snprintf(long_header, VERIFY_NOTATION_MAX, "\"x\":\"%0*d\",",
                   (int)VERIFY_NOTATION_MAX - 16, 0);
    pg_buf_init(&big, 2 * VERIFY_NOTATION_MAX);
    maker_jws(&j, &big);
    c.envelope = pg_buf_sl(&big);
    pg_arena_init(&arena, VERIFY_ARENA_BYTES);
    assert_int_equal(notation_case_verify(&c, &arena, NULL, text), VERIFY_TOO_LARGE);
    c.media_type = NOTATION_CASE_COSE;
    assert_int_equal(notation_case_verify(&c, &arena, NULL, text), VERIFY_TOO_LARGE);
    pg_arena_free(&arena);
    pg_buf_free(&big);
    free(long_header);
    trust_unref(t);
}

/* N17: a level that lets anybody pass makes no fact of it. */
TEST(N17_a_level_that_does_not_enforce_proves_nothing)
{
    static const char *const levels[] = {
        "\"level\":\"audit\"",
        "\"level\":\"audit\",\"override\":{\"expiry\":\"enforce\"}",
        "\"level\":\"strict\",\"override\":{\"authenticity\":\"log\"}",
        "\"level\":\"permissive\",\"override\":{\"authenticity\":\"log\"}",
    };
    const struct maker_cert *chain[] = {&leaf, &mid, &root, NULL};
    struct maker_jws j = {GOOD, PAYLOAD, NULL, chain};
    char text[PG_ERR_TEXT_MAX];
    struct trust *t;

    maker_jws(&j, &jws);
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        t = trust_with(levels[i]);
        expect(levels[i], verify_jws(t, NULL, text), VERIFY_TRUST_POLICY, text,
               "does not enforce authenticity");
        trust_unref(t);
    }
    t = trust_with("\"level\":\"audit\",\"override\":{\"authenticity\":\"enforce\"}");
    assert_int_equal(verify_jws(t, NULL, text), VERIFY_NONE);
    trust_unref(t);
}

/* A list, what the policy says of revocation, and what comes of it for the leaf. */
struct listed {
    const char *verification;
    struct maker_crl crl; /* issuer NULL: no list */
    const struct maker_cert *leaf;
    enum verify_reason reason;
    const char *says;
    int64_t not_after_s; /* 0: not asked */
};

static void try_listed(const struct listed *l)
{
    struct trust *t = trust_with(l->verification);
    const struct maker_cert *chain[] = {l->leaf, &mid, &root, NULL};
    struct maker_jws j = {GOOD, PAYLOAD, NULL, chain};
    char text[PG_ERR_TEXT_MAX] = "";
    struct verify_fact fact = {0};
    struct pg_err err = {0};

    if (l->crl.issuer != NULL) {
        struct sl der = maker_crl(&l->crl);

        if (trust_add_crl(t, "mid.crl", der, &err) < 0)
            fail_msg("%s", err.msg);
        free((char *)(uintptr_t)der.p);
    }
    maker_jws(&j, &jws);
    expect(l->verification, verify_jws(t, &fact, text), l->reason, text, l->says);
    if (l->not_after_s != 0)
        assert_int_equal(fact.not_after_s, l->not_after_s);
    trust_unref(t);
}

#define STRICT "\"level\":\"strict\""
#define LOG    "\"level\":\"permissive\""
#define SKIP   "\"level\":\"strict\",\"override\":{\"revocation\":\"skip\"}"

#define YESTERDAY (MAKER_NOW - MAKER_DAY)
#define TOMORROW  (MAKER_NOW + MAKER_DAY)

static const struct listed lists[] = {
    {STRICT, {0}, &leaf, VERIFY_NONE, NULL, 0},
    {STRICT, {0}, &helped, VERIFY_NONE, NULL, 0},
    {STRICT, {0}, &pointing, VERIFY_REVOKED, "not known whether", 0},
    {STRICT, {0}, &asking, VERIFY_REVOKED, "not known whether", 0},
    {LOG, {0}, &pointing, VERIFY_NONE, NULL, 0},
    {SKIP, {0}, &asking, VERIFY_NONE, NULL, 0},
    {STRICT,
     {&mid, &pointing, YESTERDAY, TOMORROW, {0}, NULL},
     &pointing,
     VERIFY_REVOKED,
     "was revoked by its issuer",
     0},
    {LOG,
     {&mid, &pointing, YESTERDAY, TOMORROW, {0}, NULL},
     &pointing,
     VERIFY_REVOKED,
     "was revoked",
     0},
    {SKIP,
     {&mid, &pointing, YESTERDAY, TOMORROW, {0}, NULL},
     &pointing,
     VERIFY_REVOKED,
     "was revoked",
     0},
    {SKIP, {&mid, &leaf, YESTERDAY, TOMORROW, {0}, NULL}, &leaf, VERIFY_REVOKED, "was revoked", 0},
    {STRICT,
     {&mid, &pointing, YESTERDAY, TOMORROW, {0}, NULL},
     &asking,
     VERIFY_NONE,
     NULL,
     TOMORROW},
    {STRICT, {&mid, NULL, YESTERDAY, TOMORROW, {0}, NULL}, &pointing, VERIFY_NONE, NULL, TOMORROW},
    /* what has ended, or not begun, says who was revoked and not who was not */
    {STRICT,
     {&mid, NULL, YESTERDAY, MAKER_NOW - 1, {0}, NULL},
     &pointing,
     VERIFY_REVOKED,
     "not known whether",
     0},
    {STRICT,
     {&mid, NULL, MAKER_NOW + 1, TOMORROW, {0}, NULL},
     &pointing,
     VERIFY_REVOKED,
     "not known whether",
     0},
    {STRICT,
     {&mid, &pointing, YESTERDAY, MAKER_NOW - 1, {0}, NULL},
     &pointing,
     VERIFY_REVOKED,
     "was revoked",
     0},
    /* of another with the same name, or of another CA */
    {STRICT,
     {&fake, NULL, YESTERDAY, TOMORROW, {0}, NULL},
     &pointing,
     VERIFY_REVOKED,
     "not known whether",
     0},
    {SKIP, {&fake, &pointing, YESTERDAY, TOMORROW, {0}, NULL}, &pointing, VERIFY_NONE, NULL, 0},
    {STRICT,
     {&root, &pointing, YESTERDAY, TOMORROW, {0}, NULL},
     &pointing,
     VERIFY_REVOKED,
     "not known whether",
     0},
    {SKIP, {&root, &mid, YESTERDAY, TOMORROW, {0}, NULL}, &leaf, VERIFY_REVOKED, "CN=mid", 0},
};

TEST(lists_of_revoked_certificates)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        try_listed(&lists[i]);
}

#define THREADS 4
#define TURNS   25

struct sharer {
    pthread_t thread;
    const struct trust *trust;
    unsigned nrevoked;
};

static void *verify_often(void *arg)
{
    struct sharer *s = arg;

    for (int i = 0; i < TURNS; i++)
        s->nrevoked += verify_jws(s->trust, NULL, NULL) == VERIFY_REVOKED;
    return NULL;
}

TEST(one_trust_is_used_by_several_threads)
{
    struct maker_crl plan = {&mid, &leaf, YESTERDAY, TOMORROW, {0}, NULL};
    struct maker_jws j = {GOOD, PAYLOAD, NULL,
                          (const struct maker_cert *[]){&leaf, &mid, &root, NULL}};
    struct sl der = maker_crl(&plan);
    struct trust *t = trust_with(STRICT);
    struct sharer all[THREADS];
    struct pg_err err = {0};

    assert_int_equal(trust_add_crl(t, "mid.crl", der, &err), 0);
    maker_jws(&j, &jws);
    for (int i = 0; i < THREADS; i++) {
        all[i] = (struct sharer){.trust = t};
        assert_int_equal(pthread_create(&all[i].thread, NULL, verify_often, &all[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(all[i].thread, NULL), 0);
        assert_int_equal(all[i].nrevoked, TURNS);
    }
    trust_unref(t);
    free((char *)(uintptr_t)der.p);
}

static void crl_is_wrong(struct maker_crl plan, const char *says)
{
    struct trust *t = trust_new();
    struct sl der = maker_crl(&plan);
    struct pg_err err = {0};

    assert_int_equal(trust_add_crl(t, "x.crl", der, &err), -1);
    if (strstr(err.msg, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
    pg_err_clear(&err);
    free((char *)(uintptr_t)der.p);
    trust_unref(t);
}

TEST(a_list_that_cannot_be_used_is_refused_when_it_is_loaded)
{
    int64_t from = MAKER_NOW - MAKER_DAY, until = MAKER_NOW + MAKER_DAY;
    struct trust *t = trust_new();
    struct pg_err err = {0};

    crl_is_wrong((struct maker_crl){&mid, NULL, from, 0, {0}, NULL},
                 "x.crl: it does not say until");
    crl_is_wrong((struct maker_crl){&mid, NULL, from, until, {0}, EVP_sha1()}, "SHA-2");
    crl_is_wrong(
        (struct maker_crl){&mid, NULL, from, until, {"deltaCRL", "critical,DER:020101"}, NULL},
        "a whole list is needed");
    crl_is_wrong((struct maker_crl){&mid, NULL, from, until, {"deltaCRL", "DER:020101"}, NULL},
                 "a whole list is needed");
    crl_is_wrong(
        (struct maker_crl){
            &mid, NULL, from, until, {"issuingDistributionPoint", "critical,DER:3000"}, NULL},
        "a whole list is needed");
    assert_int_equal(trust_add_crl(t, "x.crl", SL("hello"), &err), -1);
    assert_int_equal(trust_add_crl(t, "x.crl", SL("0\x03\x02\x01\x01"), &err), -1);
    assert_int_equal(trust_add_crl(t, "x.crl", SL(""), &err), -1);
    pg_err_clear(&err);
    trust_unref(t);
}

static void make_all(void)
{
    struct maker_plan a = {.name = "C=US/O=m/CN=root", .exts = MAKER_CA_EXTS};
    struct maker_plan b = {.name = "C=US/O=m/CN=mid", .exts = MAKER_CA_EXTS};
    struct maker_plan c = {.name = "C=US/ST=WA/O=m/CN=leaf", .exts = MAKER_LEAF_EXTS};

    struct maker_plan points = {
        .name = "C=US/ST=WA/O=m/CN=points",
        .exts = {{"keyUsage", "critical,digitalSignature"},
                 {"crlDistributionPoints", "URI:http://169.254.169.254/x.crl"}}};
    struct maker_plan asks = {
        .name = "C=US/ST=WA/O=m/CN=asks",
        .exts = {{"keyUsage", "critical,digitalSignature"},
                 {"authorityInfoAccess", "OCSP;URI:http://169.254.169.254/"}}};
    struct maker_plan helps = {
        .name = "C=US/ST=WA/O=m/CN=helps",
        .exts = {{"keyUsage", "critical,digitalSignature"},
                 {"authorityInfoAccess", "caIssuers;URI:http://169.254.169.254/"}}};
    struct maker_plan same = {.name = "C=US/O=m/CN=mid", .exts = MAKER_CA_EXTS};

    root = maker_cert(&a, NULL);
    mid = maker_cert(&b, &root);
    leaf = maker_cert(&c, &mid);
    pointing = maker_cert(&points, &mid);
    asking = maker_cert(&asks, &mid);
    helped = maker_cert(&helps, &mid);
    fake = maker_cert(&same, &root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(each_header_has_its_verdict),
        RUN(each_payload_has_its_verdict),
        RUN(an_envelope_has_a_limit),
        RUN(N17_a_level_that_does_not_enforce_proves_nothing),
        RUN(lists_of_revoked_certificates),
        RUN(one_trust_is_used_by_several_threads),
        RUN(a_list_that_cannot_be_used_is_refused_when_it_is_loaded),
    };
    int status;

    pg_buf_init(&jws, VERIFY_NOTATION_MAX);
    make_all();
    status = cmocka_run_group_tests(tests, NULL, NULL);
    maker_free(&pointing);
    maker_free(&asking);
    maker_free(&helped);
    maker_free(&fake);
    maker_free(&leaf);
    maker_free(&mid);
    maker_free(&root);
    pg_buf_free(&jws);
    return status;
}
