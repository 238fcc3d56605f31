/* SPDX-License-Identifier: Apache-2.0 */
#include "tsa/signer.h"

#include <openssl/ts.h>
#include <openssl/x509v3.h>

#include "tsa/strict.h"

#define AUTH_LEVEL 2 /* of OpenSSL: 112 bits, no SHA-1 */
#define DEPTH_MAX  8

/* What belongs to one look; freed together. */
struct look {
    const struct stamp_authority *authority;
    X509_STORE *store;      /* the root alone, at the time */
    STACK_OF(X509) * certs; /* the authority's others */
    X509 *listed;           /* its own certificate; NULL: not listed. One of certs, or the root */
    X509 *root;
    int64_t time_s;
};

static void end(struct look *l)
{
    X509_STORE_free(l->store);
    sk_X509_pop_free(l->certs, X509_free);
    X509_free(l->root);
}

static enum signer_got stranger(struct pg_err *err, const char *why)
{
    (void)pg_fail(err, PG_E_DENIED, "%s", why);
    return SIGNER_STRANGER;
}

static enum signer_got known(struct pg_err *err, const char *why)
{
    (void)pg_fail(err, PG_E_DENIED, "%s", why);
    return SIGNER_KNOWN;
}

/* Says that it is one, or may do what one does. */
static bool is_ca(X509 *cert)
{
    return X509_check_ca(cert) != 0 || (X509_get_extension_flags(cert) & EXFLAG_CA) != 0;
}

static X509 *read_certificate(struct sl der)
{
    const unsigned char *p = (const unsigned char *)der.p, *last = p + der.n;
    X509 *cert = strict_is_der(der) ? d2i_X509(NULL, &p, (long)der.n) : NULL;

    if (cert != NULL && p != last) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

static bool read_authority(struct look *l)
{
    X509_VERIFY_PARAM *param;

    l->certs = sk_X509_new_null();
    l->store = X509_STORE_new();
    PG_CHECK(l->certs != NULL && l->store != NULL);
    for (unsigned i = 0; i < l->authority->ncerts; i++) {
        X509 *cert = read_certificate(l->authority->certs[i]);

        if (cert == NULL)
            return false;
        if (i == 0 && !is_ca(cert))
            l->listed = cert;
        if (i + 1 == l->authority->ncerts)
            l->root = cert;
        else
            PG_CHECK(sk_X509_push(l->certs, cert) > 0);
    }
    PG_CHECK(X509_STORE_add_cert(l->store, l->root) == 1);
    param = X509_STORE_get0_param(l->store);
    X509_VERIFY_PARAM_set_time(param, (time_t)l->time_s);
    X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
    X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
    return true;
}

/* A CA in between that may only do other things cannot make an authority for timestamps. */
static bool may_all_issue(STACK_OF(X509) * chain)
{
    for (int i = 1; i + 1 < sk_X509_num(chain); i++) {
        X509 *ca = sk_X509_value(chain, i);

        if ((X509_get_extension_flags(ca) & EXFLAG_XKUSAGE) != 0 &&
            (X509_get_extended_key_usage(ca) & (XKU_TIMESTAMP | XKU_ANYEKU)) == 0)
            return false;
    }
    return true;
}

static enum signer_got say_chain(X509_STORE_CTX *ctx, struct pg_err *err)
{
    int code = X509_STORE_CTX_get_error(ctx);

    switch (code) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return stranger(err, "the timestamp is of no authority that is trusted");
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return known(err, "a certificate of the timestamp authority was not valid at the time that "
                          "the timestamp says");
    case X509_V_ERR_INVALID_PURPOSE:
        return known(err, "the certificate of the timestamp authority is not one for timestamps "
                          "alone");
    default:
        (void)pg_fail(err, PG_E_DENIED, "the chain of the timestamp authority: %s",
                      X509_verify_cert_error_string(code));
        return SIGNER_KNOWN;
    }
}

static enum signer_got check_chain(const struct look *l, PKCS7 *p7, X509 *signer,
                                   struct pg_err *err)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *untrusted = sk_X509_dup(l->certs);
    STACK_OF(X509) *sent = p7->d.sign->cert;
    enum signer_got got = SIGNER_GOOD;

    PG_CHECK(ctx != NULL && untrusted != NULL);
    for (int i = 0; i < sk_X509_num(sent); i++)
        PG_CHECK(sk_X509_push(untrusted, sk_X509_value(sent, i)) > 0);
    PG_CHECK(X509_STORE_CTX_init(ctx, l->store, signer, untrusted) == 1);
    PG_CHECK(X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_TIMESTAMP_SIGN) == 1);
    if (X509_verify_cert(ctx) != 1)
        got = say_chain(ctx, err);
    else if (!may_all_issue(X509_STORE_CTX_get0_chain(ctx)))
        got = known(err, "a certificate above the timestamp authority's may not issue one for "
                         "timestamps");
    X509_STORE_CTX_free(ctx);
    sk_X509_free(untrusted);
    return got;
}

static enum signer_got check_signer(const struct look *l, X509 *signer, struct pg_err *err)
{
    if (l->listed != NULL && X509_cmp(l->listed, signer) != 0)
        return known(err, "the timestamp is signed with another certificate than the authority's");
    if (is_ca(signer))
        return known(err, "the timestamp is signed by a certificate authority, which must not");
    if (l->time_s < l->authority->from_s || l->time_s > l->authority->until_s)
        return known(err, "the timestamp is from outside the time for which its authority is "
                          "trusted");
    return SIGNER_GOOD;
}

/* The signature, the digest of what is signed, and ESSCertID: OpenSSL does these. */
static enum signer_got check_signature(const struct look *l, PKCS7 *p7, X509 *expected,
                                       struct pg_err *err)
{
    X509 *signer = NULL;
    bool same;

    if (TS_RESP_verify_signature(p7, l->certs, l->store, &signer) != 1)
        return known(err, "the timestamp's signature, or what it says of its signer, is wrong");
    same = signer != NULL && X509_cmp(signer, expected) == 0;
    X509_free(signer);
    return same ? SIGNER_GOOD : known(err, "the timestamp's signer is not clear");
}

static enum signer_got check(struct look *l, PKCS7 *p7, struct pg_err *err)
{
    STACK_OF(X509) * signers;
    enum signer_got got;
    X509 *signer;

    if (!read_authority(l))
        return stranger(err, "a certificate of a timestamp authority cannot be read");
    signers = PKCS7_get0_signers(p7, l->certs, 0);
    if (sk_X509_num(signers) != 1 || X509_up_ref(sk_X509_value(signers, 0)) != 1) {
        sk_X509_free(signers);
        return stranger(err, "the timestamp is of no authority that is trusted");
    }
    signer = sk_X509_value(signers, 0);
    sk_X509_free(signers);
    got = check_chain(l, p7, signer, err);
    if (got == SIGNER_GOOD)
        got = check_signer(l, signer, err);
    if (got == SIGNER_GOOD)
        got = check_signature(l, p7, signer, err);
    X509_free(signer);
    return got;
}

enum signer_got signer_check(PKCS7 *p7, const struct stamp_authority *a, int64_t time_s,
                             struct pg_err *err)
{
    struct look l = {.authority = a, .time_s = time_s};
    enum signer_got got = check(&l, p7, err);

    end(&l);
    return got;
}
