/* SPDX-License-Identifier: Apache-2.0 */
/*
 * b64 - base64 as RFC 4648 has it and nothing else: no blanks or line ends, padding where the
 * alphabet wants it and none where it does not, and the bits that are left over are zero. So that
 * two different texts never mean the same bytes.
 *
 * Ownership:  what is decoded or encoded belongs to the arena.
 * Threads:    pure.
 */
#pragma once

#include "base/arena.h"
#include "base/check.h"

enum b64_form {
    B64_STANDARD, /* + and /, padded: JSON of protobuf, cosign's annotations */
    B64_URL,      /* - and _, not padded: JOSE */
};

PG_MUST_USE bool b64_decode(enum b64_form form, struct sl text, struct pg_arena *arena,
                            struct sl *bytes_r);
/* Standard, and exactly n bytes, into out. */
PG_MUST_USE bool b64_decode_exactly(struct sl text, void *out, size_t n);
/* Standard. */
struct sl b64_encode(struct sl bytes, struct pg_arena *arena);
