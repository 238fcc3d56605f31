/* SPDX-License-Identifier: Apache-2.0 */
/*
 * note - a checkpoint: how many entries a log has and the hash over all of them, in a text that the
 * log has signed (C2SP tlog-checkpoint, signed-note).
 *
 *     origin LF size LF base64 of the root hash LF [more lines LF] LF  - name base64 LF ...
 *
 * Signatures of others below it, such as witnesses', are passed over. One that says it is the
 * log's, and is not, refuses the whole.
 *
 * Threads:    pure.
 */
#pragma once

#include "signing/refuse_int.h"
#include "signing/trust_int.h"

#define NOTE_MAX            ((size_t)64 << 10)
#define NOTE_SIGNATURES_MAX 64

struct note {
    int64_t size;
    uint8_t root[32];
};

/* is_tiles: of Rekor v2, whose origin is the log's host; else the origin is its host, or what the
 * log calls itself, with the tree's number. */
PG_MUST_USE int note_verify(struct sl text, const struct trust_log *log, bool is_tiles,
                            struct note *n_r, struct verify_refusal *no);
