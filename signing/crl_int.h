/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crl - does one of the revocation lists that were loaded say that a certificate of a chain was
 * revoked, and is there one for each that says where it would be?
 *
 * Nothing is fetched: where a certificate names an OCSP responder or a list, the signer chose what
 * would be asked.
 *
 * Threads:    pure.
 */
#pragma once

#include "signing/trust_notation_int.h"
#include "signing/x5c_int.h"

/* Refused is what is known to be revoked; and when it has to be known, also what might be. *until_r
 * is until when that is known: INT64_MAX, or the end of a list. */
PG_MUST_USE int crl_check(const struct trust_notation *n, const struct x5c *c, bool has_to_know,
                          int64_t now_s, int64_t *until_r, struct verify_refusal *no);
