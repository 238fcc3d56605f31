/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packed - rows of ours as bytes: numbers with the least significant byte first, texts behind
 * their length. Written into a buf, read from a slice.
 *
 *     struct pg_packed in = {.rest = bytes};
 *     size = pg_packed_uint(&in, 8);
 *     name = pg_packed_text(&in, 2);
 *     if (in.bad || in.rest.n > 0) ...
 *
 * Failure:  put: what did not fit is seen by the buf's ->over. Read: what is not there reads as 0
 *           and "", sets ->bad, and nothing after it is read.
 * Threads:  pure. Inline, since rows of the index are read at each request.
 */
#pragma once

#include "base/buf.h"

static inline void pg_packed_put_uint(struct pg_buf *b, uint64_t value, unsigned nbytes)
{
    char le[8];

    for (unsigned i = 0; i < nbytes; i++)
        le[i] = (char)(value >> (8 * i));
    (void)pg_buf_put(b, (struct sl){le, nbytes});
}

/* Its length is written in so many bytes. */
static inline void pg_packed_put_text(struct pg_buf *b, struct sl s, unsigned nbytes)
{
    PG_CHECK(nbytes < 8 && s.n >> (8 * nbytes) == 0);
    pg_packed_put_uint(b, s.n, nbytes);
    if (s.n > 0)
        (void)pg_buf_put(b, s);
}

struct pg_packed {
    struct sl rest;
    bool bad;
};

static inline struct sl pg_packed_bytes(struct pg_packed *r, size_t n)
{
    struct sl s = {r->rest.p, n};

    if (r->bad || r->rest.n < n) {
        r->bad = true;
        return (struct sl){"", 0};
    }
    r->rest.p += n;
    r->rest.n -= n;
    return s;
}

static inline uint64_t pg_packed_uint(struct pg_packed *r, unsigned nbytes)
{
    struct sl s = pg_packed_bytes(r, nbytes);
    uint64_t value = 0;

    for (size_t i = s.n; i > 0; i--)
        value = value << 8 | (uint8_t)s.p[i - 1];
    return value;
}

static inline struct sl pg_packed_text(struct pg_packed *r, unsigned nbytes)
{
    return pg_packed_bytes(r, (size_t)pg_packed_uint(r, nbytes));
}
