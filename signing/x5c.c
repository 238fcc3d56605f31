/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/x5c_int.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "signing/trust_int.h"

#define VERSION_3     2L
#define LEAF_USAGES   (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)
#define NO_PATH_LIMIT (-1L)

const char *x5c_name(const X509 *cert, char out[X5C_NAME_SHOWN])
{
    BIO *bio = BIO_new(BIO_s_mem());
    int n;

    PG_CHECK(bio != NULL);
    /* RFC 2253 escapes all that is not ASCII, and quotes. */
    (void)X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253);
    n = BIO_read(bio, out, X5C_NAME_SHOWN - 1);
    out[n > 0 ? n : 0] = '\0';
    BIO_free(bio);
    ERR_clear_error();
    return out;
}

#define refuse_cert(no, cert, ...) refuse_cert_at((no), (cert), __LINE__, __VA_ARGS__)
static int refuse_cert_at(struct verify_refusal *no, const X509 *cert, int line, const char *why)
{
    char name[X5C_NAME_SHOWN];

    refuse_at(no, VERIFY_CERTIFICATE, __FILE__, line, "the certificate \"%s\" %s",
              x5c_name(cert, name), why);
    return -1;
}

static bool read_time(const ASN1_TIME *at, int64_t *time_r)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(at, &tm) != 1)
        return false;
    *time_r = timegm(&tm);
    return true;
}

bool x5c_is_sound(const X509_ALGOR *alg)
{
    const ASN1_OBJECT *oid;

    X509_ALGOR_get0(&oid, NULL, NULL, alg);
    switch (OBJ_obj2nid(oid)) {
    case NID_sha256WithRSAEncryption:
    case NID_sha384WithRSAEncryption:
    case NID_sha512WithRSAEncryption:
    case NID_ecdsa_with_SHA256:
    case NID_ecdsa_with_SHA384:
    case NID_ecdsa_with_SHA512:
        return true;
    default:
        return false;
    }
}

/* RSASSA-PSS says its digest elsewhere. */
static bool is_sound_pss(X509 *cert)
{
    int md = NID_undef, key = NID_undef;

    if (X509_get_signature_nid(cert) != NID_rsassaPss ||
        X509_get_signature_info(cert, &md, &key, NULL, NULL) != 1)
        return false;
    return md == NID_sha256 || md == NID_sha384 || md == NID_sha512;
}

/* Of every certificate: that it can be read, by a key that can be used, signed with SHA-2. */
static int read_cert(struct x5c *c, struct sl der, struct verify_refusal *no)
{
    X509 *cert = trust_read_cert(der);
    struct pg_err err = {0};
    struct key *k;
    unsigned at = c->n;

    if (cert == NULL)
        return refuse(no, CERTIFICATE, "certificate %u of the signature cannot be read", at + 1);
    c->certs[c->n++] = cert;
    if (X509_get_version(cert) != VERSION_3 ||
        (X509_get_extension_flags(cert) & EXFLAG_INVALID) != 0)
        return refuse_cert(no, cert, "is not sound, or not of version 3");
    if (!read_time(X509_get0_notBefore(cert), &c->from_s[at]) ||
        !read_time(X509_get0_notAfter(cert), &c->until_s[at]))
        return refuse_cert(no, cert, "has a validity that cannot be read");
    if (!x5c_is_sound(X509_get0_tbs_sigalg(cert)) && !is_sound_pss(cert))
        return refuse_cert(no, cert,
                           "is signed with an algorithm that is not supported: SHA-2 "
                           "with RSA or ECDSA is");
    if (key_from_cert(cert, &k, &err) < 0) {
        pg_err_clear(&err);
        return refuse_cert(no, cert, "has a key of a kind that is not supported");
    }
    if (at == 0)
        c->leaf_key = k;
    else
        key_free(k);
    return 0;
}

int x5c_read(const struct notary_envelope *e, struct x5c *c, struct verify_refusal *no)
{
    *c = (struct x5c){0};
    ERR_clear_error();
    for (unsigned i = 0; i < e->ncerts; i++)
        if (read_cert(c, e->certs[i], no) < 0)
            return -1;
    return 0;
}

void x5c_free(struct x5c *c)
{
    for (unsigned i = 0; i < c->n; i++)
        X509_free(c->certs[i]);
    key_free(c->leaf_key);
    *c = (struct x5c){0};
    ERR_clear_error();
}

static bool is_critical(const X509 *cert, int nid)
{
    int at = X509_get_ext_by_NID(cert, nid, -1);

    return at >= 0 && X509_EXTENSION_get_critical(X509_get_ext(cert, at)) == 1;
}

/* Names and signature; what the issuer may do is asked for each certificate by itself. */
static bool is_issued_by(X509 *cert, X509 *issuer)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    bool is = X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(issuer)) == 0 &&
              key != NULL && X509_verify(cert, key) == 1;

    ERR_clear_error();
    return is;
}

bool x5c_is_self_signed(X509 *cert)
{
    return is_issued_by(cert, cert);
}

bool x5c_is_ca(X509 *cert)
{
    uint32_t flags = X509_get_extension_flags(cert);

    return (flags & EXFLAG_INVALID) == 0 && (flags & EXFLAG_BCONS) != 0 && (flags & EXFLAG_CA) != 0;
}

bool x5c_is_anchor(X509 *cert)
{
    return x5c_is_ca(cert) || x5c_is_self_signed(cert);
}

/* Absent, or code signing without any of those that speak of something else. */
static bool may_sign_code(const X509 *leaf)
{
    static const int others[] = {NID_anyExtendedKeyUsage, NID_server_auth, NID_client_auth,
                                 NID_email_protect,       NID_time_stamp,  NID_OCSP_sign};
    EXTENDED_KEY_USAGE *usages;
    bool may = false;
    int found;

    usages = X509_get_ext_d2i(leaf, NID_ext_key_usage, &found, NULL);
    if (usages == NULL)
        return found == -1; /* absent; -2: twice */
    for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++) {
        int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(usages, i));

        may = may || nid == NID_code_sign;
        for (size_t j = 0; j < sizeof(others) / sizeof(others[0]); j++) {
            if (nid == others[j]) {
                EXTENDED_KEY_USAGE_free(usages);
                return false;
            }
        }
    }
    EXTENDED_KEY_USAGE_free(usages);
    return may;
}

static int check_leaf(X509 *leaf, struct verify_refusal *no)
{
    uint32_t flags = X509_get_extension_flags(leaf), usage = X509_get_key_usage(leaf);

    if ((flags & EXFLAG_CA) != 0)
        return refuse_cert(no, leaf, "is a CA's; a CA signs no images");
    if ((flags & EXFLAG_KUSAGE) == 0 || !is_critical(leaf, NID_key_usage))
        return refuse_cert(no, leaf, "has no key usage, or one that is not critical");
    if ((usage & KU_DIGITAL_SIGNATURE) == 0 || (usage & ~(uint32_t)LEAF_USAGES) != 0)
        return refuse_cert(no, leaf, "has a key usage that is not digitalSignature alone");
    if (!may_sign_code(leaf))
        return refuse_cert(no, leaf, "has an extended key usage that is not codeSigning alone");
    return 0;
}

/* below: how many CAs stand between it and the leaf. */
static int check_ca(X509 *ca, unsigned below, struct verify_refusal *no)
{
    long limit = X509_get_pathlen(ca);

    if (!x5c_is_ca(ca) || !is_critical(ca, NID_basic_constraints))
        return refuse_cert(no, ca,
                           "is not a CA's: it has no critical basicConstraints that say so");
    if ((X509_get_extension_flags(ca) & EXFLAG_KUSAGE) == 0 || !is_critical(ca, NID_key_usage) ||
        (X509_get_key_usage(ca) & KU_KEY_CERT_SIGN) == 0)
        return refuse_cert(no, ca, "may not sign certificates: no critical key usage keyCertSign");
    if (limit != NO_PATH_LIMIT && limit < (long)below)
        return refuse_cert(no, ca, "stands higher above the leaf than its pathLenConstraint");
    return 0;
}

/* What ca says of names, of all those below it. */
static int check_names(const struct x5c *c, unsigned ca, struct verify_refusal *no)
{
    int found, status = X509_V_OK;
    NAME_CONSTRAINTS *names = X509_get_ext_d2i(c->certs[ca], NID_name_constraints, &found, NULL);

    if (names == NULL && found == -1)
        return 0;
    for (unsigned i = 0; i < ca && names != NULL && status == X509_V_OK; i++)
        status = NAME_CONSTRAINTS_check(c->certs[i], names);
    if (names == NULL || status != X509_V_OK) {
        NAME_CONSTRAINTS_free(names);
        ERR_clear_error();
        return refuse_cert(no, c->certs[ca], "constrains names that are below it otherwise");
    }
    NAME_CONSTRAINTS_free(names);
    return 0;
}

static int check_order(const struct x5c *c, struct verify_refusal *no)
{
    for (unsigned i = 0; i + 1 < c->n; i++)
        if (!is_issued_by(c->certs[i], c->certs[i + 1]))
            return refuse_cert(no, c->certs[i],
                               "is not signed by the next one in the list: the whole chain has to "
                               "be there, in its order, and nothing else");
    if (!x5c_is_self_signed(c->certs[c->n - 1]))
        return refuse_cert(no, c->certs[c->n - 1],
                           "is the last and did not sign itself: the chain has to end in its root");
    return 0;
}

int x5c_check(const struct x5c *c, struct verify_refusal *no)
{
    PG_CHECK(c->n > 0);
    if (check_leaf(c->certs[0], no) < 0)
        return -1;
    for (unsigned i = 1; i < c->n; i++)
        if (check_ca(c->certs[i], i - 1, no) < 0 || check_names(c, i, no) < 0)
            return -1;
    return check_order(c, no);
}

unsigned x5c_invalid_at(const struct x5c *c, int64_t from_s, int64_t until_s)
{
    unsigned i = 0;

    while (i < c->n && c->from_s[i] <= from_s && until_s <= c->until_s[i])
        i++;
    return i;
}
