/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust_notation - Notation's part of a trust: stores of certificates, revocation lists, and the
 * statements of a trust policy, one of which is about a repository or none is.
 *
 * Ownership:  the trust's, and in its arena but for the lists.
 * Threads:    made with the trust; any, afterwards.
 */
#pragma once

#include "signing/dn_int.h"
#include "signing/trust_int.h"

#define TRUST_STORES_MAX      64
#define TRUST_STORE_CERTS_MAX 256
#define TRUST_CRLS_MAX        64
#define TRUST_STATEMENTS_MAX  256
#define TRUST_SCOPES_MAX      1024
#define TRUST_IDENTITIES_MAX  64

enum trust_store_type { TRUST_STORE_CA, TRUST_STORE_AUTHORITY, TRUST_STORE_TSA };

struct trust_store {
    enum trust_store_type type;
    struct sl name;
    struct sl *certs; /* DER; TRUST_STORE_CERTS_MAX of them */
    unsigned ncerts;
};

struct trust_crl {
    X509_CRL *crl;
    struct trust_window window; /* thisUpdate to nextUpdate */
};

/* What becomes of a check that fails. */
enum trust_action { TRUST_ENFORCE, TRUST_LOG, TRUST_SKIP };

struct trust_statement {
    struct sl name;
    struct sl level;
    struct sl *scopes; /* "*" alone: for all that no other is about */
    unsigned nscopes;
    enum trust_action authenticity, authentic_timestamp, expiry, revocation;
    bool stamp_after_expiry; /* a timestamp counts only when a certificate has expired */
    unsigned *stores;        /* their places */
    unsigned nstores;
    struct dn *identities;
    unsigned nidentities; /* 0: "*", anybody whom the stores vouch for */
};

struct trust_notation {
    struct trust_store stores[TRUST_STORES_MAX];
    unsigned nstores;
    struct trust_crl crls[TRUST_CRLS_MAX];
    unsigned ncrls;
    struct trust_statement *statements;
    unsigned nstatements; /* 0: no policy was set */
};

PG_MUST_USE int trust_notation_add_store(struct trust *t, struct sl type, struct sl name,
                                         const char *file, struct sl bytes, struct pg_err *err);
PG_MUST_USE int trust_notation_add_crl(struct trust *t, const char *file, struct sl bytes,
                                       struct pg_err *err);
PG_MUST_USE int trust_notation_set(struct trust *t, const char *file, struct sl json,
                                   struct pg_err *err);
void trust_notation_free(struct trust_notation *n); /* NULL is allowed */

/* "ca:NAME", "signingAuthority:NAME", "tsa:NAME"; NULL: there is none, or not of that form. */
const struct trust_store *trust_notation_store(const struct trust_notation *n, struct sl named);
/* The one about this repository, whole, else the one about "*"; NULL: none. */
const struct trust_statement *trust_notation_about(const struct trust *t, struct sl repository);
