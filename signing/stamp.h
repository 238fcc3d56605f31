/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stamp - a question about an RFC 3161 timestamp, and its answer. The containers that such tokens
 * come in are parsed by another program (pullgate-tsa), never by the process that verifies; whoever
 * calls verify brings the function that asks it and waits.
 *
 * Ownership:  all slices of a question belong to the caller and live as long as the call.
 * Failure:    ask() returns -1 with DENIED when the token is not what it should be, and with
 *             INTERNAL or TIMEOUT when nobody could look: both refuse the evidence.
 * Threads:    ask() is called by the thread that verifies, which may wait.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

#define STAMP_TOKEN_MAX       ((size_t)64 << 10)
#define STAMP_AUTHORITIES_MAX 32
#define STAMP_CERTS_MAX       8

/* One trusted timestamp authority: DER certificates, the authority's own first (where it is known),
 * then intermediates, the root last. */
struct stamp_authority {
    struct sl certs[STAMP_CERTS_MAX];
    unsigned ncerts;
    int64_t from_s, until_s; /* both inclusive, Unix time; until_s INT64_MAX: open */
};

struct stamp_question {
    struct sl token;
    bool is_response; /* a TimeStampResp (Sigstore); else a bare TimeStampToken (Notation) */
    struct sl data;   /* what was timestamped */
    const struct stamp_authority *authorities;
    unsigned nauthorities;
};

struct stamp_answer {
    int64_t time_s;      /* genTime */
    int64_t accuracy_ms; /* 0: not said */
    unsigned authority;  /* its place in the question */
};

struct stamp {
    int (*ask)(void *context, const struct stamp_question *q, struct stamp_answer *a_r,
               struct pg_err *err);
    void *context;
};
