/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x5c - the certificates that a Notation signature brings along: one chain, whole, from the leaf to
 * a root that signed itself, each for what it does there. Whether any of them is trusted is not
 * asked here, nor what time it is.
 *
 * Extensions other than basic constraints, usages and name constraints say nothing here, critical
 * or not, as Notation's specification has it.
 *
 * Ownership:  x5c_read() fills it, x5c_free() ends it, also after -1.
 * Threads:    pure; an X509 belongs to one thread, as OpenSSL fills it in while it is looked at.
 */
#pragma once

#include "signing/notary_int.h"

struct x5c {
    X509 *certs[NOTARY_CERTS_MAX];                               /* the leaf first */
    int64_t from_s[NOTARY_CERTS_MAX], until_s[NOTARY_CERTS_MAX]; /* both inclusive */
    unsigned n;
    struct key *leaf_key;
};

PG_MUST_USE int x5c_read(const struct notary_envelope *e, struct x5c *c, struct verify_refusal *no);
void x5c_free(struct x5c *c);

/* The names and signatures from one to the next, and every certificate's purpose. */
PG_MUST_USE int x5c_check(const struct x5c *c, struct verify_refusal *no);

/* The first that is not valid during all of it, both inclusive; c->n: all are. */
unsigned x5c_invalid_at(const struct x5c *c, int64_t from_s, int64_t until_s);

/* What may be in a trust store: a CA, or what signed itself. */
bool x5c_is_anchor(X509 *cert);
bool x5c_is_self_signed(X509 *cert);
bool x5c_is_ca(X509 *cert);
/* SHA-2, and no key that is not supported: of what a signature over DER was made with. */
bool x5c_is_sound(const X509_ALGOR *alg);
/* cut to what a sentence can hold; returns out */
#define X5C_NAME_SHOWN 200
const char *x5c_name(const X509 *cert, char out[X5C_NAME_SHOWN]);
