/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signer - whether a timestamp was signed by this authority: its signature, its signer's
 * certificate, and the chain from that to the authority's root, at a given time.
 *
 * Failure:    DENIED with what is wrong; how far it got says which of several authorities to speak
 *             of.
 * Threads:    any.
 */
#pragma once

#include <openssl/pkcs7.h>

#include "base/err.h"
#include "signing/stamp.h"

enum signer_got {
    SIGNER_STRANGER, /* no certificate of the signer, or none that leads to this authority */
    SIGNER_KNOWN,    /* it leads there, but may not sign this */
    SIGNER_GOOD,
};

enum signer_got signer_check(PKCS7 *p7, const struct stamp_authority *a, int64_t time_s,
                             struct pg_err *err);
