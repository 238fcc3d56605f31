/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head - the head of a request, from raw bytes to what it says, or why it is refused.
 *
 * Two readers look at it. Ours is strict and reads lines: CRLF or nothing, one space where one is
 * allowed, names that are tokens, at most one way to say how long the body is. llhttp, with every
 * lenient flag off, gives the second opinion on the same bytes: a head on which the two differ is
 * refused, since somewhere behind or before us is a third reader that agrees with one of them.
 *
 * Bytes may come in pieces, always from the head's first byte on and always at the same address.
 * What is wrong is refused when it is seen, not when the head is complete.
 *
 * Lifetime:   slices point into the bytes.
 * Failure:    BAD_FRAMING (400), UNSUPPORTED (405: method), URI_TOO_LONG, BAD_EXPECT,
 *             HEADERS_TOO_LARGE, BAD_VERSION. The connection must close after any of them.
 * Threads:    pure; any.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

#define HEAD_TARGET_MAX 8192
#define HEAD_HOST_MAX   259 /* 253 and a port */

struct conn_header;

enum head_body { HEAD_BODY_NONE, HEAD_BODY_LENGTH, HEAD_BODY_CHUNKED };

struct head {
    struct sl method, target, host; /* target: origin-form */
    struct conn_header *headers;
    size_t nheaders;
    size_t length; /* of the head with its empty line; known when it is complete */
    enum head_body body;
    uint64_t body_length;
    bool is_head; /* the method: known as soon as the first line is */
    bool closes;  /* the client says so, or HTTP/1.0 without keep-alive */
    bool keeps;   /* the client says so: an answer to HTTP/1.0 must confirm it */
    bool expects; /* 100-continue, and has a body */
    /* under way */
    size_t line, seen; /* where the line begins; how far bytes were looked at */
    unsigned minor, nhosts, nlengths, ncodings, nexpects;
};

/* headers: room for CONN_HEADERS_MAX. */
void head_begin(struct head *h, struct conn_header *headers);

/* bytes: all so far. 1 complete, 0 more are needed, -1 refused. */
PG_MUST_USE int head_feed(struct head *h, struct sl bytes, struct pg_err *err);
