/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notation - a signature of the Notary Project, in JWS or COSE: is it about this image, by a
 * certificate that the trust policy's statement for this repository trusts, in its time?
 *
 * A statement whose level does not enforce authenticity (audit, skip) proves nothing about who
 * signed: the signature is refused, whatever else is right with it.
 *
 * Ownership, failure, threads: as verify_evidence(), which has set the fact's format and
 * not_after_s.
 */
#pragma once

#include "signing/refuse_int.h"
#include "signing/trust_int.h"

PG_MUST_USE int notation_verify(const struct verify_question *q, struct pg_arena *arena,
                                struct verify_fact *fact, struct verify_refusal *no);
