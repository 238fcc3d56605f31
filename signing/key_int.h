/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key - one public key of a kind that is supported, and whether it made a signature.
 *
 * ECDSA on P-256, P-384 and P-521 by name, RSA of 2048 to 8192 bits, Ed25519; SubjectPublicKeyInfo
 * in DER in the one form that there is for each: no explicit parameters, no compressed points, no
 * trailing bytes.
 *
 * Ownership:  whoever makes one ends it with key_free().
 * Failure:    DENIED with what is wrong with it.
 * Threads:    immutable; any.
 */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "signing/trust.h"

enum key_kind { KEY_P256, KEY_P384, KEY_P521, KEY_RSA, KEY_ED25519 };
enum key_digest { KEY_NO_DIGEST, KEY_SHA256, KEY_SHA384, KEY_SHA512 };

struct key {
    EVP_PKEY *pkey;
    enum key_kind kind;
    unsigned bits;
    struct sl spki;               /* DER; the key's own */
    uint8_t sha256[32];           /* of spki */
    char id[TRUST_ID_DIGITS + 1]; /* the same, in hexadecimal */
};

PG_MUST_USE int key_from_spki(struct sl der, struct key **key_r, struct pg_err *err);
PG_MUST_USE int key_from_cert(X509 *cert, struct key **key_r, struct pg_err *err);
/* RFC 8017's RSAPublicKey, as one old certificate log has it. */
PG_MUST_USE int key_from_pkcs1(struct sl der, struct key **key_r, struct pg_err *err);
/* Exactly one block, "PUBLIC KEY" or "CERTIFICATE"; *text is left where something is wrong. */
PG_MUST_USE int key_from_pem(struct sl *text, struct key **key_r, struct pg_err *err);
void key_free(struct key *k); /* NULL is allowed */

/* How a signature was made, as far as the key alone cannot say. */
struct key_how {
    enum key_kind kind;
    enum key_digest digest; /* KEY_NO_DIGEST: pure Ed25519 */
    bool pss;
    bool prehashed; /* Ed25519ph */
};

/* A digest that is made when it is first asked for. */
struct key_made {
    size_t n; /* 0: not yet */
    uint8_t value[PG_HASH_BYTES_MAX];
};

/* What is signed: the bytes, or where they are not at hand, their SHA-256. However many keys are
 * tried, it is hashed once for each digest. */
struct key_message {
    struct sl bytes; /* {NULL, 0}: not at hand */
    uint8_t sha256[32];
    struct key_made sha384, sha512;
};
struct key_message key_message_of(struct sl bytes);

enum key_verdict {
    KEY_GOOD,
    KEY_BAD,
    KEY_NEEDS_BYTES, /* by this key, it can only be checked with the bytes */
    KEY_UNSUPPORTED, /* not good, but it may be Ed25519ph, which this OpenSSL cannot do */
};

/* Tries what there is for this kind of key: the curve's digest, then SHA-256; PSS with the salt as
 * long as the digest or PKCS #1 v1.5; Ed25519, then Ed25519ph. *how_r is filled on KEY_GOOD. */
enum key_verdict key_verify(const struct key *k, bool pss, struct key_message *m,
                            struct sl signature, struct key_how *how_r);
/* With one digest, which Ed25519 has not; for what says itself how it is signed. */
bool key_verify_as(const struct key *k, enum key_digest digest, bool pss, struct sl bytes,
                   struct sl signature);

/* The digest of these bytes: how many bytes of out_r it is. */
size_t key_digest_of(enum key_digest digest, struct sl bytes, uint8_t out_r[PG_HASH_BYTES_MAX]);
const char *key_digest_name(enum key_digest digest); /* "sha256" */
