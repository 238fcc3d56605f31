/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/preface.h"

#define LINE_MAX  107 /* of version 1, with its CRLF */
#define HEAD_SIZE 16  /* of version 2 */

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static int refuse(struct pg_err *err, const char *why)
{
    return pg_fail(err, PG_E_BAD_FRAMING, "PROXY header: %s", why);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static unsigned number16(const char *p)
{
    return (unsigned)(unsigned char)p[0] << 8 | (unsigned char)p[1];
}

static bool is_line(struct sl have, struct sl fresh)
{
    return (have.n > 0 ? have.p[0] : fresh.p[0]) == 'P';
}

size_t preface_takes(struct sl have, struct sl fresh)
{
    const char *end;
    size_t whole;

    PG_CHECK(fresh.n > 0);
    if (is_line(have, fresh)) {
        end = memchr(fresh.p, '\n', fresh.n);
        whole = end != NULL ? (size_t)(end - fresh.p) + 1 : fresh.n;
        return have.n < LINE_MAX ? least(whole, LINE_MAX - have.n) : 1;
    }
    if (have.n < HEAD_SIZE)
        return least(fresh.n, HEAD_SIZE - have.n);
    whole = HEAD_SIZE + number16(have.p + 14);
    return have.n < whole ? least(fresh.n, whole - have.n) : 1;
}

/* ---- version 1 ----------------------------------------------------------------------------- */

/* The word up to the next space, which is eaten; {NULL, 0} when there is no space. */
static struct sl take_word(struct sl *rest)
{
    const char *space = rest->n > 0 ? memchr(rest->p, ' ', rest->n) : NULL;
    struct sl word = {NULL, 0};

    if (space != NULL) {
        word = (struct sl){rest->p, (size_t)(space - rest->p)};
        *rest = (struct sl){space + 1, rest->n - word.n - 1};
    }
    return word;
}

static bool parse_port(struct sl s, uint16_t *port_r)
{
    unsigned port = 0;

    if (s.n == 0 || s.n > 5 || (s.p[0] == '0' && s.n > 1))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        port = port * 10 + (unsigned)(s.p[i] - '0');
    }
    *port_r = (uint16_t)port;
    return port <= UINT16_MAX;
}

static bool parse_host(struct sl s, bool is_v6, struct pg_ip *ip_r)
{
    return s.n > 0 && (memchr(s.p, ':', s.n) != NULL) == is_v6 && pg_ip_parse(s, ip_r) == 0;
}

/* "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443", less the line's end. */
static int parse_line(struct sl line, struct preface *p_r, struct pg_err *err)
{
    struct preface p = {.has_address = true};
    struct sl family;
    struct pg_ip ours;
    uint16_t our_port;
    bool is_v6;

    if (!sl_starts(line, SL("PROXY ")))
        return refuse(err, "the line does not begin with PROXY");
    line = (struct sl){line.p + 6, line.n - 6};
    if (sl_eq(line, SL("UNKNOWN")) || sl_starts(line, SL("UNKNOWN "))) {
        *p_r = (struct preface){0};
        return 1;
    }
    family = take_word(&line);
    is_v6 = sl_eq(family, SL("TCP6"));
    if (!is_v6 && !sl_eq(family, SL("TCP4")))
        return refuse(err, "neither TCP4, TCP6 nor UNKNOWN");
    if (!parse_host(take_word(&line), is_v6, &p.ip) || !parse_host(take_word(&line), is_v6, &ours))
        return refuse(err, "an address that is none");
    if (!parse_port(take_word(&line), &p.port) || !parse_port(line, &our_port))
        return refuse(err, "a port that is none");
    *p_r = p;
    return 1;
}

static int feed_line(struct sl bytes, struct preface *p_r, struct pg_err *err)
{
    size_t n = least(bytes.n, 6);

    if (memcmp(bytes.p, "PROXY ", n) != 0)
        return refuse(err, "the line does not begin with PROXY");
    if (bytes.n > LINE_MAX)
        return refuse(err, "the line is too long");
    if (bytes.p[bytes.n - 1] != '\n')
        return bytes.n == LINE_MAX ? refuse(err, "the line is too long") : 0;
    if (bytes.n < 2 || bytes.p[bytes.n - 2] != '\r')
        return refuse(err, "the line does not end in CRLF");
    return parse_line((struct sl){bytes.p, bytes.n - 2}, p_r, err);
}

/* ---- version 2 ----------------------------------------------------------------------------- */

static int parse_binary(struct sl bytes, struct preface *p_r, struct pg_err *err)
{
    static const char v4_prefix[12] = {[10] = (char)0xff, [11] = (char)0xff};
    const char *at = bytes.p + HEAD_SIZE;
    size_t n = bytes.n - HEAD_SIZE;
    unsigned command = (unsigned char)bytes.p[12], family = (unsigned char)bytes.p[13];

    *p_r = (struct preface){0};
    if (command == 0x20)
        return 1; /* LOCAL: the balancer's own, such as a health check */
    if (command != 0x21)
        return refuse(err, "neither LOCAL nor PROXY of version 2");
    switch (family) {
    case 0x00:
        return 1;
    case 0x11:
        if (n < 12)
            break;
        memcpy(p_r->ip.b, v4_prefix, sizeof(v4_prefix));
        memcpy(p_r->ip.b + 12, at, 4);
        p_r->port = (uint16_t)number16(at + 8);
        p_r->has_address = true;
        return 1;
    case 0x21:
        if (n < 36)
            break;
        memcpy(p_r->ip.b, at, 16);
        p_r->port = (uint16_t)number16(at + 32);
        p_r->has_address = true;
        return 1;
    case 0x31:
        if (n < 216)
            break;
        return 1;
    default:
        return refuse(err, "not the family of a stream");
    }
    return refuse(err, "too short for the addresses that it announces");
}

static int feed_binary(struct sl bytes, struct preface *p_r, struct pg_err *err)
{
    size_t whole;

    if (memcmp(bytes.p, signature, least(bytes.n, sizeof(signature))) != 0)
        return refuse(err, "there is none");
    if (bytes.n < HEAD_SIZE)
        return 0;
    whole = HEAD_SIZE + number16(bytes.p + 14);
    if (whole > PREFACE_MAX)
        return refuse(err, "longer than 4096 bytes");
    PG_CHECK(bytes.n <= whole);
    return bytes.n == whole ? parse_binary(bytes, p_r, err) : 0;
}

int preface_feed(struct sl bytes, struct preface *p_r, struct pg_err *err)
{
    PG_CHECK(bytes.n > 0);
    return bytes.p[0] == 'P' ? feed_line(bytes, p_r, err) : feed_binary(bytes, p_r, err);
}
