/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head - the head of an upstream's response, line by line as libcurl hands it over, and no more of
 * it than is used. Strict where two readers could differ: two lengths, a length beside a transfer
 * coding, two Content-Range or Location, folded lines, control bytes, a status that is none.
 *
 * Ownership:  head_init() / head_free(); texts live until then.
 * Failure:    UPSTREAM_WRONG.
 * Threads:    pure; any.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

#define HEAD_BYTES_MAX      ((size_t)64 * 1024) /* 1xx responses before it included */
#define HEAD_LINES_MAX      256
#define HEAD_CHALLENGES_MAX 8
#define HEAD_RATE_MAX       256 /* of a header that says how much may be asked; longer: none */

struct head {
    int status;
    bool over, has_length, chunked;
    uint64_t length;
    struct sl content_type, location, digest, link, content_range;
    struct sl rate_limit, rate_left, rate_reset, rate_source; /* see budget.h */
    struct sl challenges[HEAD_CHALLENGES_MAX];
    unsigned nchallenges;
    size_t nbytes, nlines;
    struct pg_arena arena;
};

void head_init(struct head *h);
void head_free(struct head *h);

/* One line with its line end. 1: this was the last one of a final response; 0: more to come, or it
 * was a trailer; -1. */
PG_MUST_USE int head_line(struct head *h, struct sl line, struct pg_err *err);
