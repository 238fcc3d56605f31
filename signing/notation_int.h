/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notation - a signature of the Notary Project, in JWS or COSE: is it about this image, by a
 * certificate that the trust policy's statement for this repository trusts, in its time?
 *
 * A statement whose level does not enforce authenticity (audit, skip) proves nothing about who
 * signed: the signature is refused, whatever else is right with it.
 *
 * Ownership, failure, threads: as verify_evidence(); annotations of the fact are the caller's to
 * json_decref().
 */
#pragma once

#include "signing/refuse_int.h"
#include "signing/trust_int.h"

PG_MUST_USE int notation_verify(const struct verify_subject *s, const struct verify_evidence *e,
                                const struct trust *t, const struct verify_options *o,
                                struct pg_arena *arena, struct verify_fact *fact_r,
                                struct verify_refusal *no);
