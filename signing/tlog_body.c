/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/tlog_body_int.h"

#include "base/buf.h"
#include "base/json.h"
#include "signing/b64_int.h"
#include "signing/field_int.h"
#include "signing/pem_int.h"

#define REBUILT_MAX ((size_t)256 << 10)

/* Members of members; NULL: one of them is not there. */
static const json_t *reach(const json_t *from, const char *const *path)
{
    for (; *path != NULL && from != NULL; path++)
        if (field_object(from, *path, &from) <= 0)
            return NULL;
    return from;
}

static bool hash_is(const json_t *hash, enum key_digest digest, struct sl value)
{
    static const char hex[] = "0123456789abcdef";
    struct sl algorithm, text;

    if (hash == NULL || field_text(hash, "algorithm", &algorithm) <= 0 ||
        field_text(hash, "value", &text) <= 0)
        return false;
    if (!sl_eq(algorithm, sl_str(key_digest_name(digest))) || text.n != 2 * value.n)
        return false;
    for (size_t i = 0; i < value.n; i++)
        if (text.p[2 * i] != hex[(uint8_t)value.p[i] >> 4] ||
            text.p[2 * i + 1] != hex[(uint8_t)value.p[i] & 15])
            return false;
    return true;
}

static bool hash_is_sha256_of(const json_t *hash, struct sl bytes)
{
    uint8_t value[32];

    pg_hash_once(PG_SHA256, bytes, value);
    return hash_is(hash, KEY_SHA256, (struct sl){(const char *)value, sizeof(value)});
}

/* The digest that was signed, and what it is of was hashed with. */
static struct sl signed_digest(const struct tlog_subject *s, uint8_t out[PG_HASH_BYTES_MAX])
{
    struct sl sha256 = {(const char *)s->message->sha256, sizeof(s->message->sha256)};

    if (s->how.digest == KEY_SHA256)
        return sha256;
    return (struct sl){(const char *)out, key_digest_of(s->how.digest, s->message->bytes, out)};
}

/* base64 of PEM of the certificate or key that signed. */
static bool signer_is(const json_t *o, const char *name, const struct tlog_subject *s,
                      struct pg_arena *arena)
{
    bool by_cert = s->cert.p != NULL;
    struct pg_err err = {0};
    struct sl pem, der;
    bool same;

    if (field_bytes(o, name, arena, &pem) <= 0)
        return false;
    same = pem_only(pem, by_cert ? PEM_CERTIFICATE : PEM_PUBLIC_KEY, arena, &der, &err) == 0 &&
           sl_eq(der, by_cert ? s->cert : s->key->spki);
    pg_err_clear(&err);
    return same;
}

static int other_signer(const struct tlog_subject *s, struct verify_refusal *no)
{
    return refuse(no, LOG, "the log's entry is about another %s than the one that signed",
                  s->cert.p != NULL ? "certificate" : "key");
}

static int other_signature(struct verify_refusal *no)
{
    return refuse(no, LOG, "the log's entry is about another signature");
}

static int other_content(struct verify_refusal *no)
{
    return refuse(no, LOG, "the log's entry is about something else than what is signed");
}

static int bind_hashedrekord(const json_t *body, const struct tlog_subject *s,
                             struct pg_arena *arena, struct verify_refusal *no)
{
    static const char *const to_hash[] = {"spec", "data", "hash", NULL};
    static const char *const to_signature[] = {"spec", "signature", NULL};
    const json_t *signature = reach(body, to_signature), *key;
    uint8_t value[PG_HASH_BYTES_MAX];
    struct sl content;

    if (s->how.digest == KEY_NO_DIGEST)
        return refuse(no, LOG, "an entry over a digest cannot be about a pure Ed25519 signature");
    if (!hash_is(reach(body, to_hash), s->how.digest, signed_digest(s, value)))
        return other_content(no);
    if (signature == NULL || field_bytes(signature, "content", arena, &content) <= 0 ||
        !sl_eq(content, s->signature))
        return other_signature(no);
    if (field_object(signature, "publicKey", &key) <= 0 || !signer_is(key, "content", s, arena))
        return other_signer(s, no);
    return 0;
}

/* The one member of the list that has to have exactly one; NULL: it has not. */
static const json_t *single(const json_t *o, const char *name)
{
    const json_t *list;

    if (o == NULL || field_array(o, name, &list) <= 0 || json_array_size(list) != 1)
        return NULL;
    return json_array_get(list, 0);
}

static int bind_dsse(const json_t *body, const struct tlog_subject *s, struct pg_arena *arena,
                     struct verify_refusal *no)
{
    static const char *const to_spec[] = {"spec", NULL};
    static const char *const to_payload[] = {"spec", "payloadHash", NULL};
    static const char *const to_envelope[] = {"spec", "envelopeHash", NULL};
    const json_t *signature = single(reach(body, to_spec), "signatures");
    struct sl content;

    if (!s->is_dsse || !hash_is_sha256_of(reach(body, to_payload), s->payload))
        return other_content(no);
    if (s->envelope.p != NULL && !hash_is_sha256_of(reach(body, to_envelope), s->envelope))
        return other_content(no);
    if (signature == NULL || field_bytes(signature, "signature", arena, &content) <= 0 ||
        !sl_eq(content, s->signature))
        return other_signature(no);
    if (!signer_is(signature, "verifier", s, arena))
        return other_signer(s, no);
    return 0;
}

/* 0.0.2: with the signature in it, as base64 of base64. */
static int bind_intoto(const json_t *body, const struct tlog_subject *s, struct pg_arena *arena,
                       struct verify_refusal *no)
{
    static const char *const to_payload[] = {"spec", "content", "payloadHash", NULL};
    static const char *const to_envelope[] = {"spec", "content", "envelope", NULL};
    const json_t *signature = single(reach(body, to_envelope), "signatures");
    struct sl inner, content;

    if (!s->is_dsse || !hash_is_sha256_of(reach(body, to_payload), s->payload))
        return other_content(no);
    if (signature == NULL || field_bytes(signature, "sig", arena, &inner) <= 0 ||
        !b64_decode(B64_STANDARD, inner, arena, &content) || !sl_eq(content, s->signature))
        return other_signature(no);
    if (!signer_is(signature, "publicKey", s, arena))
        return other_signer(s, no);
    return 0;
}

/* 0.0.1: there is no signature in it, but the digest of the envelope that has it. */
static int bind_old_intoto(const json_t *body, const struct tlog_subject *s, struct pg_arena *arena,
                           struct verify_refusal *no)
{
    static const char *const to_spec[] = {"spec", NULL};
    static const char *const to_payload[] = {"spec", "content", "payloadHash", NULL};
    static const char *const to_hash[] = {"spec", "content", "hash", NULL};
    const json_t *payload = reach(body, to_payload);

    if (!s->is_dsse || s->envelope.p == NULL)
        return refuse(no, UNSUPPORTED, "a log's entry intoto 0.0.1 has no signature to compare");
    if (!hash_is_sha256_of(reach(body, to_hash), s->envelope) ||
        (payload != NULL && !hash_is_sha256_of(payload, s->payload)))
        return other_content(no);
    if (!signer_is(reach(body, to_spec), "publicKey", s, arena))
        return other_signer(s, no);
    return 0;
}

/* Rekor v2's names; NULL: there is none for a signature that is made so. */
static const char *details_of(const struct tlog_subject *s, char out[64])
{
    bool sha256 = s->how.digest == KEY_SHA256;

    switch (s->how.kind) {
    case KEY_P256:
        return "PKIX_ECDSA_P256_SHA_256";
    case KEY_P384:
        return sha256 ? "PKIX_ECDSA_P384_SHA_256" : "PKIX_ECDSA_P384_SHA_384";
    case KEY_P521:
        return sha256 ? "PKIX_ECDSA_P521_SHA_256" : "PKIX_ECDSA_P521_SHA_512";
    case KEY_RSA:
        (void)snprintf(out, 64, "PKIX_RSA_%s_%u_SHA256", s->how.pss ? "PSS" : "PKCS1V15",
                       s->key->bits);
        return out;
    case KEY_ED25519:
        return s->how.prehashed ? "PKIX_ED25519_PH" : NULL;
    }
    PG_BUG("a kind of key that is none");
}

/* What Rekor v2 has to have logged, to the byte. */
static int bind_tiles(const struct tlog_entry *e, const struct tlog_subject *s,
                      struct pg_arena *arena, struct verify_refusal *no)
{
    bool by_cert = s->cert.p != NULL;
    char space[64];
    const char *details = details_of(s, space);
    uint8_t value[PG_HASH_BYTES_MAX];
    struct pg_buf body;
    bool same;

    if (details == NULL)
        return refuse(no, LOG, "an entry over a digest cannot be about a pure Ed25519 signature");
    pg_buf_init(&body, REBUILT_MAX);
    (void)pg_buf_printf(
        &body,
        "{\"apiVersion\":\"0.0.2\",\"kind\":\"hashedrekord\",\"spec\":{\"hashedRekordV002\":{"
        "\"data\":{\"algorithm\":\"SHA2_%s\",\"digest\":\"" SL_FMT
        "\"},\"signature\":{\"content\":\"" SL_FMT
        "\",\"verifier\":{\"keyDetails\":\"%s\",\"%s\":{\"rawBytes\":\"" SL_FMT "\"}}}}}}",
        key_digest_name(s->how.digest) + strlen("sha"),
        SL_ARG(b64_encode(signed_digest(s, value), arena)), SL_ARG(b64_encode(s->signature, arena)),
        details, by_cert ? "x509Certificate" : "publicKey",
        SL_ARG(b64_encode(by_cert ? s->cert : s->key->spki, arena)));
    same = !body.over && sl_eq(pg_buf_sl(&body), e->body);
    pg_buf_free(&body);
    if (!same)
        return refuse(no, LOG,
                      "the log's entry is about something else than this signature of this "
                      "content by this %s",
                      by_cert ? "certificate" : "key");
    return 0;
}

int tlog_body_bind(const struct tlog_entry *e, const struct tlog_subject *s, struct pg_arena *arena,
                   bool *is_tiles_r, struct verify_refusal *no)
{
    struct pg_err err = {0};
    _json_ json_t *body = NULL;
    struct sl kind, version;

    *is_tiles_r = false;
    if (pg_json_parse(e->body, PG_E_DENIED, &body, &err) < 0) {
        (void)refuse(no, LOG, "the log's entry is not valid: %s", err.msg);
        pg_err_clear(&err);
        return -1;
    }
    if (field_text(body, "kind", &kind) <= 0 || field_text(body, "apiVersion", &version) <= 0)
        return refuse(no, LOG, "the log's entry does not say of what kind it is");
    if (e->kind.p != NULL && (!sl_eq(e->kind, kind) || !sl_eq(e->version, version)))
        return refuse(no, LOG, "the log's entry is of another kind than the bundle says");
    if (sl_eq(kind, SL("hashedrekord")) && sl_eq(version, SL("0.0.2"))) {
        *is_tiles_r = true;
        return bind_tiles(e, s, arena, no);
    }
    if (sl_eq(kind, SL("hashedrekord")) && sl_eq(version, SL("0.0.1")))
        return bind_hashedrekord(body, s, arena, no);
    if (sl_eq(kind, SL("dsse")) && sl_eq(version, SL("0.0.1")))
        return bind_dsse(body, s, arena, no);
    if (sl_eq(kind, SL("intoto")) && sl_eq(version, SL("0.0.2")))
        return bind_intoto(body, s, arena, no);
    if (sl_eq(kind, SL("intoto")) && sl_eq(version, SL("0.0.1")))
        return bind_old_intoto(body, s, arena, no);
    return refuse(no, UNSUPPORTED,
                  "a log's entry of kind \"" SL_FMT "\" " SL_FMT " is not supported",
                  SL_ARG(refuse_shown(kind)), SL_ARG(refuse_shown(version)));
}
