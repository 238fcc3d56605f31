/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys, certificates, revocation lists and Notation envelopes, made on the spot, for what no tool
 * would make.
 */
#pragma once

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "harness/notation_case.h"

#define MAKER_NOW  NOTATION_CASE_NOW
#define MAKER_DAY  INT64_C(86400)
#define MAKER_EXTS 6

#define MAKER_CA_EXTS                                                                              \
    {                                                                                              \
        {"basicConstraints", "critical,CA:TRUE"}, {"keyUsage", "critical,keyCertSign,cRLSign"},    \
    }
#define MAKER_LEAF_EXTS                                                                            \
    {                                                                                              \
        {"keyUsage", "critical,digitalSignature"}, {"extendedKeyUsage", "codeSigning"},            \
    }

struct maker_ext {
    const char *name, *value;
};

struct maker_cert {
    X509 *x;
    EVP_PKEY *key;
};

/* What a certificate is to be; zero is right for all but name and exts. */
struct maker_plan {
    const char *name; /* "C=US/ST=WA/O=maker/CN=x": "+" in front of an attribute joins the last */
    struct maker_ext exts[MAKER_EXTS];
    EVP_PKEY *key;           /* NULL: a new one on P-256 */
    const EVP_MD *md;        /* NULL: SHA-256 */
    int64_t from_s, until_s; /* 0: around MAKER_NOW */
};

static inline void maker_name(X509_NAME *to, const char *text)
{
    char copy[512], *rest = copy, *part;

    (void)snprintf(copy, sizeof(copy), "%s", text);
    while ((part = strsep(&rest, "/")) != NULL) {
        int set = part[0] == '+' ? -1 : 0;
        char *value = part + (set != 0);
        const char *name = strsep(&value, "=");

        assert_int_equal(X509_NAME_add_entry_by_txt(to, name, MBSTRING_UTF8,
                                                    (const unsigned char *)value, -1, -1, set),
                         1);
    }
}

/* issuer NULL: it signs itself. */
static inline struct maker_cert maker_cert(const struct maker_plan *plan,
                                           const struct maker_cert *issuer)
{
    static long serial = 1000;
    struct maker_cert c = {X509_new(), plan->key != NULL ? plan->key : EVP_EC_gen("P-256")};
    const struct maker_cert *by = issuer != NULL ? issuer : &c;
    const EVP_MD *md = plan->md != NULL ? plan->md : EVP_sha256();
    X509V3_CTX ctx;

    X509_set_version(c.x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x), ++serial);
    maker_name(X509_get_subject_name(c.x), plan->name);
    X509_set_issuer_name(c.x, X509_get_subject_name(by->x));
    ASN1_TIME_set(X509_getm_notBefore(c.x),
                  plan->from_s != 0 ? plan->from_s : MAKER_NOW - 100 * MAKER_DAY);
    ASN1_TIME_set(X509_getm_notAfter(c.x),
                  plan->until_s != 0 ? plan->until_s : MAKER_NOW + 100 * MAKER_DAY);
    X509_set_pubkey(c.x, c.key);
    X509V3_set_ctx(&ctx, by->x, c.x, NULL, NULL, 0);
    for (size_t i = 0; i < MAKER_EXTS && plan->exts[i].name != NULL; i++) {
        X509_EXTENSION *ext = X509V3_EXT_nconf(NULL, &ctx, plan->exts[i].name, plan->exts[i].value);

        if (ext == NULL)
            fail_msg("cannot make %s = %s", plan->exts[i].name, plan->exts[i].value);
        X509_add_ext(c.x, ext, -1);
        X509_EXTENSION_free(ext);
    }
    if (EVP_PKEY_get_base_id(by->key) == EVP_PKEY_ED25519)
        md = NULL;
    assert_true(X509_sign(c.x, by->key, md) > 0);
    return c;
}

static inline void maker_free(struct maker_cert *c)
{
    X509_free(c->x);
    EVP_PKEY_free(c->key);
}

/* To be freed. */
static inline struct sl maker_der(const struct maker_cert *c)
{
    unsigned char *der = NULL;
    int n = i2d_X509(c->x, &der);
    struct sl copy;

    assert_true(n > 0);
    copy = (struct sl){sl_dup((struct sl){(const char *)der, (size_t)n}), (size_t)n};
    OPENSSL_free(der);
    return copy;
}

static inline void maker_trust(struct trust *t, const char *type, const char *name,
                               const struct maker_cert *c)
{
    struct sl der = maker_der(c);
    struct pg_err err = {0};

    if (trust_add_store(t, sl_str(type), sl_str(name), "made.der", der, &err) < 0)
        fail_msg("%s", err.msg);
    free((char *)(uintptr_t)der.p);
}

/* Base64 behind what out holds; url: without padding. */
static inline void maker_b64(struct pg_buf *out, const void *p, size_t n, bool url)
{
    size_t room = (n + 2) / 3 * 4;
    unsigned char *text = malloc(room + 1);

    (void)EVP_EncodeBlock(text, p, (int)n);
    for (size_t i = 0; url && i < room; i++)
        text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    while (url && room > 0 && text[room - 1] == '=')
        room--;
    assert_int_equal(pg_buf_put(out, (struct sl){(char *)text, room}), 0);
    free(text);
}

/* With SHA-256: r and s of an ECDSA signature, or PSS by an RSA key. */
static inline size_t maker_sign(EVP_PKEY *key, struct sl bytes, unsigned char out[1024])
{
    bool is_rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    unsigned char der[1024];
    const unsigned char *p = der;
    size_t n = sizeof(der);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *how;
    ECDSA_SIG *sig;
    int half;

    assert_int_equal(EVP_DigestSignInit(ctx, &how, EVP_sha256(), NULL, key), 1);
    if (is_rsa) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST), 1);
    }
    assert_int_equal(EVP_DigestSign(ctx, der, &n, (const unsigned char *)bytes.p, bytes.n), 1);
    EVP_MD_CTX_free(ctx);
    if (is_rsa) {
        memcpy(out, der, n);
        return n;
    }
    sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
    half = (EVP_PKEY_get_bits(key) + 7) / 8;
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, half), half);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + half, half), half);
    ECDSA_SIG_free(sig);
    return 2 * (size_t)half;
}

/* What a JWS is to be made of. */
struct maker_jws {
    const char *guarded; /* the protected header's JSON */
    const char *payload;
    const char *beside; /* more unprotected members, with a comma behind; NULL: none */
    const struct maker_cert *const *chain; /* ends with NULL; the first one's key signs */
};

static inline void maker_jws(const struct maker_jws *j, struct pg_buf *out)
{
    unsigned char signature[1024];
    struct pg_buf text;
    size_t n, dot;

    pg_buf_init(&text, VERIFY_NOTATION_MAX);
    maker_b64(&text, j->guarded, strlen(j->guarded), true);
    dot = text.n;
    assert_int_equal(pg_buf_put(&text, SL(".")), 0);
    maker_b64(&text, j->payload, strlen(j->payload), true);
    n = EVP_PKEY_get_base_id(j->chain[0]->key) == EVP_PKEY_ED25519
            ? 64
            : maker_sign(j->chain[0]->key, pg_buf_sl(&text), signature);
    pg_buf_clear(out);
    (void)pg_buf_printf(out, "{\"protected\":\"%.*s\",\"payload\":\"%.*s\",\"signature\":\"",
                        (int)dot, text.p, (int)(text.n - dot - 1), text.p + dot + 1);
    maker_b64(out, signature, n, true);
    (void)pg_buf_printf(out, "\",\"header\":{%s\"x5c\":[", j->beside != NULL ? j->beside : "");
    for (size_t i = 0; j->chain[i] != NULL; i++) {
        struct sl der = maker_der(j->chain[i]);

        (void)pg_buf_printf(out, i > 0 ? ",\"" : "\"");
        maker_b64(out, der.p, der.n, false);
        (void)pg_buf_printf(out, "\"");
        free((char *)(uintptr_t)der.p);
    }
    assert_int_equal(pg_buf_put(out, SL("]}}")), 0);
    pg_buf_free(&text);
}

/* An item of a list of revoked certificates. */
struct maker_crl {
    const struct maker_cert *issuer;
    const struct maker_cert *revoked; /* NULL: none */
    int64_t from_s, until_s;          /* until_s 0: it does not say */
    struct maker_ext ext;
    const EVP_MD *md; /* NULL: SHA-256 */
};

/* DER, to be freed. */
static inline struct sl maker_crl(const struct maker_crl *plan)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *at = ASN1_TIME_set(NULL, plan->from_s);
    unsigned char *der = NULL;
    X509V3_CTX ctx;
    struct sl copy;
    int n;

    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(plan->issuer->x));
    X509_CRL_set1_lastUpdate(crl, at);
    if (plan->until_s != 0)
        X509_CRL_set1_nextUpdate(crl, ASN1_TIME_set(at, plan->until_s));
    if (plan->revoked != NULL) {
        X509_REVOKED *one = X509_REVOKED_new();

        X509_REVOKED_set_serialNumber(one, X509_get_serialNumber(plan->revoked->x));
        X509_REVOKED_set_revocationDate(one, ASN1_TIME_set(at, plan->from_s));
        X509_CRL_add0_revoked(crl, one);
    }
    X509V3_set_ctx(&ctx, plan->issuer->x, NULL, NULL, crl, 0);
    if (plan->ext.name != NULL) {
        X509_EXTENSION *ext = X509V3_EXT_nconf(NULL, &ctx, plan->ext.name, plan->ext.value);

        assert_non_null(ext);
        X509_CRL_add_ext(crl, ext, -1);
        X509_EXTENSION_free(ext);
    }
    X509_CRL_sort(crl);
    assert_true(X509_CRL_sign(crl, plan->issuer->key, plan->md != NULL ? plan->md : EVP_sha256()) >
                0);
    n = i2d_X509_CRL(crl, &der);
    copy = (struct sl){sl_dup((struct sl){(const char *)der, (size_t)n}), (size_t)n};
    OPENSSL_free(der);
    ASN1_TIME_free(at);
    X509_CRL_free(crl);
    return copy;
}
