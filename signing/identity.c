/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/identity_int.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/utf8.h"
#include "signing/der_int.h"

#define RAW_LAST   6 /* 1 to 6 are raw text; from 8 on it is a UTF8String */
#define USER_NAME  7 /* a kind of otherName, not an extension */
#define ISSUER_OLD 1
#define ISSUER     8
#define TEXT_MAX   ((size_t)4096)

/* 1.3.6.1.4.1.57264.1, less the last part. */
static const struct sl fulcio = {"\x2b\x06\x01\x04\x01\x83\xbf\x30\x01", 9};

/* n of 1.3.6.1.4.1.57264.1.n; 0: another. */
static unsigned number_of(const ASN1_OBJECT *o)
{
    struct sl oid = {(const char *)OBJ_get0_data(o), OBJ_length(o)};

    if (oid.n != fulcio.n + 1 || !sl_starts(oid, fulcio) || (uint8_t)oid.p[fulcio.n] >= 0x80)
        return 0;
    return (uint8_t)oid.p[fulcio.n];
}

/* UTF-8 without control characters, and not without end. */
static bool is_text(struct sl s)
{
    uint32_t point;

    if (s.n == 0 || s.n > TEXT_MAX)
        return false;
    while (s.n > 0) {
        size_t n = pg_utf8_next(s, &point);

        if (n == 0 || point < 0x20 || (point >= 0x7f && point < 0xa0))
            return false;
        s = (struct sl){s.p + n, s.n - n};
    }
    return true;
}

static int read_extension(X509_EXTENSION *x, struct pg_arena *arena, struct verify_identity *id,
                          struct verify_refusal *no)
{
    unsigned n = number_of(X509_EXTENSION_get_object(x));
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(x);
    struct sl text = {(const char *)ASN1_STRING_get0_data(value),
                      (size_t)ASN1_STRING_length(value)};

    if (n == 0 || n == USER_NAME || n >= VERIFY_EXTENSIONS_MAX)
        return 0;
    if (id->extensions[n].p != NULL)
        return refuse(no, IDENTITY, "the certificate has extension 57264.1.%u twice", n);
    if ((n > RAW_LAST && !der_only(text, DER_UTF8, &text)) || !is_text(text))
        return refuse(no, IDENTITY, "the certificate's extension 57264.1.%u is not a text", n);
    id->extensions[n] = pg_copy(arena, text);
    return 0;
}

static struct sl text_of(const ASN1_STRING *s)
{
    return (struct sl){(const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)};
}

/* A text to be copied, and what it is; VERIFY_SAN_NONE: none that is known. */
static enum verify_san name_of(const GENERAL_NAME *name, struct sl *text_r)
{
    if (name->type == GEN_EMAIL) {
        *text_r = text_of(name->d.rfc822Name);
        return VERIFY_SAN_EMAIL;
    }
    if (name->type == GEN_URI) {
        *text_r = text_of(name->d.uniformResourceIdentifier);
        return VERIFY_SAN_URI;
    }
    if (name->type == GEN_OTHERNAME && number_of(name->d.otherName->type_id) == USER_NAME &&
        name->d.otherName->value->type == V_ASN1_UTF8STRING) {
        *text_r = text_of(name->d.otherName->value->value.utf8string);
        return VERIFY_SAN_USER;
    }
    return VERIFY_SAN_NONE;
}

static int read_subject(X509 *leaf, struct pg_arena *arena, struct verify_identity *id,
                        struct verify_refusal *no)
{
    int critical = -1;
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, &critical, NULL);
    bool is_one = sk_GENERAL_NAME_num(names) == 1;
    struct sl text = {NULL, 0};

    if (is_one)
        id->type = name_of(sk_GENERAL_NAME_value(names, 0), &text);
    if (id->type != VERIFY_SAN_NONE && is_text(text))
        id->subject = pg_copy(arena, text);
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    if (!is_one)
        return refuse(no, IDENTITY,
                      "the certificate does not have exactly one subject alternative name");
    if (id->subject.p == NULL)
        return refuse(no, IDENTITY,
                      "the certificate's subject is not an e-mail address, URI or user name, or "
                      "has characters that these have not");
    return 0;
}

int identity_read(X509 *leaf, struct pg_arena *arena, struct verify_identity *id_r,
                  struct verify_refusal *no)
{
    struct verify_identity id = {.type = VERIFY_SAN_NONE};
    struct sl old, issuer;

    for (int i = 0; i < X509_get_ext_count(leaf); i++)
        if (read_extension(X509_get_ext(leaf, i), arena, &id, no) < 0)
            return -1;
    old = id.extensions[ISSUER_OLD];
    issuer = id.extensions[ISSUER];
    if (old.p == NULL && issuer.p == NULL)
        return refuse(no, IDENTITY, "the certificate does not say who vouched for its subject");
    if (old.p != NULL && issuer.p != NULL && !sl_eq(old, issuer))
        return refuse(no, IDENTITY, "the certificate names two issuers that differ");
    id.issuer = issuer.p != NULL ? issuer : old;
    if (read_subject(leaf, arena, &id, no) < 0)
        return -1;
    *id_r = id;
    return 0;
}
