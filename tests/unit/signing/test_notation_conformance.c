/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Envelopes, tokens and stores of notation-go and notation-core-go: the third-party data in the
 * folder PG_CONFORMANCE_DIR, when it is set.
 *
 * What their signatures are over is not there, only its digest: the image is made to fit.
 */
#include "harness/notation_case.h"
#include "harness/stamp_asker.h"
#include "signing/b64_int.h"
#include "signing/cose_int.h"
#include "signing/jws_int.h"
#include "signing/trust_notation_int.h"

#define STORES "notation-go/truststore/x509/"

static const char *data;

static struct sl file(const char *name)
{
    char path[1024];

    (void)snprintf(path, sizeof(path), "%s/%s", data, name);
    return notation_case_file(path);
}

static void drop(struct sl bytes)
{
    free((char *)(uintptr_t)bytes.p);
}

/* In which store the last certificate of the chain is; the two tsa: stores are always there. */
enum anchor { CA, AUTHORITY };

static const struct {
    const char *name, *verification;
    enum anchor anchor;
    const char *stores; /* what the statement names */
    enum verify_reason reason;
    const char *says;
} envelopes[] = {
    {"envelopes/ca_valid_sig_env.json", "strict", CA, "ca:own", VERIFY_NONE, NULL},
    {"envelopes/ca_valid_sig_env.json", "strict", AUTHORITY, "signingAuthority:own",
     VERIFY_CERTIFICATE, "in a ca: trust store"},
    /* what is wrong with it is padding behind the payload */
    {"envelopes/ca_invalid_sig_env.json", "strict", CA, "ca:own", VERIFY_MALFORMED, "padding"},
    {"envelopes/ca_expired_sig_env.json", "strict", CA, "ca:own", VERIFY_EXPIRED, "2022-07-29"},
    {"envelopes/ca_expired_sig_env.json", "permissive", CA, "ca:own", VERIFY_NONE, NULL},
    {"envelopes/ca_plugin_sig_env.json", "strict", CA, "ca:own", VERIFY_UNSUPPORTED, "critical"},
    {"envelopes/ca_compatible_pluginver_sig_env_0.0.9.json", "strict", CA, "ca:own",
     VERIFY_UNSUPPORTED, "plugin"},
    {"envelopes/ca_compatible_pluginver_sig_env_1.0.0-alpha.beta.json", "strict", CA, "ca:own",
     VERIFY_UNSUPPORTED, "plugin"},
    {"envelopes/ca_compatible_pluginver_sig_env_1.0.0-alpha.json", "strict", CA, "ca:own",
     VERIFY_UNSUPPORTED, "plugin"},
    {"envelopes/ca_compatible_pluginver_sig_env_1.0.0.json", "strict", CA, "ca:own",
     VERIFY_UNSUPPORTED, "plugin"},
    {"envelopes/ca_incompatible_pluginver_sig_env_1.0.1.json", "strict", CA, "ca:own",
     VERIFY_UNSUPPORTED, "plugin"},
    {"envelopes/ca_incompatible_pluginver_sig_env_1.0.9.json", "strict", CA, "ca:own",
     VERIFY_UNSUPPORTED, "plugin"},
    {"envelopes/ca_incompatible_pluginver_sig_env_1.1.0-alpha.json", "strict", CA, "ca:own",
     VERIFY_UNSUPPORTED, "plugin"},
    {"envelopes/ca_incompatible_pluginver_sig_env_1.2.3.json", "strict", CA, "ca:own",
     VERIFY_UNSUPPORTED, "plugin"},
    {"envelopes/sa_valid_sig_env.json", "strict", AUTHORITY, "signingAuthority:own", VERIFY_NONE,
     NULL},
    {"envelopes/sa_valid_sig_env.json", "strict", CA, "ca:own", VERIFY_CERTIFICATE,
     "in a signingAuthority: trust store"},
    {"envelopes/sa_invalid_sig_env.json", "strict", AUTHORITY, "signingAuthority:own",
     VERIFY_MALFORMED, "padding"},
    {"envelopes/sa_expired_sig_env.json", "strict", AUTHORITY, "signingAuthority:own",
     VERIFY_EXPIRED, NULL},
    {"envelopes/sa_expired_sig_env.json", "permissive", AUTHORITY, "signingAuthority:own",
     VERIFY_NONE, NULL},
    {"envelopes/sa_plugin_sig_env.json", "strict", AUTHORITY, "signingAuthority:own",
     VERIFY_UNSUPPORTED, "critical"},
    /* its certificate was good for one day in 2023, and nobody says that it was that day */
    {"envelopes/sig_env_with_metadata.json", "strict", CA, "ca:own", VERIFY_TIME, NULL},
    {"envelopes/sig_env_with_metadata.json", "permissive", CA, "ca:own", VERIFY_NONE, NULL},
    {"internal/jws_signature.sig", "strict", CA, "ca:own", VERIFY_NONE, NULL},
    {"internal/cose_signature.sig", "strict", CA, "ca:own", VERIFY_NONE, NULL},
    {"timestamp/sigEnv/jwsWithTimestamp.sig", "strict", CA, "ca:own\",\"tsa:good", VERIFY_NONE,
     NULL},
    {"timestamp/sigEnv/coseWithTimestamp.sig", "strict", CA, "ca:own\",\"tsa:good", VERIFY_NONE,
     NULL},
    {"timestamp/sigEnv/jwsExpiredWithTimestamp.sig", "strict", CA, "ca:own\",\"tsa:good",
     VERIFY_NONE, NULL},
    {"timestamp/sigEnv/coseExpiredWithTimestamp.sig", "strict", CA, "ca:own\",\"tsa:good",
     VERIFY_NONE, NULL},
    {"timestamp/sigEnv/jwsWithTimestamp.sig", "strict", CA, "ca:own\",\"tsa:other",
     VERIFY_TIMESTAMP, NULL},
    {"timestamp/sigEnv/jwsExpiredWithTimestamp.sig", "strict", CA, "ca:own", VERIFY_TIME, NULL},
    {"timestamp/sigEnv/timestampBeforeNotBefore.sig", "strict", CA, "ca:own\",\"tsa:good",
     VERIFY_TIME, "at the time of the timestamp"},
    {"timestamp/sigEnv/timestampAfterNotAfter.sig", "strict", CA, "ca:own\",\"tsa:good",
     VERIFY_TIME, "at the time of the timestamp"},
    {"timestamp/sigEnv/withoutTimestamp.sig", "strict", CA, "ca:own\",\"tsa:good", VERIFY_TIMESTAMP,
     "has no timestamp"},
};
#define NENVELOPES (sizeof(envelopes) / sizeof(envelopes[0]))

static void add_store(struct trust *t, const char *type, const char *name, const char *path)
{
    char whole[1024];

    (void)snprintf(whole, sizeof(whole), "%s/%s", data, path);
    notation_case_store(t, type, name, whole);
}

/* What the signature is over, and its chain; read without a look at what is right. */
struct opened {
    struct sl media_type, anchor;
    struct sl digest, type;
    size_t size;
};

static void open_jws(struct sl bytes, struct pg_arena *arena, struct sl *payload_r,
                     struct sl *anchor_r)
{
    const json_t *chain;
    struct pg_err err = {0};
    json_t *root;
    struct sl payload, last;

    assert_int_equal(pg_json_parse(bytes, PG_E_DENIED, &root, &err), 0);
    payload = pg_json_str(root, "payload");
    while (payload.n > 0 && payload.p[payload.n - 1] == '=')
        payload.n--;
    assert_true(b64_decode(B64_URL, payload, arena, payload_r));
    chain = json_object_get(json_object_get(root, "header"), "x5c");
    last = sl_str(json_string_value(json_array_get(chain, json_array_size(chain) - 1)));
    assert_true(b64_decode(B64_STANDARD, last, arena, anchor_r));
    json_decref(root);
}

static void open_cose(struct sl bytes, struct pg_arena *arena, struct sl *payload_r,
                      struct sl *anchor_r)
{
    struct verify_refusal no = {0};
    struct notary_envelope e;

    if (cose_read(bytes, arena, &e, &no) < 0)
        fail_msg("%s", no.err.msg);
    *payload_r = e.payload;
    *anchor_r = e.certs[e.ncerts - 1];
}

static struct opened open_envelope(struct sl bytes, struct pg_arena *arena)
{
    bool is_jws = bytes.p[0] == '{';
    struct opened o = {.media_type = is_jws ? NOTATION_CASE_JWS : NOTATION_CASE_COSE};
    const json_t *target;
    struct pg_err err = {0};
    struct sl payload;
    json_t *root;

    (is_jws ? open_jws : open_cose)(bytes, arena, &payload, &o.anchor);
    assert_int_equal(pg_json_parse(payload, PG_E_DENIED, &root, &err), 0);
    target = json_object_get(root, "targetArtifact");
    o.digest = pg_copy(arena, pg_json_str(target, "digest"));
    o.type = pg_copy(arena, pg_json_str(target, "mediaType"));
    o.size = (size_t)json_integer_value(json_object_get(target, "size"));
    json_decref(root);
    return o;
}

static struct trust *trust_for(size_t at, struct sl anchor)
{
    const char *type = envelopes[at].anchor == CA ? "ca" : "signingAuthority";
    struct trust *t = trust_new();
    struct pg_err err = {0};
    char json[1024];
    int n;

    if (trust_add_store(t, sl_str(type), SL("own"), envelopes[at].name, anchor, &err) < 0)
        fail_msg("%s", err.msg);
    add_store(t, "tsa", "good", STORES "tsa/test-timestamp/globalsignRoot.cer");
    add_store(t, "tsa", "other", STORES "tsa/test-mismatch/DigiCertTSARootSHA384.cer");
    n = snprintf(
        json, sizeof(json),
        "{\"version\":\"1.0\",\"trustPolicies\":[{\"name\":\"n\",\"registryScopes\":[\"*\"],"
        "\"signatureVerification\":{\"level\":\"%s\"},\"trustStores\":[\"%s\"],"
        "\"trustedIdentities\":[\"x509.subject: C=US, ST=WA, L=Seattle, O=Notary\"]}]}",
        envelopes[at].verification, envelopes[at].stores);
    notation_case_policy(t, (struct sl){json, (size_t)n});
    return t;
}

static enum verify_reason verify_opened(const struct opened *o, struct sl bytes,
                                        const struct trust *t, struct pg_arena *arena, char *text)
{
    struct verify_options options = {
        .now_s = NOTATION_CASE_NOW, .repository = NOTATION_CASE_REPO, .timestamps = &stamp_asker};
    struct verify_evidence e = {VERIFY_NOTATION, bytes, o->media_type, NULL};
    struct verify_subject s = {.manifest = {pg_alloc(arena, o->size), o->size},
                               .media_type = o->type};
    struct verify_question q = {&s, &e, t, &options};
    struct verify_refusal no = {0};
    struct verify_fact fact = {0};
    struct pg_err err = {0};
    enum verify_reason reason;

    assert_int_equal(digest_parse(o->digest, &s.digest, &err), 0);
    if (verify_evidence(&q, arena, &fact, &no) > 0) {
        json_decref(fact.annotations);
        return VERIFY_NONE;
    }
    reason = no.reason;
    (void)snprintf(text, PG_ERR_TEXT_MAX, "%s", no.err.msg);
    pg_err_clear(&no.err);
    return reason;
}

TEST(envelopes_get_their_verdicts)
{
    for (size_t i = 0; i < NENVELOPES; i++) {
        char path[256], text[PG_ERR_TEXT_MAX] = "";
        enum verify_reason reason;
        struct pg_arena arena;
        struct opened o;
        struct trust *t;
        struct sl bytes;

        (void)snprintf(path, sizeof(path), "notation-go/%s", envelopes[i].name);
        bytes = file(path);
        pg_arena_init(&arena, VERIFY_ARENA_BYTES);
        o = open_envelope(bytes, &arena);
        t = trust_for(i, o.anchor);
        reason = verify_opened(&o, bytes, t, &arena, text);
        if (reason != envelopes[i].reason ||
            (envelopes[i].says != NULL && strstr(text, envelopes[i].says) == NULL))
            fail_msg("%s, %s: reason %d, not %d: %s", envelopes[i].name, envelopes[i].verification,
                     reason, envelopes[i].reason, text);
        trust_unref(t);
        pg_arena_free(&arena);
        drop(bytes);
    }
}

static const struct {
    const char *type, *path, *says; /* says NULL: it is taken */
} stores[] = {
    {"ca", STORES "ca/valid-trust-store/GlobalSign.der", NULL},
    {"ca", STORES "ca/valid-trust-store/GlobalSignRootCA.crt", NULL},
    {"ca", STORES "ca/valid-trust-store/NotationTestRoot.pem", NULL},
    {"ca", STORES "ca/valid-trust-store/TestTimestamp.crt", NULL},
    {"ca", STORES "ca/valid-trust-store/TestTimestampNotYetValid.crt", NULL},
    {"ca", STORES "ca/valid-trust-store/wabbit-networks.io.crt", NULL},
    {"ca", STORES "ca/valid-trust-store-self-signed/openssl-minimum-self-signed.pem", NULL},
    {"ca", STORES "ca/trust-store-with-invalid-certs/invalid", "not PEM"},
    {"ca", STORES "ca/trust-store-with-leaf-certs/non-ca.crt", "neither a CA's nor signed"},
    {"ca", STORES "ca/trust-store-with-leaf-certs-in-single-file/RootAndLeafCerts.crt",
     "neither a CA's nor signed"},
    {"tsa", STORES "tsa/test-timestamp/globalsignRoot.cer", NULL},
    {"tsa", STORES "tsa/test-mismatch/DigiCertTSARootSHA384.cer", NULL},
    {"tsa", STORES "tsa/test-nonCA/wabbit-networks.io.crt", "not a root CA's"},
    {"tsa", STORES "tsa/test-nonSelfIssued/nonSelfIssued.crt", "not a root CA's"},
    {"ca", "notation-core-go/x509/der.der", NULL},
    {"ca", "notation-core-go/x509/multi-der.der", NULL},
    {"ca", "notation-core-go/x509/pem.crt", NULL},
    {"ca", "notation-core-go/x509/multi-pem.crt", NULL},
    {"ca", "notation-core-go/x509/invalid", "not PEM"},
    {"tsa", "notation-core-go/x509/timestamp_root.crt", NULL},
    {"tsa", "notation-core-go/x509/timestamp_intermediate.crt", "not a root CA's"},
    {"ca", "notation-core-go/x509/timestamp_leaf.crt", "neither a CA's nor signed"},
};

TEST(stores_get_their_verdicts)
{
    for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
        struct trust *t = trust_new();
        struct sl bytes = file(stores[i].path);
        struct pg_err err = {0};
        int status =
            trust_add_store(t, sl_str(stores[i].type), SL("s"), stores[i].path, bytes, &err);

        if ((status == 0) != (stores[i].says == NULL) ||
            (status < 0 && strstr(err.msg, stores[i].says) == NULL))
            fail_msg("%s: %s", stores[i].path, err.msg != NULL ? err.msg : "taken");
        pg_err_clear(&err);
        drop(bytes);
        trust_unref(t);
    }
}

static void crl_is_partial(const char *path)
{
    struct trust *t = trust_new();
    struct sl bytes = file(path);
    struct pg_err err = {0};

    assert_int_equal(trust_add_crl(t, path, bytes, &err), -1);
    if (strstr(err.msg, "a whole list is needed") == NULL)
        fail_msg("%s", err.msg);
    pg_err_clear(&err);
    drop(bytes);
    trust_unref(t);
}

TEST(a_list_of_changes_is_not_a_list)
{
    crl_is_partial("notation-core-go/crl/delta.crl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(envelopes_get_their_verdicts),
        RUN(stores_get_their_verdicts),
        RUN(a_list_of_changes_is_not_a_list),
    };

    data = getenv("PG_CONFORMANCE_DIR");
    if (data == NULL) {
        print_message("PG_CONFORMANCE_DIR is not set: notation-go's data was not looked at\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
