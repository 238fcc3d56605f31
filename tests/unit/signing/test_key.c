/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of the kinds that are supported, made here; and what they did and did not sign. */
#include "harness/test.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "signing/key_int.h"

#define MESSAGE SL("what was signed")

/* DER of the public half; the caller frees it with OPENSSL_free(). */
static struct sl spki_of(EVP_PKEY *pkey)
{
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(pkey, &der);

    assert_true(n > 0);
    return (struct sl){(const char *)der, (size_t)n};
}

static struct key *key_of(EVP_PKEY *pkey)
{
    struct sl der = spki_of(pkey);
    struct pg_err err = {0};
    struct key *k = NULL;

    if (key_from_spki(der, &k, &err) < 0)
        fail_msg("%s", err.msg);
    assert_true(sl_eq(k->spki, der));
    OPENSSL_free((void *)(uintptr_t)der.p);
    return k;
}

static void is_refused(EVP_PKEY *pkey)
{
    struct sl der = spki_of(pkey);
    struct pg_err err = {0};
    struct key *k;

    assert_int_equal(key_from_spki(der, &k, &err), -1);
    assert_int_equal(err.kind, PG_E_DENIED);
    pg_err_clear(&err);
    OPENSSL_free((void *)(uintptr_t)der.p);
    EVP_PKEY_free(pkey);
}

static struct sl sign(EVP_PKEY *pkey, const EVP_MD *md, bool pss, struct sl bytes)
{
    static unsigned char out[2048];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *how;
    size_t n = sizeof(out);

    assert_int_equal(EVP_DigestSignInit(ctx, &how, md, NULL, pkey), 1);
    if (pss) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST), 1);
    }
    assert_int_equal(EVP_DigestSign(ctx, out, &n, (const unsigned char *)bytes.p, bytes.n), 1);
    EVP_MD_CTX_free(ctx);
    return (struct sl){(const char *)out, n};
}

static enum key_verdict verdict(const struct key *k, bool pss, struct sl bytes, struct sl signature,
                                struct key_how *how_r)
{
    struct key_message m = key_message_of(bytes);

    return key_verify(k, pss, &m, signature, how_r);
}

static void curve(const char *name, const EVP_MD *own, enum key_digest digest)
{
    EVP_PKEY *pkey = EVP_EC_gen(name);
    struct key *k = key_of(pkey);
    struct key_how how;
    char longer[256];
    struct sl s = sign(pkey, own, false, MESSAGE);

    assert_int_equal(verdict(k, false, MESSAGE, s, &how), KEY_GOOD);
    assert_int_equal(how.digest, digest);
    assert_int_equal(verdict(k, true, MESSAGE, s, &how), KEY_GOOD); /* PSS is for RSA */
    assert_false(how.pss);
    assert_int_equal(verdict(k, false, SL("another"), s, &how), KEY_BAD);
    assert_int_equal(verdict(k, false, MESSAGE, (struct sl){s.p, s.n - 1}, &how), KEY_BAD);
    assert_int_equal(verdict(k, false, MESSAGE, (struct sl){s.p, 0}, &how), KEY_BAD);
    memcpy(longer, s.p, s.n);
    longer[s.n] = 0;
    assert_int_equal(verdict(k, false, MESSAGE, (struct sl){longer, s.n + 1}, &how), KEY_BAD);
    s = sign(pkey, EVP_sha256(), false, MESSAGE); /* old clients, whatever the curve */
    assert_int_equal(verdict(k, false, MESSAGE, s, &how), KEY_GOOD);
    assert_int_equal(how.digest, KEY_SHA256);
    key_free(k);
    EVP_PKEY_free(pkey);
}

TEST(curves_sign_with_their_digest_or_sha256)
{
    curve("P-256", EVP_sha256(), KEY_SHA256);
    curve("P-384", EVP_sha384(), KEY_SHA384);
    curve("P-521", EVP_sha512(), KEY_SHA512);
}

/* With many keys that is what keeps a large statement from costing seconds. */
TEST(a_message_is_hashed_once_however_many_keys_are_tried)
{
    EVP_PKEY *a = EVP_EC_gen("P-384"), *b = EVP_EC_gen("P-384");
    struct key *first = key_of(a), *second = key_of(b);
    struct key_message m = key_message_of(MESSAGE);
    struct sl s = sign(b, EVP_sha384(), false, MESSAGE);
    struct key_how how;

    assert_int_equal(key_verify(first, false, &m, s, &how), KEY_BAD);
    m.bytes = SL("whoever looks at these bytes again finds others");
    assert_int_equal(key_verify(second, false, &m, s, &how), KEY_GOOD);
    key_free(first);
    key_free(second);
    EVP_PKEY_free(a);
    EVP_PKEY_free(b);
}

TEST(a_digest_alone_is_enough_for_sha256)
{
    EVP_PKEY *p256 = EVP_EC_gen("P-256"), *p384 = EVP_EC_gen("P-384");
    EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    struct key *k256 = key_of(p256), *k384 = key_of(p384), *ked = key_of(ed);
    struct key_message m = key_message_of(MESSAGE);
    struct key_how how;

    m.bytes = (struct sl){NULL, 0};
    assert_int_equal(key_verify(k256, false, &m, sign(p256, EVP_sha256(), false, MESSAGE), &how),
                     KEY_GOOD);
    assert_int_equal(key_verify(k384, false, &m, sign(p384, EVP_sha256(), false, MESSAGE), &how),
                     KEY_GOOD);
    assert_int_equal(key_verify(k384, false, &m, sign(p384, EVP_sha384(), false, MESSAGE), &how),
                     KEY_NEEDS_BYTES);
    assert_int_equal(key_verify(ked, false, &m, sign(ed, NULL, false, MESSAGE), &how),
                     KEY_NEEDS_BYTES);
    key_free(k256);
    key_free(k384);
    key_free(ked);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(ed);
}

TEST(rsa_pads_as_it_was_told)
{
    EVP_PKEY *pkey = EVP_RSA_gen(2048);
    struct key *k = key_of(pkey);
    struct key_how how;
    struct sl s = sign(pkey, EVP_sha256(), false, MESSAGE);

    assert_int_equal(verdict(k, false, MESSAGE, s, &how), KEY_GOOD);
    assert_false(how.pss);
    assert_int_equal(verdict(k, true, MESSAGE, s, &how), KEY_BAD);
    assert_int_equal(verdict(k, false, SL("another"), s, &how), KEY_BAD);
    s = sign(pkey, EVP_sha256(), true, MESSAGE);
    assert_int_equal(verdict(k, true, MESSAGE, s, &how), KEY_GOOD);
    assert_true(how.pss);
    assert_int_equal(verdict(k, false, MESSAGE, s, &how), KEY_BAD);
    s = sign(pkey, EVP_sha384(), true, MESSAGE);
    assert_true(key_verify_as(k, KEY_SHA384, true, MESSAGE, s));
    assert_false(key_verify_as(k, KEY_SHA256, true, MESSAGE, s));
    assert_false(key_verify_as(k, KEY_SHA384, false, MESSAGE, s));
    key_free(k);
    EVP_PKEY_free(pkey);
}

/* What this OpenSSL can do is what it says it can: 3.0 has no Ed25519ph, 3.2 has. */
TEST(ed25519_is_pure_and_what_cannot_be_checked_is_said)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    struct key *k = key_of(pkey);
    struct key_how how;
    struct sl s = sign(pkey, NULL, false, MESSAGE);
    bool has_ph = OpenSSL_version_num() >= 0x30200000L;

    assert_int_equal(verdict(k, false, MESSAGE, s, &how), KEY_GOOD);
    assert_int_equal(how.digest, KEY_NO_DIGEST);
    assert_int_equal(verdict(k, false, SL("another"), s, &how), has_ph ? KEY_BAD : KEY_UNSUPPORTED);
    assert_false(key_verify_as(k, KEY_SHA512, false, MESSAGE, s));
    key_free(k);
    EVP_PKEY_free(pkey);
}

static EVP_PKEY *ec_with(const char *option, const char *value)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    char group[] = "P-256", how[32];
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("group", group, 0),
                           OSSL_PARAM_construct_utf8_string(option, how, 0),
                           OSSL_PARAM_construct_end()};
    EVP_PKEY *pkey = NULL;

    (void)snprintf(how, sizeof(how), "%s", value);
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_params(ctx, params), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &pkey), 1);
    assert_int_equal(EVP_PKEY_set_utf8_string_param(pkey, option, how), 1);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

static EVP_PKEY *rsa_with(unsigned bits, unsigned e)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    BIGNUM *exponent = BN_new();
    EVP_PKEY *pkey = NULL;

    BN_set_word(exponent, e);
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits), 1);
    assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, exponent), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &pkey), 1);
    BN_free(exponent);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

TEST(other_kinds_and_forms_are_refused)
{
    is_refused(EVP_EC_gen("P-224"));
    is_refused(EVP_EC_gen("secp256k1"));
    is_refused(ec_with(OSSL_PKEY_PARAM_EC_ENCODING, "explicit"));
    is_refused(ec_with(OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed"));
    is_refused(rsa_with(1024, 65537));
    is_refused(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"));
    is_refused(EVP_PKEY_Q_keygen(NULL, NULL, "ED448"));
}

/* One key, one text of it, so that one key has one id. */
TEST(a_key_is_written_in_one_way)
{
    EVP_PKEY *curve = EVP_EC_gen("P-256"), *rsa = EVP_RSA_gen(2048);
    struct sl der = spki_of(curve), rsa_der = spki_of(rsa);
    char bytes[1024], *point = (char *)(uintptr_t)der.p + der.n - 65;
    struct pg_err err = {0};
    struct key *k;

    assert_int_equal(*point, 4);
    *point = (char)(6 | (der.p[der.n - 1] & 1)); /* OpenSSL takes it */
    assert_int_equal(key_from_spki(der, &k, &err), -1);
    /* a byte in the bit string, behind the RSAPublicKey: all lengths around it grow */
    memcpy(bytes, rsa_der.p, rsa_der.n);
    bytes[rsa_der.n] = 0;
    bytes[3]++;
    bytes[22]++;
    assert_int_equal(key_from_spki((struct sl){bytes, rsa_der.n + 1}, &k, &err), -1);
    pg_err_clear(&err);
    OPENSSL_free((void *)(uintptr_t)der.p);
    OPENSSL_free((void *)(uintptr_t)rsa_der.p);
    EVP_PKEY_free(curve);
    EVP_PKEY_free(rsa);
}

TEST(der_has_nothing_behind_it)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    struct sl der = spki_of(pkey);
    struct pg_err err = {0};
    struct key *k;
    char longer[256];

    memcpy(longer, der.p, der.n);
    longer[der.n] = 0;
    assert_int_equal(key_from_spki((struct sl){longer, der.n + 1}, &k, &err), -1);
    assert_int_equal(key_from_spki((struct sl){longer, der.n - 1}, &k, &err), -1);
    longer[der.n - 1] ^= 1; /* not a point of the curve */
    assert_int_equal(key_from_spki((struct sl){longer, der.n}, &k, &err), -1);
    assert_int_equal(key_from_pkcs1(der, &k, &err), -1);
    pg_err_clear(&err);
    OPENSSL_free((void *)(uintptr_t)der.p);
    EVP_PKEY_free(pkey);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(curves_sign_with_their_digest_or_sha256),
        RUN(a_message_is_hashed_once_however_many_keys_are_tried),
        RUN(a_digest_alone_is_enough_for_sha256),
        RUN(rsa_pads_as_it_was_told),
        RUN(ed25519_is_pure_and_what_cannot_be_checked_is_said),
        RUN(other_kinds_and_forms_are_refused),
        RUN(a_key_is_written_in_one_way),
        RUN(der_has_nothing_behind_it),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
