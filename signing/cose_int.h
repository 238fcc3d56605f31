/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cose - an envelope in CBOR (RFC 9052, COSE_Sign1 with its tag) as Notation has it.
 *
 *     18([h'protected headers', {33: certificates, ...}, h'payload', h'signature'])
 *
 * Ownership:  what is in *e_r points into the bytes or the arena.
 * Threads:    pure.
 */
#pragma once

#include "signing/notary_int.h"

PG_MUST_USE int cose_read(struct sl bytes, struct pg_arena *arena, struct notary_envelope *e_r,
                          struct verify_refusal *no);
