/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/annotation_int.h"

#include "base/json.h"
#include "signing/b64_int.h"
#include "signing/field_int.h"
#include "signing/pem_int.h"

#define SIGNATURE "dev.cosignproject.cosign/signature"
#define CERT      "dev.sigstore.cosign/certificate"
#define CHAIN     "dev.sigstore.cosign/chain"
#define BUNDLE    "dev.sigstore.cosign/bundle"
#define STAMP     "dev.sigstore.cosign/rfc3161timestamp"

#define SIGNATURE_MAX ((size_t)64 << 10)
#define TEXT_MAX      ((size_t)1 << 20)

/* 1: *text_r; 0: it is not there. */
static int take(const json_t *annotations, const char *name, size_t max, struct sl *text_r,
                struct verify_refusal *no)
{
    const json_t *value = json_object_get(annotations, name);

    if (value == NULL)
        return 0;
    if (!json_is_string(value))
        return refuse(no, MALFORMED, "the annotation %s is not a text", name);
    *text_r = (struct sl){json_string_value(value), json_string_length(value)};
    if (text_r->n > max)
        return refuse(no, TOO_LARGE, "the annotation %s has %zu bytes; at most %zu are looked at",
                      name, text_r->n, max);
    return 1;
}

static int read_signature(const json_t *annotations, struct pg_arena *arena, struct proof *p,
                          struct verify_refusal *no)
{
    struct sl text;
    int has = take(annotations, SIGNATURE, SIGNATURE_MAX, &text, no);

    if (has <= 0)
        return has;
    if (!b64_decode(B64_STANDARD, text, arena, &p->signature))
        return refuse(no, MALFORMED, "the signature is not base64");
    return 0;
}

static int refuse_pem(struct verify_refusal *no, const char *name, struct pg_err *err)
{
    (void)refuse(no, MALFORMED, "the annotation %s: %s", name, err->msg);
    pg_err_clear(err);
    return -1;
}

static int read_cert(const json_t *annotations, struct pg_arena *arena, struct proof *p,
                     struct verify_refusal *no)
{
    struct pg_err err = {0};
    struct sl text;
    int has = take(annotations, CERT, TEXT_MAX, &text, no);

    if (has <= 0)
        return has;
    if (pem_only(text, PEM_CERTIFICATE, arena, &p->cert, &err) < 0)
        return refuse_pem(no, CERT, &err);
    p->by_cert = true;
    return 0;
}

static bool is_root(struct sl der)
{
    X509 *cert = trust_read_cert(der);
    bool is =
        cert != NULL && X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0;

    X509_free(cert);
    return is;
}

/* Of it, the root says nothing: what is trusted is the trusted root's. */
static int read_chain(const json_t *annotations, struct pg_arena *arena, struct proof *p,
                      struct verify_refusal *no)
{
    struct sl certs[PROOF_HELPERS_MAX + 1], text, label;
    struct pg_err err = {0};
    size_t n = 0;
    int has = take(annotations, CHAIN, TEXT_MAX, &text, no);

    if (has <= 0)
        return has;
    if (!p->by_cert)
        return refuse(no, MALFORMED, "there is a chain of certificates, but no certificate");
    for (;;) {
        struct sl der;
        int got = pem_next(&text, arena, &label, &der, &err);

        if (got < 0)
            return refuse_pem(no, CHAIN, &err);
        if (got == 0)
            break;
        if (!sl_eq(label, PEM_CERTIFICATE))
            return refuse(no, MALFORMED, "in the chain of certificates, something is not one");
        if (n == PROOF_HELPERS_MAX + 1)
            return refuse(no, TOO_LARGE, "the chain has more than %d certificates",
                          PROOF_HELPERS_MAX + 1);
        certs[n++] = der;
    }
    if (n > 0 && is_root(certs[n - 1]))
        n--;
    if (n > PROOF_HELPERS_MAX)
        return refuse(no, TOO_LARGE, "the chain has more than %d certificates", PROOF_HELPERS_MAX);
    memcpy(p->helpers, certs, n * sizeof(*certs));
    p->nhelpers = n;
    return 0;
}

/* A JSON object in an annotation: *root_r is the caller's. */
static int take_object(const json_t *annotations, const char *name, json_t **root_r,
                       struct verify_refusal *no)
{
    struct pg_err err = {0};
    struct sl text;
    int has = take(annotations, name, TEXT_MAX, &text, no);

    if (has <= 0)
        return has;
    if (pg_json_parse(text, PG_E_DENIED, root_r, &err) < 0)
        return refuse_pem(no, name, &err);
    return 1;
}

static bool read_digit(char c, unsigned *digit_r)
{
    if (c >= '0' && c <= '9')
        *digit_r = (unsigned)(c - '0');
    else if (c >= 'a' && c <= 'f')
        *digit_r = (unsigned)(c - 'a') + 10;
    else
        return false;
    return true;
}

static bool read_log_id(struct sl hex, struct pg_arena *arena, struct sl *id_r)
{
    char *id = pg_alloc(arena, hex.n / 2);

    if (hex.n != 64)
        return false;
    for (size_t i = 0; i < hex.n / 2; i++) {
        unsigned high, low;

        if (!read_digit(hex.p[2 * i], &high) || !read_digit(hex.p[2 * i + 1], &low))
            return false;
        id[i] = (char)(high << 4 | low);
    }
    *id_r = (struct sl){id, hex.n / 2};
    return true;
}

static bool read_number(const json_t *object, const char *name, int64_t *n_r)
{
    const json_t *value = json_object_get(object, name);

    *n_r = json_integer_value(value);
    return json_is_integer(value) && *n_r >= 0;
}

/* {"SignedEntryTimestamp": ..., "Payload": {body, integratedTime, logIndex, logID}} */
static bool read_promise(const json_t *root, struct pg_arena *arena, struct tlog_entry *e)
{
    static const char *const names[] = {"SignedEntryTimestamp", "Payload", NULL};
    static const char *const payload_names[] = {"body", "integratedTime", "logIndex", "logID",
                                                NULL};
    const json_t *payload;
    struct sl id;

    return field_known(root, names) &&
           field_bytes(root, "SignedEntryTimestamp", arena, &e->promise) > 0 &&
           field_object(root, "Payload", &payload) > 0 && field_known(payload, payload_names) &&
           field_bytes(payload, "body", arena, &e->body) > 0 &&
           read_number(payload, "integratedTime", &e->integrated_s) &&
           read_number(payload, "logIndex", &e->index) && field_text(payload, "logID", &id) > 0 &&
           read_log_id(id, arena, &e->log_id);
}

static int read_bundle(const json_t *annotations, struct pg_arena *arena, struct proof *p,
                       struct verify_refusal *no)
{
    struct tlog_entry *entry = pg_new(arena, struct tlog_entry);
    _json_ json_t *root = NULL;
    int has = take_object(annotations, BUNDLE, &root, no);

    if (has <= 0)
        return has;
    if (!read_promise(root, arena, entry))
        return refuse(no, MALFORMED, "the annotation %s is not what a log promises", BUNDLE);
    p->entries = entry;
    p->nentries = 1;
    return 0;
}

static int read_stamp(const json_t *annotations, struct pg_arena *arena, struct proof *p,
                      struct verify_refusal *no)
{
    static const char *const names[] = {"SignedRFC3161Timestamp", NULL};
    struct sl *stamp = pg_new(arena, struct sl);
    _json_ json_t *root = NULL;
    int has = take_object(annotations, STAMP, &root, no);

    if (has <= 0)
        return has;
    if (!field_known(root, names) || field_bytes(root, names[0], arena, stamp) <= 0)
        return refuse(no, MALFORMED, "the annotation %s is not a timestamp", STAMP);
    p->stamps = stamp;
    p->nstamps = 1;
    return 0;
}

int annotation_read(const json_t *annotations, struct pg_arena *arena, struct proof *p,
                    struct verify_refusal *no)
{
    if (read_signature(annotations, arena, p, no) < 0 || read_cert(annotations, arena, p, no) < 0 ||
        read_chain(annotations, arena, p, no) < 0 || read_bundle(annotations, arena, p, no) < 0)
        return -1;
    return read_stamp(annotations, arena, p, no);
}
