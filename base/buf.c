/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"

#define CAP_MIN ((size_t)64)

void pg_buf_init(struct pg_buf *b, size_t max)
{
    PG_CHECK(max < SIZE_MAX / 2);
    *b = (struct pg_buf){.max = max};
}

void pg_buf_free(struct pg_buf *b)
{
    free(b->p);
    pg_buf_init(b, b->max);
}

void pg_buf_clear(struct pg_buf *b)
{
    b->n = 0;
    b->over = false;
}

static int refuse(struct pg_buf *b)
{
    b->over = true;
    return -1;
}

/* Room for `more` bytes and the NUL that printf writes; the NUL does not count against max. */
static int reserve(struct pg_buf *b, size_t more)
{
    size_t cap = b->cap > CAP_MIN ? b->cap : CAP_MIN;

    PG_CHECK(b->n <= b->max);
    if (more > b->max - b->n)
        return refuse(b);
    if (b->p != NULL && b->n + more < b->cap)
        return 0;
    while (cap <= b->n + more)
        cap = cap > b->max / 2 ? b->max + 1 : cap * 2;
    b->p = realloc(b->p, cap);
    PG_CHECK(b->p != NULL);
    b->cap = cap;
    return 0;
}

int pg_buf_put(struct pg_buf *b, struct sl s)
{
    if (reserve(b, s.n) < 0)
        return -1;
    if (s.n > 0)
        memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
    return 0;
}

int pg_buf_printf(struct pg_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    size_t room;
    int n;

    if (reserve(b, 0) < 0)
        return -1;
    room = b->cap - b->n;
    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(b->p + b->n, room, fmt, ap);
    va_end(ap);
    PG_CHECK(n >= 0);
    if ((size_t)n >= room && reserve(b, (size_t)n) == 0) {
        room = b->cap - b->n;
        n = vsnprintf(b->p + b->n, room, fmt, again);
    }
    va_end(again);
    if ((size_t)n >= room || (size_t)n > b->max - b->n)
        return refuse(b);
    b->n += (size_t)n;
    return 0;
}

static int put_escaped(struct pg_buf *b, struct sl s)
{
    char out[PG_UTF8_ESCAPE_MAX];
    size_t taken, n;

    while (s.n > 0) {
        taken = pg_utf8_plain(s);
        if (taken > 0) {
            if (pg_buf_put(b, (struct sl){s.p, taken}) < 0)
                return -1;
        } else {
            taken = pg_utf8_escape(s, out, &n);
            if (pg_buf_put(b, (struct sl){out, n}) < 0)
                return -1;
        }
        s = (struct sl){s.p + taken, s.n - taken};
    }
    return 0;
}

int pg_buf_put_json(struct pg_buf *b, struct sl s)
{
    size_t before = b->n;

    if (pg_buf_put(b, SL("\"")) == 0 && put_escaped(b, s) == 0 && pg_buf_put(b, SL("\"")) == 0)
        return 0;
    b->n = before;
    return -1;
}
