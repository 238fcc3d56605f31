/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stamp_wire - a question about a timestamp, and its answer, as bytes between two processes: the
 * one that verifies and pullgate-tsa. A question is one run of bytes up to the end of the input,
 * an answer likewise; both begin with a word that names them and their version.
 *
 * What was timestamped does not travel, only its digests: a token names one of them. Neither side
 * believes the other: all is counted and bounded, and a byte too many is refused.
 *
 * Ownership:  slices that are read point into what was read.
 * Failure:    a question that does not fit, or is not one: INTERNAL. An answer that is a refusal:
 *             DENIED with its text; one that is no answer: INTERNAL.
 * Threads:    pure; any.
 */
#pragma once

#include "base/buf.h"
#include "signing/stamp.h"

#define STAMP_WIRE_MAX        ((size_t)1 << 20)
#define STAMP_WIRE_ANSWER_MAX ((size_t)1024)
#define STAMP_WIRE_TEXT_MAX   512

enum stamp_wire_hash { STAMP_WIRE_SHA256, STAMP_WIRE_SHA384, STAMP_WIRE_SHA512, STAMP_WIRE_HASHES };

/* A question as it arrives. */
struct stamp_wire {
    bool is_response;
    struct sl token;
    struct sl digests[STAMP_WIRE_HASHES];
    unsigned nauthorities;
    struct stamp_authority authorities[STAMP_AUTHORITIES_MAX];
};

/* out: of at least STAMP_WIRE_MAX, and empty. */
PG_MUST_USE int stamp_wire_put(const struct stamp_question *q, struct pg_buf *out,
                               struct pg_err *err);
PG_MUST_USE int stamp_wire_get(struct sl bytes, struct stamp_wire *w_r, struct pg_err *err);

/* out: of at least STAMP_WIRE_ANSWER_MAX, and empty. A refusal's text is cut and made printable. */
void stamp_wire_put_answer(const struct stamp_answer *a, struct pg_buf *out);
void stamp_wire_put_refusal(struct sl text, struct pg_buf *out);
/* nauthorities: of the question that it answers. */
PG_MUST_USE int stamp_wire_get_answer(struct sl bytes, unsigned nauthorities,
                                      struct stamp_answer *a_r, struct pg_err *err);
