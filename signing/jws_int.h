/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jws - an envelope in JSON (RFC 7515, the flattened form) as Notation has it.
 *
 *     {"payload": B64URL, "protected": B64URL, "header": {"x5c": [...], ...}, "signature": B64URL}
 *
 * Ownership:  what is in *e_r is in the arena.
 * Threads:    pure.
 */
#pragma once

#include "signing/notary_int.h"

PG_MUST_USE int jws_read(struct sl bytes, struct pg_arena *arena, struct notary_envelope *e_r,
                         struct verify_refusal *no);
