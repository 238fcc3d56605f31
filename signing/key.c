/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/key_int.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "signing/der_int.h"
#include "signing/pem_int.h"

#define RSA_BITS_MIN      2048
#define RSA_BITS_MAX      8192
#define RSA_EXPONENT_BITS 33
#define ED25519_SIGNATURE 64
#define SPKI_MAX          ((size_t)4096)

/* The AlgorithmIdentifier of each kind, and for curves how long a point is, with the byte that says
 * how many bits are unused. */
static const struct {
    enum key_kind kind;
    unsigned bits;
    size_t nbits_string; /* 0: any */
    struct sl algorithm;
} kinds[] = {
    {KEY_P256, 256, 1 + 65,
     SL("\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07")},
    {KEY_P384, 384, 1 + 97, SL("\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22")},
    {KEY_P521, 521, 1 + 133,
     SL("\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23")},
    {KEY_RSA, 0, 0, SL("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00")},
    {KEY_ED25519, 256, 1 + 32, SL("\x06\x03\x2b\x65\x70")},
};
#define NKINDS (sizeof(kinds) / sizeof(kinds[0]))

static const char supported[] = "ECDSA on P-256, P-384 or P-521 (named, not compressed), RSA of "
                                "2048 to 8192 bits, or Ed25519 is supported";

/* Which of `kinds` it is; NKINDS: none. */
static size_t classify(struct sl spki)
{
    struct sl outer, algorithm, bits, body;
    size_t i = 0;

    if (!der_only(spki, DER_SEQUENCE, &outer) || !der_take(&outer, DER_SEQUENCE, &algorithm) ||
        !der_only(outer, DER_BIT_STRING, &bits) || bits.n < 2 || bits.p[0] != 0)
        return NKINDS;
    while (i < NKINDS && !sl_eq(kinds[i].algorithm, algorithm))
        i++;
    if (i == NKINDS)
        return NKINDS;
    body = (struct sl){bits.p + 1, bits.n - 1};
    if (kinds[i].kind == KEY_RSA) /* to the end, which OpenSSL does not ask for */
        return der_only(body, DER_SEQUENCE, &outer) ? i : NKINDS;
    if (kinds[i].nbits_string != bits.n)
        return NKINDS;
    /* A point with both halves: 6 and 7 are that, too, with a bit of the second said twice. */
    return kinds[i].kind == KEY_ED25519 || body.p[0] == 4 ? i : NKINDS;
}

static bool rsa_is_sane(const EVP_PKEY *pkey)
{
    BIGNUM *e = NULL;
    int bits = EVP_PKEY_get_bits(pkey);
    bool sane = bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX &&
                EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(e) &&
                !BN_is_one(e) && BN_num_bits(e) <= RSA_EXPONENT_BITS;

    BN_free(e);
    return sane;
}

static struct key *key_new(EVP_PKEY *pkey, size_t kind, struct sl spki)
{
    struct key *k = calloc(1, sizeof(*k));
    static const char hex[] = "0123456789abcdef";

    PG_CHECK(k != NULL);
    k->pkey = pkey;
    k->kind = kinds[kind].kind;
    k->bits = (unsigned)EVP_PKEY_get_bits(pkey);
    k->spki = (struct sl){sl_dup(spki), spki.n};
    pg_hash_once(PG_SHA256, spki, k->sha256);
    for (size_t i = 0; i < sizeof(k->sha256); i++) {
        k->id[2 * i] = hex[k->sha256[i] >> 4];
        k->id[2 * i + 1] = hex[k->sha256[i] & 15];
    }
    return k;
}

int key_from_spki(struct sl der, struct key **key_r, struct pg_err *err)
{
    const unsigned char *p = (const unsigned char *)der.p;
    size_t kind = der.n <= SPKI_MAX ? classify(der) : NKINDS;
    EVP_PKEY *pkey;

    ERR_clear_error();
    if (kind == NKINDS)
        return pg_fail(err, PG_E_DENIED, "not a public key that can be used: %s", supported);
    pkey = d2i_PUBKEY(NULL, &p, (long)der.n);
    if (pkey == NULL || p != (const unsigned char *)der.p + der.n ||
        (kinds[kind].kind == KEY_RSA && !rsa_is_sane(pkey))) {
        EVP_PKEY_free(pkey);
        ERR_clear_error();
        return pg_fail(err, PG_E_DENIED, "not a sound public key: %s", supported);
    }
    *key_r = key_new(pkey, kind, der);
    return 0;
}

int key_from_cert(X509 *cert, struct key **key_r, struct pg_err *err)
{
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    int status;

    if (n <= 0) {
        ERR_clear_error();
        return pg_fail(err, PG_E_DENIED, "the certificate has no public key that can be read");
    }
    status = key_from_spki((struct sl){(const char *)der, (size_t)n}, key_r, err);
    OPENSSL_free(der);
    return status;
}

int key_from_pkcs1(struct sl der, struct key **key_r, struct pg_err *err)
{
    const unsigned char *p = (const unsigned char *)der.p;
    struct sl body;
    EVP_PKEY *pkey = NULL;
    unsigned char *spki = NULL;
    int n, status;

    ERR_clear_error();
    if (der.n <= SPKI_MAX && der_only(der, DER_SEQUENCE, &body))
        pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)der.n);
    n = pkey != NULL && p == (const unsigned char *)der.p + der.n ? i2d_PUBKEY(pkey, &spki) : 0;
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    if (n <= 0)
        return pg_fail(err, PG_E_DENIED, "not an RSA public key (PKCS #1)");
    status = key_from_spki((struct sl){(const char *)spki, (size_t)n}, key_r, err);
    OPENSSL_free(spki);
    return status;
}

static int from_block(struct sl label, struct sl der, struct key **key_r, struct pg_err *err)
{
    const unsigned char *p = (const unsigned char *)der.p;
    X509 *cert;
    int status;

    if (sl_eq(label, PEM_PUBLIC_KEY))
        return key_from_spki(der, key_r, err);
    if (!sl_eq(label, PEM_CERTIFICATE))
        return pg_fail(err, PG_E_DENIED,
                       "\"" SL_FMT "\" is not a public key: \"PUBLIC KEY\" is expected",
                       SL_ARG(label));
    cert = d2i_X509(NULL, &p, (long)der.n);
    ERR_clear_error();
    if (cert == NULL || p != (const unsigned char *)der.p + der.n) {
        X509_free(cert);
        return pg_fail(err, PG_E_DENIED, "the certificate cannot be read");
    }
    status = key_from_cert(cert, key_r, err);
    X509_free(cert);
    return status;
}

int key_from_pem(struct sl *text, struct key **key_r, struct pg_err *err)
{
    struct sl label, der, more_label, more;
    struct pg_arena arena;
    struct sl rest = *text, behind;
    int status = -1, n;

    pg_arena_init(&arena, 4 * TRUST_FILE_MAX);
    n = pem_next(&rest, &arena, &label, &der, err);
    if (n == 0)
        (void)pg_fail(err, PG_E_DENIED, "there is no public key in it");
    behind = rest;
    if (n <= 0) {
        *text = rest;
    } else if (pem_next(&rest, &arena, &more_label, &more, err) == 0) {
        status = from_block(label, der, key_r, err);
    } else {
        *text = behind;
        (void)pg_fail(err, PG_E_DENIED, "there is something behind the key: one is expected");
    }
    pg_arena_free(&arena);
    return status;
}

void key_free(struct key *k)
{
    if (k == NULL)
        return;
    EVP_PKEY_free(k->pkey);
    free((char *)(uintptr_t)k->spki.p);
    free(k);
}

struct key_message key_message_of(struct sl bytes)
{
    struct key_message m = {.bytes = bytes};

    PG_CHECK(bytes.p != NULL);
    pg_hash_once(PG_SHA256, bytes, m.sha256);
    return m;
}

static const EVP_MD *md_of(enum key_digest digest)
{
    switch (digest) {
    case KEY_SHA256:
        return EVP_sha256();
    case KEY_SHA384:
        return EVP_sha384();
    case KEY_SHA512:
        return EVP_sha512();
    case KEY_NO_DIGEST:
        break;
    }
    PG_BUG("a digest that is none");
}

const char *key_digest_name(enum key_digest digest)
{
    static const char *const names[] = {[KEY_NO_DIGEST] = "none",
                                        [KEY_SHA256] = "sha256",
                                        [KEY_SHA384] = "sha384",
                                        [KEY_SHA512] = "sha512"};

    return names[digest];
}

size_t key_digest_of(enum key_digest digest, struct sl bytes, uint8_t out_r[PG_HASH_BYTES_MAX])
{
    unsigned n = 0;

    PG_CHECK(EVP_Digest(bytes.p, bytes.n, out_r, &n, md_of(digest), NULL) == 1);
    return n;
}

/* ECDSA and RSA, over a digest that was made already. */
static bool verify_digest(const struct key *k, enum key_digest digest, bool pss, struct sl value,
                          struct sl signature)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k->pkey, NULL);
    int padding = pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING;
    bool good;

    ERR_clear_error();
    PG_CHECK(ctx != NULL);
    good = EVP_PKEY_verify_init(ctx) == 1 && EVP_PKEY_CTX_set_signature_md(ctx, md_of(digest)) == 1;
    if (good && k->kind == KEY_RSA)
        good = EVP_PKEY_CTX_set_rsa_padding(ctx, padding) == 1 &&
               (!pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
    good = good && EVP_PKEY_verify(ctx, (const uint8_t *)signature.p, signature.n,
                                   (const uint8_t *)value.p, value.n) == 1;
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return good;
}

bool key_verify_as(const struct key *k, enum key_digest digest, bool pss, struct sl bytes,
                   struct sl signature)
{
    uint8_t value[PG_HASH_BYTES_MAX];
    size_t n;

    if (k->kind == KEY_ED25519 || (pss && k->kind != KEY_RSA))
        return false;
    n = key_digest_of(digest, bytes, value);
    return verify_digest(k, digest, pss, (struct sl){(const char *)value, n}, signature);
}

/* OpenSSL 3.0 takes "instance" and does pure Ed25519 all the same: it is asked whether it knows
 * the parameter, not whether it minds it. */
static bool has_ed25519ph(void)
{
    EVP_SIGNATURE *s = EVP_SIGNATURE_fetch(NULL, "ED25519", NULL);
    const OSSL_PARAM *known = s != NULL ? EVP_SIGNATURE_settable_ctx_params(s) : NULL;
    bool has = known != NULL && OSSL_PARAM_locate_const(known, "instance") != NULL;

    EVP_SIGNATURE_free(s);
    ERR_clear_error();
    return has;
}

static bool verify_ed25519(const struct key *k, bool prehashed, struct sl bytes,
                           struct sl signature)
{
    char instance[] = "Ed25519ph";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("instance", instance, 0),
                           OSSL_PARAM_construct_end()};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good;

    ERR_clear_error();
    PG_CHECK(ctx != NULL);
    good = EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, k->pkey,
                                   prehashed ? params : NULL) == 1 &&
           EVP_DigestVerify(ctx, (const uint8_t *)signature.p, signature.n,
                            (const uint8_t *)bytes.p, bytes.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good;
}

static enum key_verdict try_ed25519(const struct key *k, const struct key_message *m,
                                    struct sl signature, struct key_how *how_r)
{
    if (signature.n != ED25519_SIGNATURE)
        return KEY_BAD;
    if (m->bytes.p == NULL)
        return KEY_NEEDS_BYTES;
    *how_r = (struct key_how){.kind = KEY_ED25519, .digest = KEY_NO_DIGEST};
    if (verify_ed25519(k, false, m->bytes, signature))
        return KEY_GOOD;
    *how_r = (struct key_how){.kind = KEY_ED25519, .digest = KEY_SHA512, .prehashed = true};
    if (!has_ed25519ph())
        return KEY_UNSUPPORTED;
    return verify_ed25519(k, true, m->bytes, signature) ? KEY_GOOD : KEY_BAD;
}

static enum key_digest own_digest(const struct key *k)
{
    return k->kind == KEY_P384 ? KEY_SHA384 : k->kind == KEY_P521 ? KEY_SHA512 : KEY_SHA256;
}

static bool verify_made(const struct key *k, enum key_digest digest, bool pss,
                        struct key_message *m, struct sl signature)
{
    struct key_made *made = digest == KEY_SHA384 ? &m->sha384 : &m->sha512;

    PG_CHECK(digest == KEY_SHA384 || digest == KEY_SHA512);
    if (made->n == 0)
        made->n = key_digest_of(digest, m->bytes, made->value);
    return verify_digest(k, digest, pss, (struct sl){(const char *)made->value, made->n},
                         signature);
}

enum key_verdict key_verify(const struct key *k, bool pss, struct key_message *m,
                            struct sl signature, struct key_how *how_r)
{
    struct sl sha256 = {(const char *)m->sha256, sizeof(m->sha256)};
    enum key_digest own = own_digest(k);

    if (k->kind == KEY_ED25519)
        return try_ed25519(k, m, signature, how_r);
    pss = pss && k->kind == KEY_RSA;
    *how_r = (struct key_how){.kind = k->kind, .digest = own, .pss = pss};
    if (own != KEY_SHA256 && m->bytes.p != NULL && verify_made(k, own, pss, m, signature))
        return KEY_GOOD;
    how_r->digest = KEY_SHA256;
    if (verify_digest(k, KEY_SHA256, pss, sha256, signature))
        return KEY_GOOD;
    return own != KEY_SHA256 && m->bytes.p == NULL ? KEY_NEEDS_BYTES : KEY_BAD;
}
