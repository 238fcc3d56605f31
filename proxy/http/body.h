/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body - the body of a request, on its way to being thrown away. It is read only to know where it
 * ends and whether it is what it says it is: a body that is read wrongly is a request smuggled.
 *
 * Chunks are read strictly: sizes of 1 to 8 hexadecimal digits, CRLF and nothing else at the end
 * of a line and of the data, at most one extension to a chunk, ;name or ;name=value of tokens, and
 * at most BODY_EXTENSIONS_MAX bytes of them in all, no trailers.
 *
 * Failure:    BAD_FRAMING; the connection must close.
 * Threads:    pure; any.
 */
#pragma once

#include "proxy/http/head.h"

#define BODY_EXTENSIONS_MAX 1024

struct body {
    enum head_body kind;
    unsigned state; /* of the chunk reader */
    unsigned digits, extensions;
    uint64_t left;  /* of the body, or of the chunk */
    uint64_t total; /* bytes taken, the framing of chunks included */
};

struct body body_begin(const struct head *h);

/* Takes what belongs to the body off bytes: *used_r of them. 1 it is complete, 0 more is to come,
 * -1 refused. */
PG_MUST_USE int body_skip(struct body *b, struct sl bytes, size_t *used_r, struct pg_err *err);
