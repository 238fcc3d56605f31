/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cert - certificates of a Sigstore CA: may this one sign, at these times, and by which CA?
 *
 * Ownership:  whoever parses one frees it with X509_free().
 * Threads:    pure; an X509 belongs to one thread, as OpenSSL fills it in while it is looked at.
 */
#pragma once

#include "signing/refuse_int.h"
#include "signing/trust_int.h"

/* When it signed, as far as that is proven; at least one. */
struct cert_times {
    const int64_t *at;
    size_t n;
};

/* The chain at every one of the times to one CA of the trust that is valid then;
 * helpers are what the evidence brings along, and only fill gaps. *issuer_r is the certificate
 * above the leaf, for X509_free(). */
PG_MUST_USE int cert_chain(const struct trust *t, X509 *leaf, STACK_OF(X509) * helpers,
                           struct cert_times times, X509 **issuer_r, struct verify_refusal *no);
