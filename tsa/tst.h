/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tst - an RFC 3161 timestamp: whether it is what it should be, over these bytes, and of one of
 * these authorities.
 *
 * What is demanded: strict DER; of a response, that it was granted; one signer; TSTInfo version 1;
 * an imprint with SHA-256, SHA-384 or SHA-512 of the data; no critical extension that is not known;
 * the signer named by ESSCertID; its certificate for timestamps alone, critically, and not that of
 * a CA; a chain from it to the authority's last certificate that is valid at the token's own time;
 * where the authority lists its own certificate, that very one; and a time within the authority's,
 * both ends included. Certificates in the token help to build the chain and are trusted for
 * nothing.
 *
 * Failure:    DENIED with a sentence that says what is wrong with the token.
 * Threads:    any; OpenSSL's error queue is empty afterwards.
 */
#pragma once

#include "base/err.h"
#include "signing/stamp_wire.h"

PG_MUST_USE int tst_check(const struct stamp_wire *w, struct stamp_answer *a_r, struct pg_err *err);
