/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust - what signatures are checked against: public keys, Sigstore trusted roots, Notation's
 * trust stores and trust policy. Put together from the bytes of files, then never changed.
 *
 *     trust_new -> trust_add_key, trust_add_root, trust_add_store, trust_set_notation... -> (used)
 *
 * Ownership:  counted; trust_unref() by the last one frees it.
 * Failure:    DENIED with what is wrong, "FILE:LINE:COLUMN: ..." where there are lines. A trust to
 *             which something could not be added is thrown away by who makes it.
 * Threads:    made by one thread; any, when it is used.
 */
#pragma once

#include "base/err.h"
#include "base/hash.h"
#include "base/slice.h"

#define TRUST_KEYS_MAX  256
#define TRUST_FILE_MAX  ((size_t)1 << 20)
#define TRUST_ID_DIGITS 64

struct trust;

/* A time that something is valid for, both ends inclusive, as Unix time; INT64_MAX: open. */
struct trust_window {
    int64_t from_s, until_s;
};
#define TRUST_ALWAYS ((struct trust_window){0, INT64_MAX})

struct trust *trust_new(void);
struct trust *trust_ref(struct trust *t);
void trust_unref(struct trust *t); /* NULL is allowed */

/* A PEM public key (SubjectPublicKeyInfo), exactly one; or a PEM certificate's key. ECDSA on P-256,
 * P-384, P-521 by name, RSA of 2048 to 8192 bits, Ed25519. id_r: its name in facts, with a NUL.
 * Adding a key twice is adding it once, and with another window is refused: of two times for one
 * key nobody could say which counts. */
PG_MUST_USE int trust_add_key(struct trust *t, const char *file, struct sl pem,
                              struct trust_window window, char id_r[TRUST_ID_DIGITS + 1],
                              struct pg_err *err);

/* How this RSA key of the trust signs; a key does not say. Unless told, as verify_options do. Told
 * otherwise than before, or of a key that is no RSA's: refused. */
PG_MUST_USE int trust_pad_key(struct trust *t, const char id[TRUST_ID_DIGITS + 1], bool pss,
                              struct pg_err *err);

/* trusted_root.json, v0.1 or v0.2. Several files add up. */
PG_MUST_USE int trust_add_root(struct trust *t, const char *file, struct sl json,
                               struct pg_err *err);
bool trust_has_root(const struct trust *t);

/* One certificate file (PEM or DER) of Notation's trust store; type: "ca", "signingAuthority" or
 * "tsa"; name: the store's folder. */
PG_MUST_USE int trust_add_store(struct trust *t, struct sl type, struct sl name, const char *file,
                                struct sl bytes, struct pg_err *err);
/* A certificate revocation list, PEM or DER, for Notation's chains. */
PG_MUST_USE int trust_add_crl(struct trust *t, const char *file, struct sl bytes,
                              struct pg_err *err);
/* trustpolicy.oci.json; after the stores that it names. Without one, Notation proves nothing. */
PG_MUST_USE int trust_set_notation(struct trust *t, const char *file, struct sl json,
                                   struct pg_err *err);

/* A digest of all that was put in, in any order: what facts depend on. */
void trust_revision(const struct trust *t, uint8_t sha256_r[32]);

/* What is in one, for people: how much, and when the first of it ends that would be missed. Of a
 * trusted root that is the last CA, log or timestamp authority of its kind. */
struct trust_told {
    unsigned nkeys, nlogs, ncas, ntsas; /* of Sigstore */
    unsigned ncerts, ncrls;             /* of Notation's */
    int64_t ends_s;                     /* INT64_MAX: never */
};
void trust_told_of(const struct trust *t, struct trust_told *r);
