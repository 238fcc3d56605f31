/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/crl_int.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

/* The issuer made it, and may. */
static bool is_list_of(X509_CRL *crl, X509 *issuer)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    bool is = X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) == 0 &&
              (X509_get_key_usage(issuer) & KU_CRL_SIGN) != 0 && key != NULL &&
              X509_CRL_verify(crl, key) == 1;

    ERR_clear_error();
    return is;
}

static bool lists(X509_CRL *crl, X509 *cert)
{
    X509_REVOKED *found;

    return X509_CRL_get0_by_serial(crl, &found, X509_get0_serialNumber(cert)) != 0;
}

/* Whether it says where to ask if it was revoked. */
static bool is_revocable(X509 *cert)
{
    STACK_OF(OPENSSL_STRING) *responders = X509_get1_ocsp(cert);
    bool is = sk_OPENSSL_STRING_num(responders) > 0 ||
              X509_get_ext_by_NID(cert, NID_crl_distribution_points, -1) >= 0;

    X509_email_free(responders);
    ERR_clear_error();
    return is;
}

/* Until when a list that holds now says it is not revoked; INT64_MIN: there is no such list. */
static int look(const struct trust_notation *n, const struct x5c *c, unsigned at, int64_t now_s,
                int64_t *until_r, struct verify_refusal *no)
{
    X509 *cert = c->certs[at], *issuer = c->certs[at + 1 < c->n ? at + 1 : at];
    char name[X5C_NAME_SHOWN];

    *until_r = INT64_MIN;
    for (unsigned i = 0; i < n->ncrls; i++) {
        const struct trust_crl *list = &n->crls[i];

        if (!is_list_of(list->crl, issuer))
            continue;
        if (lists(list->crl, cert))
            return refuse(no, REVOKED, "the certificate \"%s\" was revoked by its issuer",
                          x5c_name(cert, name));
        if (trust_covers(list->window, now_s) && list->window.until_s > *until_r)
            *until_r = list->window.until_s;
    }
    return 0;
}

int crl_check(const struct trust_notation *n, const struct x5c *c, bool has_to_know, int64_t now_s,
              int64_t *until_r, struct verify_refusal *no)
{
    int64_t until = INT64_MAX, known;
    char name[X5C_NAME_SHOWN];

    for (unsigned i = 0; i < c->n; i++) {
        bool is_root = i + 1 == c->n; /* nobody stands above it who could revoke it */

        if (look(n, c, i, now_s, &known, no) < 0)
            return -1;
        if (!has_to_know || is_root || (known == INT64_MIN && !is_revocable(c->certs[i])))
            continue;
        if (known == INT64_MIN)
            return refuse(no, REVOKED,
                          "it is not known whether the certificate \"%s\" was revoked: no list of "
                          "its issuer that holds now is loaded, and the trust policy enforces "
                          "revocation",
                          x5c_name(c->certs[i], name));
        until = known < until ? known : until;
    }
    *until_r = until;
    return 0;
}
