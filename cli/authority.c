/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/authority.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define LABEL_MAX 63

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_numeric_address(struct sl s, int family)
{
    char text[INET6_ADDRSTRLEN + 1];
    unsigned char binary[16];

    if (s.n == 0 || s.n >= sizeof text || memchr(s.p, '\0', s.n) != NULL) {
        return false;
    }
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return inet_pton(family, text, binary) == 1;
}

static bool is_label(struct sl s)
{
    if (s.n == 0 || s.n > LABEL_MAX || s.p[0] == '-' || s.p[s.n - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (!is_letter(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_') {
            return false;
        }
    }
    return true;
}

static bool is_host_name(struct sl s)
{
    struct sl label = s;

    if (s.n == 0 || s.n > AUTHORITY_MAX) {
        return false;
    }
    for (;;) {
        const char *dot = memchr(label.p, '.', label.n);
        struct sl one = {label.p, dot != NULL ? (size_t)(dot - label.p) : label.n};
        if (!is_label(one)) {
            return false;
        }
        if (dot == NULL) {
            return !is_digit(one.p[0]) || is_numeric_address(s, AF_INET);
        }
        label = (struct sl){dot + 1, label.n - one.n - 1};
    }
}

static int take_port(struct sl s, uint16_t *port_r)
{
    unsigned port = 0;

    if (s.n == 0 || s.n > 5 || s.p[0] == '0') {
        return -1;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i])) {
            return -1;
        }
        port = port * 10 + (unsigned)(s.p[i] - '0');
    }
    if (port > UINT16_MAX) {
        return -1;
    }
    *port_r = (uint16_t)port;
    return 0;
}

int authority_parse(struct sl text, struct sl *host_r, uint16_t *port_r)
{
    struct sl host = text;
    uint16_t port = 0;
    bool six = text.n > 0 && text.p[0] == '[';
    const char *end = text.n > 0 ? memchr(text.p, six ? ']' : ':', text.n) : NULL;

    if (six && end == NULL) {
        return -1;
    }
    if (end != NULL) {
        size_t used = (size_t)(end - text.p) + (six ? 1 : 0);
        host = six ? (struct sl){text.p + 1, used - 2} : (struct sl){text.p, used};
        if (used < text.n &&
            (text.p[used] != ':' ||
             take_port((struct sl){text.p + used + 1, text.n - used - 1}, &port) < 0)) {
            return -1;
        }
    }
    if (six ? !is_numeric_address(host, AF_INET6) : !is_host_name(host)) {
        return -1;
    }
    *host_r = host;
    *port_r = port;
    return 0;
}

static bool has_scheme(struct sl *text, struct sl scheme)
{
    if (text->n < scheme.n || strncasecmp(text->p, scheme.p, scheme.n) != 0) {
        return false;
    }
    *text = (struct sl){text->p + scheme.n, text->n - scheme.n};
    return true;
}

static int refuse(const char **why_r, const char *why)
{
    *why_r = why;
    return -1;
}

int authority_parse_url(struct sl text, struct authority_url *url_r, const char **why_r)
{
    struct authority_url url = {.is_https = true};

    if (memchr(text.p, '@', text.n) != NULL) {
        return refuse(why_r, "must not hold a user or password; write username and password_file");
    }
    if (memchr(text.p, '#', text.n) != NULL || memchr(text.p, '?', text.n) != NULL) {
        return refuse(why_r, "must not have a query or fragment");
    }
    if (!has_scheme(&text, SL("https://"))) {
        url.is_https = false;
        if (!has_scheme(&text, SL("http://"))) {
            return refuse(why_r, "must begin with https:// or http://");
        }
    }
    const char *slash = memchr(text.p, '/', text.n);
    if (slash != NULL && (size_t)(slash - text.p) + 1 < text.n) {
        return refuse(why_r, "must not have a path; only the host, without /v2");
    }
    url.authority = slash != NULL ? (struct sl){text.p, text.n - 1} : text;
    if (authority_parse(url.authority, &url.host, &url.port) < 0) {
        return refuse(why_r, "must have a valid host name or address, and perhaps a port");
    }
    url.has_port = url.port != 0;
    if (!url.has_port) {
        url.port = url.is_https ? 443 : 80;
    }
    *url_r = url;
    return 0;
}
