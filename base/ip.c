/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const struct pg_ip *ip)
{
    return memcmp(ip->b, mapped, sizeof(mapped)) == 0;
}

static struct pg_ip of_v4(const struct in_addr *a)
{
    struct pg_ip ip;

    memcpy(ip.b, mapped, sizeof(mapped));
    memcpy(ip.b + sizeof(mapped), a, 4);
    return ip;
}

/* inet_pton() of libc knows neither zones nor short forms of IPv4. */
int pg_ip_parse(struct sl text, struct pg_ip *ip_r)
{
    char copy[INET6_ADDRSTRLEN];
    struct in_addr v4;

    if (text.n == 0 || text.n >= sizeof(copy) || memchr(text.p, '\0', text.n) != NULL)
        return -1;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    if (inet_pton(AF_INET, copy, &v4) == 1) {
        *ip_r = of_v4(&v4);
        return 0;
    }
    return inet_pton(AF_INET6, copy, ip_r->b) == 1 ? 0 : -1;
}

/* A number of at most 5 digits; -1 when it is none. */
static long parse_number(struct sl text)
{
    long value = 0;

    if (text.n == 0 || text.n > 5)
        return -1;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return -1;
        value = value * 10 + (text.p[i] - '0');
    }
    return value;
}

static int parse_port(struct sl text, uint16_t *port_r)
{
    long port = parse_number(text);

    if (port < 1 || port > UINT16_MAX)
        return -1;
    *port_r = (uint16_t)port;
    return 0;
}

int pg_ip_parse_port(struct sl text, struct pg_ip *ip_r, uint16_t *port_r)
{
    bool bracketed = text.n > 0 && text.p[0] == '[';
    const char *end = text.n > 0 ? memchr(text.p, bracketed ? ']' : ':', text.n) : NULL;
    struct sl host = text, rest = {NULL, 0};

    *port_r = 0;
    if (bracketed) {
        if (end == NULL)
            return -1;
        host = (struct sl){text.p + 1, (size_t)(end - text.p) - 1};
        rest = (struct sl){end + 1, text.n - host.n - 2};
        if (memchr(host.p, ':', host.n) == NULL)
            return -1; /* brackets are for IPv6 */
    } else if (end != NULL && memchr(end + 1, ':', text.n - (size_t)(end - text.p) - 1) == NULL) {
        host = (struct sl){text.p, (size_t)(end - text.p)};
        rest = (struct sl){end, text.n - host.n};
    }
    if (pg_ip_parse(host, ip_r) < 0)
        return -1;
    if (rest.n == 0)
        return 0;
    return rest.p[0] == ':' ? parse_port((struct sl){rest.p + 1, rest.n - 1}, port_r) : -1;
}

int pg_ip_of(const struct sockaddr_storage *from, struct pg_ip *ip_r, uint16_t *port_r)
{
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;

        *ip_r = of_v4(&v4->sin_addr);
        *port_r = ntohs(v4->sin_port);
        return 0;
    }
    if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;

        memcpy(ip_r->b, &v6->sin6_addr, sizeof(ip_r->b));
        *port_r = ntohs(v6->sin6_port);
        return 0;
    }
    return -1;
}

void pg_ip_text(const struct pg_ip *ip, uint16_t port, char text_r[PG_IP_TEXT_MAX])
{
    bool v4 = is_v4(ip);
    char host[INET6_ADDRSTRLEN];
    const char *s =
        inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip->b + sizeof(mapped) : ip->b, host, sizeof(host));

    PG_CHECK(s != NULL);
    if (port == 0)
        (void)snprintf(text_r, PG_IP_TEXT_MAX, "%s", host);
    else
        (void)snprintf(text_r, PG_IP_TEXT_MAX, v4 ? "%s:%u" : "[%s]:%u", host, port);
}

/* ---- networks ------------------------------------------------------------------------------ */

static bool has_prefix(const struct pg_ip *ip, const struct pg_ip_net *net)
{
    unsigned bytes = net->bits / 8, rest = net->bits % 8;

    return memcmp(ip->b, net->ip.b, bytes) == 0 &&
           (rest == 0 || (ip->b[bytes] >> (8 - rest)) == (net->ip.b[bytes] >> (8 - rest)));
}

/* Nothing is set behind the prefix. */
static bool is_clean(const struct pg_ip_net *net)
{
    for (unsigned i = net->bits; i < 128; i++) {
        if ((net->ip.b[i / 8] >> (7 - i % 8) & 1) != 0)
            return false;
    }
    return true;
}

int pg_ip_parse_net(struct sl text, struct pg_ip_net *net_r)
{
    const char *slash = text.n > 0 ? memchr(text.p, '/', text.n) : NULL;
    struct sl host = {text.p, slash != NULL ? (size_t)(slash - text.p) : text.n};
    struct pg_ip_net net = {.bits = 128};
    bool v4;
    long bits;

    if (pg_ip_parse(host, &net.ip) < 0)
        return -1;
    v4 = memchr(host.p, ':', host.n) == NULL;
    if (slash != NULL) {
        bits = parse_number((struct sl){slash + 1, text.n - host.n - 1});
        if (bits < 0 || bits > (v4 ? 32 : 128))
            return -1;
        net.bits = (unsigned)bits + (v4 ? 96 : 0);
    }
    if (!is_clean(&net))
        return -1;
    *net_r = net;
    return 0;
}

void pg_ip_put_net(const struct pg_ip_net *net, struct pg_buf *out)
{
    bool v4 = is_v4(&net->ip) && net->bits >= 96;
    unsigned bits = net->bits - (v4 ? 96 : 0);
    char host[INET6_ADDRSTRLEN];

    PG_CHECK(inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? net->ip.b + sizeof(mapped) : net->ip.b, host,
                       sizeof(host)) != NULL);
    (void)pg_buf_printf(out, "%s", host);
    if (net->bits < 128)
        (void)pg_buf_printf(out, "/%u", bits);
}

bool pg_ip_is_in(const struct pg_ip *ip, const struct pg_ip_nets *nets)
{
    for (size_t i = 0; i < nets->n; i++) {
        if (has_prefix(ip, &nets->nets[i]))
            return true;
    }
    return false;
}

void pg_ip_nets_add(struct pg_ip_nets *nets, const struct pg_ip_net *net)
{
    struct pg_ip_net *more = realloc(nets->nets, (nets->n + 1) * sizeof(*more));

    PG_CHECK(more != NULL && nets->n < PG_IP_NETS_MAX);
    more[nets->n++] = *net;
    nets->nets = more;
}

bool pg_ip_nets_eq(const struct pg_ip_nets *a, const struct pg_ip_nets *b)
{
    if (a->n != b->n || a->has_unix != b->has_unix)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (a->nets[i].bits != b->nets[i].bits ||
            memcmp(a->nets[i].ip.b, b->nets[i].ip.b, sizeof(a->nets[i].ip.b)) != 0)
            return false;
    }
    return true;
}

struct pg_ip_nets pg_ip_nets_copy(const struct pg_ip_nets *nets)
{
    struct pg_ip_nets copy = {.has_unix = nets->has_unix};

    for (size_t i = 0; i < nets->n; i++)
        pg_ip_nets_add(&copy, &nets->nets[i]);
    return copy;
}

void pg_ip_nets_free(struct pg_ip_nets *nets)
{
    free(nets->nets);
    *nets = (struct pg_ip_nets){0};
}
