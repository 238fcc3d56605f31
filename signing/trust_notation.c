/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/trust_notation_int.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

#include "signing/der_int.h"
#include "signing/pem_int.h"
#include "signing/trust_policy_int.h"
#include "signing/x5c_int.h"

#define NAME_MAX_BYTES 128

static const struct {
    enum trust_store_type type;
    struct sl name;
} types[] = {
    {TRUST_STORE_CA, SL("ca")},
    {TRUST_STORE_AUTHORITY, SL("signingAuthority")},
    {TRUST_STORE_TSA, SL("tsa")},
};
#define NTYPES (sizeof(types) / sizeof(types[0]))

static size_t type_of(struct sl name)
{
    size_t i = 0;

    while (i < NTYPES && !sl_eq(types[i].name, name))
        i++;
    return i;
}

static struct trust_notation *notation_of(struct trust *t)
{
    if (t->notation == NULL)
        t->notation = calloc(1, sizeof(*t->notation));
    PG_CHECK(t->notation != NULL);
    return t->notation;
}

void trust_notation_free(struct trust_notation *n)
{
    if (n == NULL)
        return;
    for (unsigned i = 0; i < n->ncrls; i++)
        X509_CRL_free(n->crls[i].crl);
    free(n);
}

static bool is_store_name(struct sl name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '.' || c == '-'))
            return false;
    }
    return name.n > 0 && name.n <= NAME_MAX_BYTES && !sl_eq(name, SL(".")) &&
           !sl_eq(name, SL(".."));
}

const struct trust_store *trust_notation_store(const struct trust_notation *n, struct sl named)
{
    const char *colon = named.n > 0 ? memchr(named.p, ':', named.n) : NULL;
    struct sl type, name;
    size_t at;

    if (colon == NULL)
        return NULL;
    type = (struct sl){named.p, (size_t)(colon - named.p)};
    name = (struct sl){colon + 1, named.n - type.n - 1};
    at = type_of(type);
    for (unsigned i = 0; i < n->nstores && at < NTYPES; i++)
        if (n->stores[i].type == types[at].type && sl_eq(n->stores[i].name, name))
            return &n->stores[i];
    return NULL;
}

/* The store of that name, made if there is none. */
static int get_store(struct trust *t, size_t type, struct sl name, struct trust_store **store_r,
                     struct pg_err *err)
{
    struct trust_notation *n = notation_of(t);
    unsigned i = 0;

    while (i < n->nstores &&
           (n->stores[i].type != types[type].type || !sl_eq(n->stores[i].name, name)))
        i++;
    if (i == TRUST_STORES_MAX)
        return pg_fail(err, PG_E_DENIED, "more than %d trust stores", TRUST_STORES_MAX);
    if (i == n->nstores) {
        n->stores[i] = (struct trust_store){
            .type = types[type].type,
            .name = pg_copy(&t->arena, name),
            .certs = pg_alloc(&t->arena, TRUST_STORE_CERTS_MAX * sizeof(struct sl)),
        };
        n->nstores++;
    }
    *store_r = &n->stores[i];
    return 0;
}

static bool has_cert(const struct trust_store *s, struct sl der)
{
    for (unsigned i = 0; i < s->ncerts; i++)
        if (sl_eq(s->certs[i], der))
            return true;
    return false;
}

static int add_cert(struct trust *t, struct trust_store *s, struct sl der, struct pg_err *err)
{
    X509 *cert = trust_read_cert(der);
    bool is_anchor = cert != NULL && x5c_is_anchor(cert);
    bool is_root = cert != NULL && x5c_is_ca(cert) && x5c_is_self_signed(cert);

    X509_free(cert);
    if (cert == NULL || der.n > NOTARY_CERT_MAX)
        return pg_fail(err, PG_E_DENIED,
                       "a certificate cannot be read, or is larger than %zu bytes",
                       NOTARY_CERT_MAX);
    if (!is_anchor)
        return pg_fail(err, PG_E_DENIED,
                       "a certificate is neither a CA's nor signed by itself: others cannot be "
                       "trusted for what they did not sign");
    if (s->type == TRUST_STORE_TSA && !is_root)
        return pg_fail(err, PG_E_DENIED,
                       "a certificate of a timestamp authority's store is not a root CA's");
    if (has_cert(s, der))
        return 0;
    if (s->ncerts == TRUST_STORE_CERTS_MAX)
        return pg_fail(err, PG_E_DENIED, "the store has more than %d certificates",
                       TRUST_STORE_CERTS_MAX);
    s->certs[s->ncerts++] = pg_copy(&t->arena, der);
    return 0;
}

/* PEM, one block or several. */
static int add_pem(struct trust *t, struct trust_store *s, const char *file, struct sl text,
                   struct pg_err *err)
{
    struct sl rest = text, label, der, at = text;
    int status;

    for (unsigned i = 0;; i++) {
        status = pem_next(&rest, &t->arena, &label, &der, err);
        if (status < 0)
            return trust_blame(file, text, rest, err);
        if (status == 0)
            return i > 0 ? 0 : pg_fail(err, PG_E_DENIED, "%s: there is no certificate in it", file);
        if (!sl_eq(label, PEM_CERTIFICATE)) {
            (void)pg_fail(err, PG_E_DENIED, "\"" SL_FMT "\" is not a certificate", SL_ARG(label));
            return trust_blame(file, text, at, err);
        }
        if (add_cert(t, s, der, err) < 0)
            return trust_blame(file, text, at, err);
        at = rest;
    }
}

/* DER, one behind the other. */
static int add_der(struct trust *t, struct trust_store *s, const char *file, struct sl rest,
                   struct pg_err *err)
{
    while (rest.n > 0) {
        struct sl body, whole = rest;

        if (!der_take(&rest, DER_SEQUENCE, &body))
            return pg_fail(err, PG_E_DENIED, "%s: neither PEM nor DER", file);
        whole.n -= rest.n;
        if (add_cert(t, s, whole, err) < 0)
            return pg_wrap(err, "%s", file);
    }
    return 0;
}

int trust_notation_add_store(struct trust *t, struct sl type, struct sl name, const char *file,
                             struct sl bytes, struct pg_err *err)
{
    size_t at = type_of(type);
    struct trust_store *store = NULL;
    char kind[NAME_MAX_BYTES + 64];
    int n;

    if (at == NTYPES)
        return pg_fail(err, PG_E_DENIED,
                       "%s: \"" SL_FMT
                       "\" is no type of trust store: ca, signingAuthority, tsa are",
                       file, SL_ARG(type));
    if (!is_store_name(name))
        return pg_fail(err, PG_E_DENIED,
                       "%s: the name of its trust store has something else than letters, digits, "
                       "'.', '_' and '-'",
                       file);
    if (bytes.n == 0 || bytes.n > TRUST_FILE_MAX)
        return pg_fail(err, PG_E_DENIED, "%s: empty, or larger than %zu bytes", file,
                       TRUST_FILE_MAX);
    if (get_store(t, at, name, &store, err) < 0)
        return pg_wrap(err, "%s", file);
    if ((bytes.p[0] == 0x30 ? add_der(t, store, file, bytes, err)
                            : add_pem(t, store, file, bytes, err)) < 0)
        return -1;
    n = snprintf(kind, sizeof(kind), "store %s:" SL_FMT, types[at].name.p, SL_ARG(name));
    return trust_note(t, (struct sl){kind, (size_t)n}, bytes, err);
}

static bool read_time(const ASN1_TIME *at, int64_t *time_r)
{
    struct tm tm;

    if (at == NULL || ASN1_TIME_to_tm(at, &tm) != 1)
        return false;
    *time_r = timegm(&tm);
    return true;
}

static int partial_crl(struct pg_err *err)
{
    return pg_fail(err, PG_E_DENIED,
                   "it has a critical extension, or is about some certificates only (delta, "
                   "indirect, of one distribution point): a whole list is needed");
}

/* A list that speaks of all certificates of its issuer, and until when. */
static int check_crl(X509_CRL *crl, struct trust_window *w_r, struct pg_err *err)
{
    const X509_ALGOR *alg;

    X509_CRL_get0_signature(crl, NULL, &alg);
    if (!x5c_is_sound(alg))
        return pg_fail(err, PG_E_DENIED, "it is not signed with SHA-2 and RSA or ECDSA");
    if (!read_time(X509_CRL_get0_lastUpdate(crl), &w_r->from_s) ||
        !read_time(X509_CRL_get0_nextUpdate(crl), &w_r->until_s))
        return pg_fail(err, PG_E_DENIED, "it does not say until when it holds (nextUpdate)");
    for (int i = 0; i < X509_CRL_get_ext_count(crl); i++)
        if (X509_EXTENSION_get_critical(X509_CRL_get_ext(crl, i)) != 0)
            return partial_crl(err);
    if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0 ||
        X509_CRL_get_ext_by_NID(crl, NID_issuing_distribution_point, -1) >= 0)
        return partial_crl(err);
    return 0;
}

static int read_crl(struct sl bytes, struct pg_arena *arena, X509_CRL **crl_r, struct pg_err *err)
{
    const unsigned char *p;
    struct sl der = bytes;
    X509_CRL *crl;

    if (bytes.p[0] != 0x30 && pem_only(bytes, PEM_CRL, arena, &der, err) < 0)
        return -1;
    p = (const unsigned char *)der.p;
    crl = d2i_X509_CRL(NULL, &p, (long)der.n);
    ERR_clear_error();
    if (crl == NULL || p != (const unsigned char *)der.p + der.n) {
        X509_CRL_free(crl);
        return pg_fail(err, PG_E_DENIED, "this is not a certificate revocation list");
    }
    *crl_r = crl;
    return 0;
}

/* The first look sorts it, so that later ones only read. */
static void sort_crl(X509_CRL *crl)
{
    ASN1_INTEGER *zero = ASN1_INTEGER_new();
    X509_REVOKED *found;

    PG_CHECK(zero != NULL);
    (void)X509_CRL_get0_by_serial(crl, &found, zero);
    ASN1_INTEGER_free(zero);
}

int trust_notation_add_crl(struct trust *t, const char *file, struct sl bytes, struct pg_err *err)
{
    struct trust_notation *n = notation_of(t);
    struct trust_window window;
    X509_CRL *crl = NULL;

    if (bytes.n == 0 || bytes.n > TRUST_FILE_MAX)
        return pg_fail(err, PG_E_DENIED, "%s: empty, or larger than %zu bytes", file,
                       TRUST_FILE_MAX);
    if (n->ncrls == TRUST_CRLS_MAX)
        return pg_fail(err, PG_E_DENIED, "%s: more than %d revocation lists", file, TRUST_CRLS_MAX);
    if (read_crl(bytes, &t->arena, &crl, err) < 0)
        return pg_wrap(err, "%s", file);
    if (check_crl(crl, &window, err) < 0) {
        X509_CRL_free(crl);
        return pg_wrap(err, "%s", file);
    }
    sort_crl(crl);
    n->crls[n->ncrls++] = (struct trust_crl){crl, window};
    return trust_note(t, SL("crl"), bytes, err);
}

int trust_notation_set(struct trust *t, const char *file, struct sl json, struct pg_err *err)
{
    struct trust_notation *n = notation_of(t);

    if (n->nstatements > 0)
        return pg_fail(err, PG_E_DENIED, "%s: there is a Notation trust policy already", file);
    if (json.n > TRUST_FILE_MAX)
        return pg_fail(err, PG_E_DENIED, "%s: larger than %zu bytes", file, TRUST_FILE_MAX);
    if (trust_policy_read(n, file, json, &t->arena, err) < 0)
        return -1;
    return trust_note(t, SL("notation policy"), json, err);
}

static bool is_about(const struct trust_statement *s, struct sl scope)
{
    for (unsigned i = 0; i < s->nscopes; i++)
        if (sl_eq(s->scopes[i], scope))
            return true;
    return false;
}

const struct trust_statement *trust_notation_about(const struct trust *t, struct sl repository)
{
    const struct trust_statement *any = NULL;

    if (t->notation == NULL || repository.n == 0)
        return NULL;
    for (unsigned i = 0; i < t->notation->nstatements; i++) {
        const struct trust_statement *s = &t->notation->statements[i];

        if (is_about(s, repository))
            return s;
        if (is_about(s, SL("*")))
            any = s;
    }
    return any;
}
