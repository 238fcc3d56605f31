/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/sct_int.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "signing/der_int.h"

#define LIST_MAX   ((size_t)64 << 10)
#define SIGNED_MAX ((size_t)256 << 10)

struct sct {
    struct sl log_id, timestamp, extensions, signature;
    unsigned hash, algorithm;
};

static bool take(struct sl *in, size_t n, struct sl *out_r)
{
    if (in->n < n)
        return false;
    *out_r = (struct sl){in->p, n};
    *in = (struct sl){in->p + n, in->n - n};
    return true;
}

static uint64_t number(struct sl bytes)
{
    uint64_t n = 0;

    for (size_t i = 0; i < bytes.n; i++)
        n = n << 8 | (uint8_t)bytes.p[i];
    return n;
}

/* Bytes behind their length, which has two. */
static bool take_counted(struct sl *in, struct sl *out_r)
{
    struct sl n;

    return take(in, 2, &n) && take(in, (size_t)number(n), out_r);
}

static bool read_sct(struct sl in, struct sct *s_r)
{
    struct sl version, how;

    if (!take(&in, 1, &version) || version.p[0] != 0 || !take(&in, 32, &s_r->log_id) ||
        !take(&in, 8, &s_r->timestamp) || !take_counted(&in, &s_r->extensions) ||
        !take(&in, 2, &how) || !take_counted(&in, &s_r->signature))
        return false;
    s_r->hash = (unsigned)how.p[0];
    s_r->algorithm = (unsigned)how.p[1];
    return in.n == 0;
}

/* What the log signed, up to the extensions: the certificate without its SCTs. */
static bool put_signed(const struct sct *s, struct sl issuer_id, struct sl tbs, struct pg_buf *out)
{
    const char length[] = {(char)(tbs.n >> 16), (char)(tbs.n >> 8), (char)tbs.n};
    const char tail[] = {(char)(s->extensions.n >> 8), (char)s->extensions.n};

    (void)pg_buf_put(out, SL("\0\0"));
    (void)pg_buf_put(out, s->timestamp);
    (void)pg_buf_put(out, SL("\0\1"));
    (void)pg_buf_put(out, issuer_id);
    (void)pg_buf_put(out, (struct sl){length, sizeof(length)});
    (void)pg_buf_put(out, tbs);
    (void)pg_buf_put(out, (struct sl){tail, sizeof(tail)});
    (void)pg_buf_put(out, s->extensions);
    return !out->over && tbs.n < (size_t)1 << 24;
}

/* 4 is SHA-256; 3 is ECDSA, 1 is RSA. */
static bool is_signed_by(const struct sct *s, const struct key *k, struct sl issuer_id,
                         struct sl tbs)
{
    struct pg_buf text;
    bool good;

    if (s->hash != 4 || s->algorithm != (k->kind == KEY_RSA ? 1 : 3))
        return false;
    pg_buf_init(&text, SIGNED_MAX);
    good = put_signed(s, issuer_id, tbs, &text) &&
           key_verify_as(k, KEY_SHA256, false, pg_buf_sl(&text), s->signature);
    pg_buf_free(&text);
    return good;
}

static const struct trust_log *find(const struct trust_logs *logs, struct sl id, unsigned *at_r)
{
    for (unsigned i = 0; i < logs->n; i++) {
        if (sl_eq(id, (struct sl){(const char *)logs->at[i].id, sizeof(logs->at[i].id)})) {
            *at_r = i;
            return &logs->at[i];
        }
    }
    return NULL;
}

static int verify_list(const struct trust *t, struct sl list, struct sl issuer_id, struct sl tbs,
                       uint64_t *seen_r, struct verify_refusal *no)
{
    struct sl one;

    _Static_assert(TRUST_LOGS_MAX <= 64, "a bit for each");
    for (unsigned n = 0; list.n > 0; n++) {
        const struct trust_log *log;
        unsigned at = 0;
        struct sct s;

        if (n == SCT_MAX)
            return refuse(no, TOO_LARGE, "the certificate has more than %d SCTs", SCT_MAX);
        if (!take_counted(&list, &one) || !read_sct(one, &s))
            return refuse(no, SCT, "an SCT of the certificate cannot be read");
        log = find(&t->ctlogs, s.log_id, &at);
        if (log == NULL)
            return refuse(no, SCT, "an SCT is of a certificate log that is not trusted");
        if (!is_signed_by(&s, log->key, issuer_id, tbs))
            return refuse(no, SCT, "an SCT is not signed by its certificate log " SL_FMT,
                          SL_ARG(log->host));
        if (!trust_covers(log->window, (int64_t)(number(s.timestamp) / 1000)))
            return refuse(no, SCT,
                          "an SCT is of a time that the key of the certificate log " SL_FMT
                          " is not trusted for",
                          SL_ARG(log->host));
        *seen_r |= (uint64_t)1 << at;
    }
    return 0;
}

/* The one extension's list; 0: there is none. */
static int find_list(X509 *leaf, int *at_r, struct sl *list_r, struct verify_refusal *no)
{
    int at = X509_get_ext_by_NID(leaf, NID_ct_precert_scts, -1);
    const ASN1_OCTET_STRING *value;
    struct sl der, list;

    if (at < 0)
        return 0;
    if (X509_get_ext_by_NID(leaf, NID_ct_precert_scts, at) >= 0)
        return refuse(no, SCT, "the certificate has two lists of SCTs");
    value = X509_EXTENSION_get_data(X509_get_ext(leaf, at));
    der =
        (struct sl){(const char *)ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)};
    if (der.n > LIST_MAX || !der_only(der, DER_OCTET_STRING, &der) || !take_counted(&der, &list) ||
        der.n != 0 || list.n == 0)
        return refuse(no, SCT, "the certificate's list of SCTs cannot be read");
    *at_r = at;
    *list_r = list;
    return 1;
}

/* DER of what is signed of the certificate, without the SCTs; NULL: it cannot be made. */
static unsigned char *without_scts(X509 *leaf, int at, size_t *n_r)
{
    X509 *copy = X509_dup(leaf);
    unsigned char *tbs = NULL;
    int n = -1;

    if (copy != NULL) {
        X509_EXTENSION_free(X509_delete_ext(copy, at));
        n = i2d_re_X509_tbs(copy, &tbs);
    }
    X509_free(copy);
    ERR_clear_error();
    *n_r = n > 0 ? (size_t)n : 0;
    return n > 0 ? tbs : NULL;
}

int sct_verify(const struct trust *t, X509 *leaf, X509 *issuer, unsigned *nlogs_r,
               struct verify_refusal *no)
{
    struct pg_err err = {0};
    struct key *above;
    unsigned char *tbs;
    struct sl list;
    uint64_t seen = 0;
    size_t ntbs;
    int at = -1, status;

    *nlogs_r = 0;
    if (t->ctlogs.n == 0)
        return 0;
    status = find_list(leaf, &at, &list, no);
    if (status <= 0)
        return status;
    if (key_from_cert(issuer, &above, &err) < 0) {
        pg_err_clear(&err);
        return refuse(no, CERTIFICATE, "the key of the certificate's issuer is not supported");
    }
    tbs = without_scts(leaf, at, &ntbs);
    if (tbs == NULL)
        status = refuse(no, SCT, "the certificate's SCTs cannot be taken out of it");
    else
        status = verify_list(t, list, (struct sl){(const char *)above->sha256, 32},
                             (struct sl){(const char *)tbs, ntbs}, &seen, no);
    OPENSSL_free(tbs);
    key_free(above);
    *nlogs_r = (unsigned)__builtin_popcountll(seen);
    return status;
}
