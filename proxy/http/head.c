/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/head.h"

#include <strings.h>

#include "base/word.h"
#include "proxy/http/conn.h"
#include "proxy/http/head_int.h"

#define TLS_HANDSHAKE     0x16 /* a first byte that no request has */
#define LENGTH_DIGITS_MAX 18   /* fits int64_t whatever they are */

/* What a byte may be part of. */
#define TOKEN  1 /* RFC 9110 tchar */
#define TARGET 2 /* visible ASCII but '#': a fragment is never sent */
#define TEXT   4 /* a field value, and anything else in a line */
#define HOST   8 /* a registered name or an address */

static const uint8_t classes[256] = {
    ['\t'] = TEXT,
    [' '] = TEXT,
    ['!'] = TOKEN | TARGET | TEXT,
    ['"'] = TARGET | TEXT,
    ['#'] = TOKEN | TEXT,
    ['$' ... '\''] = TOKEN | TARGET | TEXT,
    ['(' ... ')'] = TARGET | TEXT,
    ['*' ... '+'] = TOKEN | TARGET | TEXT,
    [','] = TARGET | TEXT,
    ['-' ... '.'] = TOKEN | TARGET | TEXT | HOST,
    ['/'] = TARGET | TEXT,
    ['0' ... '9'] = TOKEN | TARGET | TEXT | HOST,
    [':' ... '@'] = TARGET | TEXT,
    ['A' ... 'Z'] = TOKEN | TARGET | TEXT | HOST,
    ['[' ... ']'] = TARGET | TEXT,
    ['^'] = TOKEN | TARGET | TEXT,
    ['_'] = TOKEN | TARGET | TEXT | HOST,
    ['`'] = TOKEN | TARGET | TEXT,
    ['a' ... 'z'] = TOKEN | TARGET | TEXT | HOST,
    ['{'] = TARGET | TEXT,
    ['|'] = TOKEN | TARGET | TEXT,
    ['}'] = TARGET | TEXT,
    ['~'] = TOKEN | TARGET | TEXT,
    [0x80 ... 0xff] = TEXT,
};

static bool all_are(struct sl s, uint8_t class)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((classes[(uint8_t)s.p[i]] & class) == 0)
            return false;
    }
    return true;
}

/* Most of it by eights: above the space, of ASCII, and neither '#' nor DEL. */
static bool is_target(struct sl s)
{
    size_t at = 0;

    for (; s.n - at >= PG_WORD_BYTES; at += PG_WORD_BYTES) {
        uint64_t w = pg_word(s.p + at);

        if ((w & PG_WORD_HIGHS) != 0 || pg_word_below(w, '!') || pg_word_has(w, '#') ||
            pg_word_has(w, 0x7f))
            return false;
    }
    return all_are((struct sl){s.p + at, s.n - at}, TARGET);
}

static bool same(struct sl a, struct sl b)
{
    return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

static struct sl cut(struct sl s, size_t from, size_t to)
{
    return (struct sl){s.p + from, to - from};
}

/* Position of c in s, or s.n. */
static size_t find(struct sl s, char c)
{
    const char *p = s.n > 0 ? memchr(s.p, c, s.n) : NULL;

    return p != NULL ? (size_t)(p - s.p) : s.n;
}

/* ---- the first line ------------------------------------------------------------------------ */

static int read_method(struct head *h, struct sl method, struct pg_err *err)
{
    static const struct sl known[] = {{"GET", 3}, {"HEAD", 4},  {"POST", 4},
                                      {"PUT", 3}, {"PATCH", 5}, {"DELETE", 6}};

    if (method.n == 0 || !all_are(method, TOKEN))
        return pg_fail(err, PG_E_BAD_FRAMING, "the request does not begin with a method");
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (sl_eq(method, known[i])) {
            h->method = method;
            h->is_head = i == 1;
            return 0;
        }
    }
    return pg_fail(err, PG_E_UNSUPPORTED, "this method is not supported");
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int read_version(struct head *h, struct sl v, struct pg_err *err)
{
    if (v.n != 8 || !sl_starts(v, SL("HTTP/")) || !is_digit(v.p[5]) || v.p[6] != '.' ||
        !is_digit(v.p[7]))
        return pg_fail(err, PG_E_BAD_FRAMING, "the request line does not end with HTTP/1.1");
    if (v.p[5] != '1' || v.p[7] > '1')
        return pg_fail(err, PG_E_BAD_VERSION, "only HTTP 1.0 and 1.1 are spoken here");
    h->minor = (unsigned)(v.p[7] - '0');
    return 0;
}

static int read_request_line(struct head *h, struct sl line, struct pg_err *err)
{
    size_t sp = find(line, ' ');
    struct sl rest;

    if (sp == line.n)
        return pg_fail(err, PG_E_BAD_FRAMING, "the request line is not one of HTTP");
    rest = cut(line, sp + 1, line.n);
    if (sl_starts(line, SL("PRI * HTTP/2.")))
        return pg_fail(err, PG_E_BAD_VERSION, "HTTP/2 is not spoken here");
    if (read_method(h, cut(line, 0, sp), err) < 0)
        return -1;
    sp = find(rest, ' ');
    h->target = cut(rest, 0, sp);
    if (sp > HEAD_TARGET_MAX)
        return pg_fail(err, PG_E_URI_TOO_LONG, "the request target is longer than %d bytes",
                       HEAD_TARGET_MAX);
    if (sp == 0 || sp == rest.n)
        return pg_fail(err, PG_E_BAD_FRAMING, "the request line is not one of HTTP/1.1");
    if (!is_target(h->target))
        return pg_fail(err, PG_E_BAD_FRAMING, "the request target has a byte that must be encoded");
    return read_version(h, cut(rest, sp + 1, rest.n), err);
}

/* ---- fields -------------------------------------------------------------------------------- */

static int read_length(struct head *h, struct sl value, struct pg_err *err)
{
    uint64_t n = 0;

    if (h->nlengths++ > 0)
        return pg_fail(err, PG_E_BAD_FRAMING, "Content-Length more than once");
    if (value.n == 0 || value.n > LENGTH_DIGITS_MAX)
        return pg_fail(err, PG_E_BAD_FRAMING, "Content-Length is not a number of bytes");
    for (size_t i = 0; i < value.n; i++) {
        if (!is_digit(value.p[i]))
            return pg_fail(err, PG_E_BAD_FRAMING, "Content-Length is not a number of bytes");
        n = n * 10 + (uint64_t)(value.p[i] - '0');
    }
    h->body = n > 0 ? HEAD_BODY_LENGTH : HEAD_BODY_NONE;
    h->body_length = n;
    return 0;
}

static int read_coding(struct head *h, struct sl value, struct pg_err *err)
{
    if (h->ncodings++ > 0)
        return pg_fail(err, PG_E_BAD_FRAMING, "Transfer-Encoding more than once");
    if (!same(value, SL("chunked")))
        return pg_fail(err, PG_E_BAD_FRAMING, "Transfer-Encoding is not just chunked");
    return 0;
}

static void read_connection(struct head *h, struct sl value)
{
    while (value.n > 0) {
        size_t comma = find(value, ',');

        if (same(sl_trim(cut(value, 0, comma)), SL("close")))
            h->closes = true;
        if (same(sl_trim(cut(value, 0, comma)), SL("keep-alive")))
            h->keeps = true;
        value = comma < value.n ? cut(value, comma + 1, value.n) : cut(value, value.n, value.n);
    }
}

static int read_expect(struct head *h, struct sl value, struct pg_err *err)
{
    if (!same(value, SL("100-continue")))
        return pg_fail(err, PG_E_BAD_EXPECT, "this expectation is not met: only 100-continue is");
    h->nexpects++;
    return 0;
}

static bool is_port(struct sl port)
{
    unsigned n = 0;

    if (port.n == 0 || port.n > 5)
        return false;
    for (size_t i = 0; i < port.n; i++) {
        if (!is_digit(port.p[i]))
            return false;
        n = n * 10 + (unsigned)(port.p[i] - '0');
    }
    return n <= 65535;
}

static bool is_address6(struct sl s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!is_digit(c) && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F') && c != ':' &&
            c != '.')
            return false;
    }
    return s.n >= 2 && find(s, ':') < s.n;
}

/* A name or an address, and perhaps a port. Whether we serve it is not asked here. */
static bool is_host(struct sl s)
{
    size_t end;

    if (s.n == 0 || s.n > HEAD_HOST_MAX)
        return false;
    if (s.p[0] == '[') {
        end = find(s, ']');
        if (end == s.n || !is_address6(cut(s, 1, end)))
            return false;
        end++;
    } else {
        end = find(s, ':');
        if (end == 0 || !all_are(cut(s, 0, end), HOST))
            return false;
    }
    return end == s.n || (s.p[end] == ':' && is_port(cut(s, end + 1, s.n)));
}

static int read_host(struct head *h, struct sl value, struct pg_err *err)
{
    if (h->nhosts++ > 0)
        return pg_fail(err, PG_E_BAD_FRAMING, "Host more than once");
    if (!is_host(value))
        return pg_fail(err, PG_E_BAD_FRAMING, "Host does not name a host");
    h->host = value;
    return 0;
}

static int note_field(struct head *h, struct sl name, struct sl value, struct pg_err *err)
{
    switch (name.n) {
    case 4:
        return same(name, SL("Host")) ? read_host(h, value, err) : 0;
    case 6:
        return same(name, SL("Expect")) ? read_expect(h, value, err) : 0;
    case 7:
        if (same(name, SL("Upgrade")))
            return pg_fail(err, PG_E_BAD_FRAMING, "no other protocol can be switched to");
        return 0;
    case 10:
        if (same(name, SL("Connection")))
            read_connection(h, value);
        return 0;
    case 14:
        return same(name, SL("Content-Length")) ? read_length(h, value, err) : 0;
    case 17:
        return same(name, SL("Transfer-Encoding")) ? read_coding(h, value, err) : 0;
    default:
        return 0;
    }
}

static int read_field(struct head *h, struct sl line, struct pg_err *err)
{
    size_t colon = find(line, ':');
    struct sl name = cut(line, 0, colon), value;

    if (h->nheaders == CONN_HEADERS_MAX)
        return pg_fail(err, PG_E_HEADERS_TOO_LARGE, "more than %d header fields", CONN_HEADERS_MAX);
    if (line.p[0] == ' ' || line.p[0] == '\t')
        return pg_fail(err, PG_E_BAD_FRAMING, "a header field is folded");
    if (colon == line.n || colon == 0 || !all_are(name, TOKEN))
        return pg_fail(err, PG_E_BAD_FRAMING, "a header field has no proper name");
    value = sl_trim(cut(line, colon + 1, line.n));
    h->headers[h->nheaders++] = (struct conn_header){name, value};
    return note_field(h, name, value, err);
}

/* ---- the whole ----------------------------------------------------------------------------- */

/* http://authority/path: the authority must be the one that Host says; it is taken off. */
static int read_target(struct head *h, struct pg_err *err)
{
    struct sl t = h->target;
    size_t at = sl_starts(t, SL("http://")) ? 7 : sl_starts(t, SL("https://")) ? 8 : 0;

    if (t.p[0] == '/')
        return 0;
    if (at == 0)
        return pg_fail(err, PG_E_BAD_FRAMING, "the request target does not begin with a slash");
    t = cut(t, at, t.n);
    at = find(t, '/');
    if (!same(cut(t, 0, at), h->host))
        return pg_fail(err, PG_E_BAD_FRAMING, "the request target names another host than Host");
    h->target = at < t.n ? cut(t, at, t.n) : SL("/");
    return 0;
}

static int on_message_begin(llhttp_t *p)
{
    ((struct head_opinion *)p->data)->messages++;
    return 0;
}

static int on_field(llhttp_t *p)
{
    ((struct head_opinion *)p->data)->headers++;
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    (void)at;
    ((struct head_opinion *)p->data)->body_bytes += n > 0;
    return 0;
}

/* Pauses behind the head, with what it says of the body still there to be asked for. */
static int on_headers_complete(llhttp_t *p)
{
    ((struct head_opinion *)p->data)->heads++;
    return HPE_PAUSED;
}

void head_ask_llhttp(struct head_opinion *o, const char *p, size_t n)
{
    static const llhttp_settings_t settings = {.on_message_begin = on_message_begin,
                                               .on_header_value_complete = on_field,
                                               .on_headers_complete = on_headers_complete,
                                               .on_body = on_body};

    *o = (struct head_opinion){0};
    llhttp_init(&o->parser, HTTP_REQUEST, &settings);
    o->parser.data = o;
    (void)llhttp_execute(&o->parser, p, n);
}

static bool llhttp_agrees(const struct head *h, struct sl bytes)
{
    struct head_opinion o;
    const llhttp_t *p = &o.parser;

    head_ask_llhttp(&o, bytes.p, h->length);
    return llhttp_get_errno(p) == HPE_PAUSED &&
           llhttp_get_error_pos(p) >= bytes.p + h->length - 1 && o.messages == 1 && o.heads == 1 &&
           o.headers == h->nheaders && o.body_bytes == 0 && p->upgrade == 0 && p->http_major == 1 &&
           p->http_minor == h->minor &&
           ((p->flags & F_CHUNKED) != 0) == (h->body == HEAD_BODY_CHUNKED) &&
           ((p->flags & F_CONTENT_LENGTH) != 0) == (h->nlengths > 0) &&
           (h->nlengths == 0 || p->content_length == h->body_length);
}

static int complete(struct head *h, struct sl bytes, struct pg_err *err)
{
    if (h->nhosts == 0)
        return pg_fail(err, PG_E_BAD_FRAMING, "no Host");
    if (h->ncodings > 0 && (h->nlengths > 0 || h->minor == 0))
        return pg_fail(err, PG_E_BAD_FRAMING,
                       "Transfer-Encoding beside Content-Length or in HTTP/1.0");
    if (h->ncodings > 0)
        h->body = HEAD_BODY_CHUNKED;
    h->closes = h->closes || (h->minor == 0 && !h->keeps);
    h->expects = h->nexpects > 0 && h->minor == 1 && h->body != HEAD_BODY_NONE;
    if (read_target(h, err) < 0)
        return -1;
    if (!llhttp_agrees(h, bytes))
        return pg_fail(err, PG_E_BAD_FRAMING, "the request can be read in two ways");
    return 1;
}

/* New bytes: no control byte, and CR only as the last before LF. */
static int check_bytes(const struct head *h, struct sl bytes, size_t end, struct pg_err *err)
{
    size_t at = h->seen;

    if (h->seen == 0 && end > 0 && bytes.p[0] == TLS_HANDSHAKE)
        return pg_fail(
            err, PG_E_BAD_FRAMING,
            "this is TLS, and here plain HTTP is spoken: give the listener a certificate "
            "or let the client use http");
    while (end - at >= PG_WORD_BYTES && !pg_word_has_control(pg_word(bytes.p + at)))
        at += PG_WORD_BYTES;
    for (size_t i = at; i < end; i++) {
        if ((classes[(uint8_t)bytes.p[i]] & TEXT) == 0 && (bytes.p[i] != '\r' || i + 1 != end))
            return pg_fail(err, PG_E_BAD_FRAMING, "a control byte, or CR without LF");
    }
    if (h->seen > h->line && end > h->seen && bytes.p[h->seen - 1] == '\r')
        return pg_fail(err, PG_E_BAD_FRAMING, "CR without LF");
    return 0;
}

static int too_large(const struct head *h, struct pg_err *err)
{
    if (h->method.p == NULL)
        return pg_fail(err, PG_E_URI_TOO_LONG, "the request line is too long");
    return pg_fail(err, PG_E_HEADERS_TOO_LARGE, "the request head is longer than %zu bytes",
                   CONN_HEAD_MAX);
}

/* line: without its CRLF. */
static int read_line(struct head *h, struct sl line, struct sl bytes, struct pg_err *err)
{
    if (h->method.p == NULL && line.n == 0 && h->line == 0)
        return 0; /* one empty line before a request is forgiven (RFC 9112, 2.2) */
    if (h->method.p == NULL)
        return read_request_line(h, line, err);
    if (line.n > 0)
        return read_field(h, line, err);
    h->length = h->seen;
    return complete(h, bytes, err);
}

void head_begin(struct head *h, struct conn_header *headers)
{
    *h = (struct head){.headers = headers};
}

int head_feed(struct head *h, struct sl bytes, struct pg_err *err)
{
    while (h->seen < bytes.n) {
        size_t lf = h->seen + find(cut(bytes, h->seen, bytes.n), '\n');
        size_t begin = h->line;
        int r;

        if (check_bytes(h, bytes, lf, err) < 0)
            return -1;
        if (lf == bytes.n) {
            h->seen = lf;
            break;
        }
        if (lf == begin || bytes.p[lf - 1] != '\r')
            return pg_fail(err, PG_E_BAD_FRAMING, "LF without CR");
        h->seen = lf + 1;
        if (h->seen > CONN_HEAD_MAX)
            return too_large(h, err);
        r = read_line(h, cut(bytes, begin, lf - 1), bytes, err);
        if (r != 0)
            return r;
        h->line = h->seen;
    }
    return h->seen >= CONN_HEAD_MAX ? too_large(h, err) : 0;
}
