/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/body.h"

#define SIZE_DIGITS_MAX 8

/* NAME and VALUE of an extension are even, and odd once they have a byte. */
enum {
    NAME = 0,
    NAME_ON = 1,
    VALUE = 2,
    VALUE_ON = 3,
    SIZE,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    END_CR,
    END_LF,
    COMPLETE
};

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int wrong(struct pg_err *err, const char *what)
{
    return pg_fail(err, PG_E_BAD_FRAMING, "the request's body: %s", what);
}

static int on_size(struct body *b, char c, struct pg_err *err)
{
    int digit = hex(c);

    if (digit >= 0) {
        if (b->digits++ == SIZE_DIGITS_MAX)
            return wrong(err, "a chunk's size is too large");
        b->left = b->left * 16 + (uint64_t)digit;
        return 0;
    }
    if (b->digits == 0)
        return wrong(err, "a chunk has no size");
    if (c != ';' && c != '\r')
        return wrong(err, "a chunk's size is not a number");
    b->state = c == ';' ? NAME : SIZE_LF;
    return 0;
}

static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* One ;name or ;name=value, tokens both: nobody needs more, and readers differ in it. */
static int on_extension(struct body *b, char c, struct pg_err *err)
{
    if (b->extensions++ == BODY_EXTENSIONS_MAX)
        return wrong(err, "too many chunk extensions");
    if (is_token(c)) {
        b->state |= 1;
        return 0;
    }
    if ((b->state & 1) == 0)
        return wrong(err, "a chunk's extension is empty");
    if (c == '\r')
        b->state = SIZE_LF;
    else if (c == '=' && b->state == NAME_ON)
        b->state = VALUE;
    else
        return wrong(err, "a chunk's extension is not one");
    return 0;
}

static int expect(struct body *b, char c, char wanted, unsigned next, struct pg_err *err)
{
    if (c != wanted)
        return wrong(err, "a chunk does not end where it says");
    b->state = next;
    return 0;
}

static void next_chunk(struct body *b)
{
    b->digits = 0;
    b->left = 0;
}

/* One byte of framing. */
static int on_byte(struct body *b, char c, struct pg_err *err)
{
    switch (b->state) {
    case SIZE:
        return on_size(b, c, err);
    case NAME:
    case NAME_ON:
    case VALUE:
    case VALUE_ON:
        return on_extension(b, c, err);
    case SIZE_LF:
        return expect(b, c, '\n', b->left > 0 ? DATA : END_CR, err);
    case DATA_CR:
        return expect(b, c, '\r', DATA_LF, err);
    case DATA_LF:
        next_chunk(b);
        return expect(b, c, '\n', SIZE, err);
    case END_CR:
        if (c != '\r')
            return wrong(err, "it has trailers");
        return expect(b, c, '\r', END_LF, err);
    case END_LF:
        return expect(b, c, '\n', COMPLETE, err);
    default:
        PG_BUG("a body is read on behind its end");
    }
}

static size_t take(struct body *b, size_t n)
{
    size_t taken = b->left < n ? (size_t)b->left : n;

    b->left -= taken;
    return taken;
}

static int skip_chunks(struct body *b, struct sl bytes, size_t *used_r, struct pg_err *err)
{
    size_t i = 0;

    while (i < bytes.n && b->state != COMPLETE) {
        if (b->state == DATA) {
            i += take(b, bytes.n - i);
            if (b->left == 0)
                b->state = DATA_CR;
        } else if (on_byte(b, bytes.p[i++], err) < 0) {
            return -1;
        }
    }
    b->total += i;
    *used_r = i;
    return b->state == COMPLETE;
}

struct body body_begin(const struct head *h)
{
    return (struct body){.kind = h->body, .state = SIZE, .left = h->body_length};
}

int body_skip(struct body *b, struct sl bytes, size_t *used_r, struct pg_err *err)
{
    if (b->kind == HEAD_BODY_CHUNKED)
        return skip_chunks(b, bytes, used_r, err);
    *used_r = take(b, bytes.n);
    b->total += *used_r;
    return b->left == 0;
}
