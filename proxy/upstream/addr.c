/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct prefix {
    uint8_t bytes[16];
    unsigned bits;
};

static const struct prefix denied4[] = {
    {{0}, 8},             /* this network */
    {{10}, 8},            /* private */
    {{100, 64}, 10},      /* carrier's NAT */
    {{127}, 8},           /* loopback */
    {{169, 254}, 16},     /* link local: metadata services */
    {{172, 16}, 12},      /* private */
    {{192, 0, 0}, 24},    /* protocol assignments */
    {{192, 0, 2}, 24},    /* documentation */
    {{192, 88, 99}, 24},  /* 6to4 relays */
    {{192, 168}, 16},     /* private */
    {{198, 18}, 15},      /* benchmarks */
    {{198, 51, 100}, 24}, /* documentation */
    {{203, 0, 113}, 24},  /* documentation */
    {{224}, 4},           /* multicast */
    {{240}, 4},           /* reserved, broadcast */
};

static const struct prefix denied6[] = {
    {{0}, 96},                                              /* unspecified, loopback, compatible */
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96},       /* IPv4-mapped */
    {{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96},             /* IPv4-translated */
    {{0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}, 96}, /* NAT64 */
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48},             /* NAT64, local */
    {{0x01, 0x00}, 64},                                     /* discard only */
    {{0x20, 0x01, 0x00, 0x00}, 32},                         /* Teredo */
    {{0x20, 0x01, 0x0d, 0xb8}, 32},                         /* documentation */
    {{0x20, 0x02}, 16},                                     /* 6to4 */
    {{0xfc}, 7},                                            /* unique local */
    {{0xfe, 0x80}, 10},                                     /* link local */
    {{0xfe, 0xc0}, 10},                                     /* site local, of old */
    {{0xff}, 8},                                            /* multicast */
};

/* Denied to those that may be private, too. */
static const struct prefix never4[] = {{{0}, 8}, {{169, 254}, 16}, {{224}, 4}, {{240}, 4}};

static const struct prefix never6[] = {
    {{0xfe, 0x80}, 10},
    {{0xff}, 8},
    {{0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 128}, /* Amazon's */
    {{0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 128}, /* Google's */
};

/* Where IPv6 addresses that stand for one of IPv4 have it. */
static const struct {
    struct prefix prefix;
    unsigned at;
} embedding[] = {
    {{{0}, 96}, 12},
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, 12},
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, 12},
    {{{0x00, 0x64, 0xff, 0x9b}, 96}, 12},
    {{{0x20, 0x02}, 16}, 2},
};

static bool covers(const struct prefix *p, const uint8_t *address)
{
    unsigned whole = p->bits / 8, rest = p->bits % 8;

    if (memcmp(p->bytes, address, whole) != 0)
        return false;
    return rest == 0 || ((p->bytes[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

static bool in_any(const struct prefix *p, size_t n, const uint8_t *address)
{
    for (size_t i = 0; i < n; i++) {
        if (covers(&p[i], address))
            return true;
    }
    return false;
}

#define IN_ANY(list, address) in_any(list, sizeof(list) / sizeof((list)[0]), address)

bool addr_is_public(const struct sockaddr *sa, socklen_t n)
{
    if (sa->sa_family == AF_INET && n >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        uint8_t address[4];

        memcpy(&in, sa, sizeof(in));
        memcpy(address, &in.sin_addr, sizeof(address));
        return !IN_ANY(denied4, address);
    }
    if (sa->sa_family == AF_INET6 && n >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in;

        memcpy(&in, sa, sizeof(in));
        return !IN_ANY(denied6, in.sin6_addr.s6_addr);
    }
    return false;
}

static bool is_host6(const uint8_t *address)
{
    static const struct prefix loopback = {{[15] = 1}, 128};

    if (covers(&loopback, address))
        return true;
    for (size_t i = 0; i < sizeof(embedding) / sizeof(embedding[0]); i++) {
        if (covers(&embedding[i].prefix, address) && IN_ANY(never4, address + embedding[i].at))
            return false;
    }
    return !IN_ANY(never6, address);
}

bool addr_is_host(const struct sockaddr *sa, socklen_t n)
{
    if (sa->sa_family == AF_INET && n >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        uint8_t address[4];

        memcpy(&in, sa, sizeof(in));
        memcpy(address, &in.sin_addr, sizeof(address));
        return !IN_ANY(never4, address);
    }
    if (sa->sa_family == AF_INET6 && n >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in;

        memcpy(&in, sa, sizeof(in));
        return is_host6(in.sin6_addr.s6_addr);
    }
    return false;
}

static bool judge(const struct sockaddr *sa, socklen_t n, bool allow_private)
{
    return allow_private ? addr_is_host(sa, n) : addr_is_public(sa, n);
}

static bool is_localhost(const char *host)
{
    static const char name[] = "localhost";
    size_t n = strlen(host), local = sizeof(name) - 1;

    return n >= local && strcasecmp(host + n - local, name) == 0 &&
           (n == local || host[n - local - 1] == '.');
}

bool addr_may_name(const char *host, bool allow_private)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    char bare[INET6_ADDRSTRLEN] = "";
    size_t n = strlen(host);

    if (inet_pton(AF_INET, host, &in.sin_addr) == 1)
        return judge((const struct sockaddr *)&in, sizeof(in), allow_private);
    if (host[0] != '[')
        return allow_private || !is_localhost(host);
    if (n < 3 || n - 2 >= sizeof(bare))
        return false;
    memcpy(bare, host + 1, n - 2);
    return inet_pton(AF_INET6, bare, &in6.sin6_addr) == 1 &&
           judge((const struct sockaddr *)&in6, sizeof(in6), allow_private);
}
