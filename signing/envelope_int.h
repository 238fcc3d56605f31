/* SPDX-License-Identifier: Apache-2.0 */
/*
 * envelope - DSSE: a payload, its type and one signature over both.
 *
 * Ownership:  what is decoded is in the arena.
 * Threads:    pure.
 */
#pragma once

#include <jansson.h>

#include "signing/refuse_int.h"

struct envelope {
    struct sl payload;   /* decoded; an in-toto statement, by its type */
    struct sl signature; /* decoded */
    struct sl encoded;   /* what is signed: type and payload (PAE) */
};

#define ENVELOPE_IN_TOTO "application/vnd.in-toto+json"

/* Of a JSON object: that payloadType, exactly one signature. */
PG_MUST_USE int envelope_read(const json_t *object, struct sl type, struct pg_arena *arena,
                              struct envelope *e_r, struct verify_refusal *no);
