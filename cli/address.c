/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "cli/authority.h"

static struct sockaddr_in *four(struct sockaddr_storage *a)
{
    return (struct sockaddr_in *)a;
}

static struct sockaddr_in6 *six(struct sockaddr_storage *a)
{
    return (struct sockaddr_in6 *)a;
}

/* The address as 16 bytes, IPv4 mapped; its port. */
struct flat {
    unsigned char ip[16];
    uint16_t port;
};

static struct flat flatten(const struct sockaddr *a)
{
    struct flat f = {.ip = {[10] = 0xff, [11] = 0xff}};

    if (a->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, a, sizeof in6);
        memcpy(f.ip, &in6.sin6_addr, sizeof f.ip);
        f.port = ntohs(in6.sin6_port);
    } else {
        struct sockaddr_in in;
        memcpy(&in, a, sizeof in);
        memcpy(f.ip + 12, &in.sin_addr, 4);
        f.port = ntohs(in.sin_port);
    }
    return f;
}

static struct flat flatten_storage(const struct sockaddr_storage *a)
{
    return flatten((const struct sockaddr *)a);
}

int address_parse_host(struct sl host, uint16_t port, struct sockaddr_storage *address_r)
{
    static const struct sl localhost = {"localhost", 9};
    char text[INET6_ADDRSTRLEN + 1] = "127.0.0.1";
    size_t tail = host.n >= localhost.n ? host.n - localhost.n : 0;

    memset(address_r, 0, sizeof *address_r);
    bool is_local = host.n >= localhost.n && (tail == 0 || host.p[tail - 1] == '.') &&
                    strncasecmp(host.p + tail, localhost.p, localhost.n) == 0;
    if (!is_local) {
        if (host.n >= sizeof text) {
            return -1;
        }
        memcpy(text, host.p, host.n);
        text[host.n] = '\0';
    }
    if (inet_pton(AF_INET, text, &four(address_r)->sin_addr) == 1) {
        address_r->ss_family = AF_INET;
        four(address_r)->sin_port = htons(port);
        return 0;
    }
    if (inet_pton(AF_INET6, text, &six(address_r)->sin6_addr) == 1) {
        address_r->ss_family = AF_INET6;
        six(address_r)->sin6_port = htons(port);
        return 0;
    }
    return -1;
}

int address_parse(struct sl text, struct sockaddr_storage *address_r)
{
    struct sl host;
    uint16_t port = 0;
    bool any_port = text.n > 2 && memcmp(text.p + text.n - 2, ":0", 2) == 0;

    if (any_port) {
        text.n -= 2; /* the kernel picks the port */
    }
    if (authority_parse(text, &host, &port) < 0 || (port == 0) != any_port ||
        sl_eq(host, SL("localhost"))) {
        return -1;
    }
    return address_parse_host(host, port, address_r);
}

static bool is_in(const unsigned char *ip, const unsigned char *net, unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;

    return memcmp(ip, net, bytes) == 0 &&
           (rest == 0 || (ip[bytes] >> (8 - rest)) == (net[bytes] >> (8 - rest)));
}

static bool is_wildcard(struct flat f)
{
    static const unsigned char any4[16] = {[10] = 0xff, [11] = 0xff}, any6[16] = {0};

    return memcmp(f.ip, any4, sizeof f.ip) == 0 || memcmp(f.ip, any6, sizeof f.ip) == 0;
}

static bool is_loopback(struct flat f)
{
    static const unsigned char net4[16] = {[10] = 0xff, [11] = 0xff, [12] = 127};
    static const unsigned char one[16] = {[15] = 1};

    return is_in(f.ip, net4, 104) || memcmp(f.ip, one, sizeof f.ip) == 0;
}

static bool is_of_this_machine(struct flat f)
{
    struct ifaddrs *all = NULL;
    bool found = false;

    if (is_wildcard(f) || is_loopback(f)) {
        return true;
    }
    if (getifaddrs(&all) < 0) {
        return false; /* the connection is checked again when it is made */
    }
    for (const struct ifaddrs *i = all; i != NULL && !found; i = i->ifa_next) {
        if (i->ifa_addr != NULL &&
            (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6)) {
            found = memcmp(flatten(i->ifa_addr).ip, f.ip, sizeof f.ip) == 0;
        }
    }
    freeifaddrs(all);
    return found;
}

bool address_reaches(const struct sockaddr_storage *to, const struct sockaddr_storage *listener)
{
    struct flat t = flatten_storage(to), l = flatten_storage(listener);

    if (t.port != l.port || l.port == 0) {
        return false;
    }
    if (memcmp(t.ip, l.ip, sizeof t.ip) == 0) {
        return true;
    }
    return is_wildcard(l) ? is_of_this_machine(t) : is_wildcard(t) && is_loopback(l);
}
