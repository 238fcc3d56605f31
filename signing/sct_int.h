/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sct - the promises of certificate logs that are embedded in a certificate (RFC 6962).
 *
 * Where no certificate log is trusted they are not looked at. Otherwise all that are there must be
 * right; how many different logs have made one is counted.
 *
 * Threads:    pure.
 */
#pragma once

#include "signing/refuse_int.h"
#include "signing/trust_int.h"

#define SCT_MAX 16

PG_MUST_USE int sct_verify(const struct trust *t, X509 *leaf, X509 *issuer, unsigned *nlogs_r,
                           struct verify_refusal *no);
