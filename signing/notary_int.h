/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notary - what an envelope of a Notation signature says, whether it is JWS or COSE, and the rules
 * that both share: which headers there have to be, which of them are critical, which go together.
 *
 * Ownership:  all slices point into the envelope's bytes or the arena.
 * Threads:    pure.
 */
#pragma once

#include "signing/key_int.h"
#include "signing/refuse_int.h"

#define NOTARY_CERTS_MAX 8
#define NOTARY_CERT_MAX  ((size_t)16 << 10)
#define NOTARY_CRIT_MAX  16
#define NOTARY_PAYLOAD   "application/vnd.cncf.notary.payload.v1+json"
#define NOTARY_STAMP     "io.cncf.notary.timestampSignature"

/* The protected headers that mean something here. */
enum notary_header {
    NOTARY_ALG,
    NOTARY_TYPE,
    NOTARY_CRIT,
    NOTARY_SCHEME,
    NOTARY_SIGNING_TIME,
    NOTARY_AUTHENTIC_TIME,
    NOTARY_EXPIRY,
    NOTARY_PLUGIN,
    NOTARY_PLUGIN_MIN,
    NOTARY_HEADERS,
};

/* How one kind of key signs: there is one way for each. */
struct notary_alg {
    const char *name; /* JOSE */
    int cose;
    enum key_kind kind;
    unsigned bits;
    enum key_digest digest;
    size_t nsignature;
};

struct notary_envelope {
    unsigned present, critical; /* bit 1 << NOTARY_...: it is there; crit names it */
    const struct notary_alg *alg;
    struct sl content_type, scheme;
    int64_t signing_time_s, authentic_time_s;
    int64_t expiry_s; /* INT64_MAX: none */
    struct sl payload;
    struct sl signed_bytes; /* what the signature is over */
    struct sl signature;    /* as transmitted */
    struct sl certs[NOTARY_CERTS_MAX];
    unsigned ncerts;
    struct sl stamp; /* a bare RFC 3161 token; {NULL, 0}: none */
};

const char *notary_header_name(enum notary_header h);
/* Of the names that both formats share; NOTARY_HEADERS: none of them. */
enum notary_header notary_header_of(struct sl name);
const struct notary_alg *notary_alg_of(struct sl name, int cose); /* by either; NULL: none */
/* The one for this key; NULL: such keys do not sign. */
const struct notary_alg *notary_alg_for(const struct key *k);

/* crit names it. */
PG_MUST_USE int notary_mark_critical(struct notary_envelope *e, struct sl name,
                                     struct verify_refusal *no);
PG_MUST_USE int notary_add_cert(struct notary_envelope *e, struct sl der,
                                struct verify_refusal *no);
/* All of it, once it is filled in. */
PG_MUST_USE int notary_check(const struct notary_envelope *e, struct verify_refusal *no);

static inline bool notary_is_by_authority(const struct notary_envelope *e)
{
    return (e->present & 1U << NOTARY_AUTHENTIC_TIME) != 0;
}
