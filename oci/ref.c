/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/ref.h"

#include <arpa/inet.h>
#include <stdint.h>

#define LABEL_MAX 63 /* RFC 1035 */
#define PORT_MAX  65535

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z');
}

static bool is_name_char(char c)
{
    return is_lower_alnum(c) || c == '.' || c == '_' || c == '-' || c == '/';
}

/* How many bytes of s are one separator: a dot, one or two underscores, or any hyphens. */
static size_t separator(struct sl s)
{
    size_t n = 0;

    if (s.n > 0 && s.p[0] == '.')
        return 1;
    if (s.n > 0 && s.p[0] == '_')
        return s.n > 1 && s.p[1] == '_' ? 2 : 1;
    while (n < s.n && s.p[n] == '-')
        n++;
    return n;
}

static size_t alnum_run(struct sl s)
{
    size_t n = 0;

    while (n < s.n && is_lower_alnum(s.p[n]))
        n++;
    return n;
}

static struct sl from(struct sl s, size_t at)
{
    return (struct sl){s.p + at, s.n - at};
}

/* [a-z0-9]+ ((\.|_|__|-+) [a-z0-9]+)*  and the same again behind each slash */
int ref_check_name(struct sl name, struct pg_err *err)
{
    size_t at = 0;

    if (name.n == 0)
        return pg_fail(err, PG_E_NAME_INVALID, "the repository name is empty");
    if (name.n > REF_NAME_MAX)
        return pg_fail(err, PG_E_NAME_INVALID, "the repository name is longer than %d bytes",
                       REF_NAME_MAX);
    for (;;) {
        size_t run = alnum_run(from(name, at));

        at += run;
        if (at < name.n && !is_name_char(name.p[at]))
            return pg_fail(err, PG_E_NAME_INVALID,
                           "byte %zu of the repository name is none of a-z 0-9 . _ - /", at + 1);
        if (run == 0)
            return pg_fail(err, PG_E_NAME_INVALID,
                           "each part of the repository name begins and ends with a-z or 0-9, with "
                           "one separator between; byte %zu is out of place",
                           at < name.n ? at + 1 : name.n);
        if (at == name.n)
            return 0;
        at += name.p[at] == '/' ? 1 : separator(from(name, at));
    }
}

int ref_check_tag(struct sl tag, struct pg_err *err)
{
    if (tag.n == 0)
        return pg_fail(err, PG_E_NAME_INVALID, "the tag is empty");
    if (tag.n > REF_TAG_MAX)
        return pg_fail(err, PG_E_NAME_INVALID, "the tag is longer than %d bytes", REF_TAG_MAX);
    for (size_t i = 0; i < tag.n; i++) {
        char c = tag.p[i];
        bool is_word = is_lower_alnum(c) || (c >= 'A' && c <= 'Z') || c == '_';

        if (!is_word && (i == 0 || (c != '.' && c != '-')))
            return pg_fail(err, PG_E_NAME_INVALID, "byte %zu of the tag is none of A-Z a-z 0-9 _%s",
                           i + 1, i > 0 ? " . -" : "");
    }
    return 0;
}

static bool is_port(struct sl s)
{
    uint32_t port = 0;

    if (s.n == 0 || s.n > 5 || s.p[0] == '0')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i]))
            return false;
        port = port * 10 + (uint32_t)(s.p[i] - '0');
    }
    return port <= PORT_MAX;
}

/* Only the one way that inet_ntop() would write it, so that one address has one name. */
static bool is_address(int family, struct sl s)
{
    char text[INET6_ADDRSTRLEN], canonical[INET6_ADDRSTRLEN];
    unsigned char address[sizeof(struct in6_addr)];

    if (s.n == 0 || s.n >= sizeof(text))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return inet_pton(family, text, address) == 1 &&
           inet_ntop(family, address, canonical, sizeof(canonical)) != NULL &&
           sl_eq((struct sl){canonical, strlen(canonical)}, s);
}

static bool is_label(struct sl s)
{
    if (s.n == 0 || s.n > LABEL_MAX || s.p[0] == '-' || s.p[s.n - 1] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_lower_alnum(s.p[i]) && s.p[i] != '-')
            return false;
    }
    return true;
}

/* inet_aton() takes such an ending for an address: 127.1, 0x7f.1, 2130706433. */
static bool is_numeric_label(struct sl s)
{
    size_t digits = 0;

    while (digits < s.n && is_digit(s.p[digits]))
        digits++;
    return digits == s.n || sl_starts(s, SL("0x"));
}

static bool is_dns_name(struct sl s)
{
    size_t start = 0;

    for (size_t i = 0;; i++) {
        struct sl label = {s.p + start, i - start};

        if (i < s.n && s.p[i] != '.')
            continue;
        if (!is_label(label))
            return false;
        if (i == s.n)
            return !is_numeric_label(label);
        start = i + 1;
    }
}

static int check_bracketed(struct sl host, struct pg_err *err)
{
    const char *end = memchr(host.p, ']', host.n);
    size_t n = end != NULL ? (size_t)(end - host.p) : 0;
    struct sl rest;

    if (end == NULL || !is_address(AF_INET6, (struct sl){host.p + 1, n - 1}))
        return pg_fail(err, PG_E_NAME_INVALID,
                       "what stands in brackets is no IPv6 address in its shortest form");
    rest = from(host, n + 1);
    if (rest.n > 0 && (rest.p[0] != ':' || !is_port(from(rest, 1))))
        return pg_fail(err, PG_E_NAME_INVALID, "the host's port is not a number from 1 to 65535");
    return 0;
}

int ref_check_host(struct sl host, struct pg_err *err)
{
    const char *colon;
    struct sl name = host;

    if (host.n == 0)
        return pg_fail(err, PG_E_NAME_INVALID, "the host is empty");
    if (host.p[0] == '[')
        return check_bracketed(host, err);
    colon = memchr(host.p, ':', host.n);
    if (colon != NULL) {
        name.n = (size_t)(colon - host.p);
        if (!is_port(from(host, name.n + 1)))
            return pg_fail(err, PG_E_NAME_INVALID,
                           "the host's port is not a number from 1 to 65535");
    }
    if (name.n > REF_HOST_MAX)
        return pg_fail(err, PG_E_NAME_INVALID, "the host is longer than %d bytes", REF_HOST_MAX);
    if (!is_dns_name(name) && !is_address(AF_INET, name))
        return pg_fail(err, PG_E_NAME_INVALID,
                       "the host is neither a name of lower-case letters, digits, '-' and '.', nor "
                       "an IP address");
    return 0;
}

bool ref_looks_like_host(struct sl segment)
{
    return memchr(segment.n > 0 ? segment.p : "", '.', segment.n) != NULL ||
           memchr(segment.n > 0 ? segment.p : "", ':', segment.n) != NULL ||
           sl_eq(segment, SL("localhost"));
}
