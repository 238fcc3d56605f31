/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/cert_int.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define DEPTH_MAX 8
/* 112 bits: no SHA-1, no RSA below 2048. */
#define AUTH_LEVEL 2

static bool may_sign_code(X509 *cert)
{
    return (X509_get_extension_flags(cert) & EXFLAG_XKUSAGE) != 0 &&
           (X509_get_extended_key_usage(cert) & XKU_CODE_SIGN) != 0;
}

static int check_leaf(X509 *leaf, struct verify_refusal *no)
{
    uint32_t flags = X509_get_extension_flags(leaf);

    if ((flags & EXFLAG_INVALID) != 0)
        return refuse(no, CERTIFICATE, "the certificate has an extension that cannot be read");
    if ((flags & EXFLAG_CA) != 0)
        return refuse(no, CERTIFICATE, "the certificate is a CA's, which may not sign images");
    if (!may_sign_code(leaf))
        return refuse(no, CERTIFICATE,
                      "the certificate is not for signing code (extended key usage)");
    if ((flags & EXFLAG_KUSAGE) == 0 || (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0)
        return refuse(no, CERTIFICATE, "the certificate is not for signatures (key usage)");
    return 0;
}

/* An intermediate that names what it is for has to name code. The anchor is trusted as it is. */
static bool intermediates_may(STACK_OF(X509) * chain)
{
    for (int i = 1; i + 1 < sk_X509_num(chain); i++) {
        X509 *cert = sk_X509_value(chain, i);

        if ((X509_get_extension_flags(cert) & EXFLAG_XKUSAGE) != 0 && !may_sign_code(cert))
            return false;
    }
    return true;
}

/* X509_V_OK and who issued the leaf, or what is wrong with it at this time. */
static int verify_at(const struct trust_ca *ca, X509 *leaf, STACK_OF(X509) * untrusted,
                     int64_t time_s, X509 **issuer_r)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int what = X509_V_ERR_UNSPECIFIED;
    X509_VERIFY_PARAM *param;

    PG_CHECK(ctx != NULL);
    if (X509_STORE_CTX_init(ctx, ca->anchor, leaf, untrusted) == 1) {
        param = X509_STORE_CTX_get0_param(ctx);
        X509_VERIFY_PARAM_set_time(param, (time_t)time_s);
        X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
        X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
        (void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
        if (X509_verify_cert(ctx) == 1)
            what = X509_V_OK;
        else if (X509_STORE_CTX_get_error(ctx) != X509_V_OK)
            what = X509_STORE_CTX_get_error(ctx);
    }
    if (what == X509_V_OK && (sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) < 2 ||
                              !intermediates_may(X509_STORE_CTX_get0_chain(ctx))))
        what = X509_V_ERR_INVALID_PURPOSE;
    if (what == X509_V_OK) {
        *issuer_r = sk_X509_value(X509_STORE_CTX_get0_chain(ctx), 1);
        X509_up_ref(*issuer_r);
    }
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return what;
}

/* The same issuer at all times: it is the SCTs' too. */
static int verify_at_all(const struct trust_ca *ca, X509 *leaf, STACK_OF(X509) * untrusted,
                         struct cert_times times, X509 **issuer_r)
{
    X509 *issuer = NULL, *again = NULL;
    int what = X509_V_OK;

    for (size_t i = 0; i < times.n && what == X509_V_OK; i++) {
        what = verify_at(ca, leaf, untrusted, times.at[i], &again);
        if (what != X509_V_OK)
            break;
        if (issuer != NULL && X509_cmp(issuer, again) != 0)
            what = X509_V_ERR_UNSPECIFIED;
        X509_free(issuer);
        issuer = again;
    }
    if (what == X509_V_OK)
        *issuer_r = issuer;
    else
        X509_free(issuer);
    return what;
}

static bool covers_all(const struct trust_ca *ca, struct cert_times times)
{
    for (size_t i = 0; i < times.n; i++)
        if (!trust_covers(ca->window, times.at[i]))
            return false;
    return true;
}

/* What is wrong by the nearest CA: "unknown issuer" says least. */
static bool says_more(int what, int than)
{
    return than == X509_V_OK || than == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           than == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           (than == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE &&
            what != X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
}

static STACK_OF(X509) * join(const struct trust_ca *ca, STACK_OF(X509) * helpers)
{
    STACK_OF(X509) *all = sk_X509_dup(ca->intermediates);

    PG_CHECK(all != NULL);
    for (int i = 0; i < sk_X509_num(helpers); i++)
        PG_CHECK(sk_X509_push(all, sk_X509_value(helpers, i)) > 0);
    return all;
}

static int refuse_chain(int what, bool ended, struct verify_refusal *no)
{
    if (what == X509_V_ERR_CERT_HAS_EXPIRED || what == X509_V_ERR_CERT_NOT_YET_VALID)
        return refuse(no, TIME,
                      "the signature was made at a time that the certificate, or one above it, is "
                      "not valid for: %s",
                      X509_verify_cert_error_string(what));
    if (ended)
        return refuse(no, TIME,
                      "the certificate's authority is not trusted for the time of the signature");
    if (what == X509_V_OK)
        return refuse(no, CERTIFICATE, "no certificate authority is trusted");
    return refuse(no, CERTIFICATE, "the certificate is not of a trusted authority: %s",
                  X509_verify_cert_error_string(what));
}

int cert_chain(const struct trust *t, X509 *leaf, STACK_OF(X509) * helpers, struct cert_times times,
               X509 **issuer_r, struct verify_refusal *no)
{
    int worst = X509_V_OK;
    bool ended = false;

    PG_CHECK(times.n > 0);
    if (check_leaf(leaf, no) < 0)
        return -1;
    for (unsigned i = 0; i < t->ncas; i++) {
        STACK_OF(X509) *untrusted = join(&t->cas[i], helpers);
        int what = verify_at_all(&t->cas[i], leaf, untrusted, times, issuer_r);

        sk_X509_free(untrusted);
        if (what == X509_V_OK && covers_all(&t->cas[i], times))
            return 0;
        if (what == X509_V_OK) {
            X509_free(*issuer_r);
            ended = true;
        } else if (says_more(what, worst)) {
            worst = what;
        }
    }
    return refuse_chain(worst, ended, no);
}
