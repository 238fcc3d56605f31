/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ip - an IP address, of either family, in one form: 16 bytes, IPv4 mapped; networks of them; and
 * lists of networks, such as "the proxies that are believed".
 *
 * Texts are literals: four decimal numbers, or what RFC 4291 allows, without a zone. No name is
 * resolved.
 *
 * Ownership:  a list owns its array: pg_ip_nets_free().
 * Threads:    any; pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/slice.h"

#define PG_IP_TEXT_MAX 56 /* "[" an address "]:65535" and a NUL */
#define PG_IP_NETS_MAX 256

struct pg_ip {
    uint8_t b[16];
};

struct pg_ip_net {
    struct pg_ip ip; /* the bits behind the prefix are 0 */
    unsigned bits;   /* 0 to 128 */
};

struct pg_ip_nets {
    struct pg_ip_net *nets;
    size_t n;
    bool has_unix; /* whoever comes through a unix socket is on the list */
};

PG_MUST_USE int pg_ip_parse(struct sl text, struct pg_ip *ip_r);
/* With or without a port, which is 0 then: "192.0.2.1:80", "2001:db8::1", "[::1]:80", "[::1]". */
PG_MUST_USE int pg_ip_parse_port(struct sl text, struct pg_ip *ip_r, uint16_t *port_r);
/* 0, and the address and port of an AF_INET or AF_INET6; else -1. */
PG_MUST_USE int pg_ip_of(const struct sockaddr_storage *from, struct pg_ip *ip_r, uint16_t *port_r);
/* "192.0.2.1:80", "[::1]:80"; without the port (and brackets) when it is 0. */
void pg_ip_text(const struct pg_ip *ip, uint16_t port, char text_r[PG_IP_TEXT_MAX]);

/* "10.0.0.0/8", "::1"; -1 also when bits behind the prefix are set: that is a slip. */
PG_MUST_USE int pg_ip_parse_net(struct sl text, struct pg_ip_net *net_r);
void pg_ip_put_net(const struct pg_ip_net *net, struct pg_buf *out);

bool pg_ip_is_in(const struct pg_ip *ip, const struct pg_ip_nets *nets);
void pg_ip_nets_add(struct pg_ip_nets *nets, const struct pg_ip_net *net);
bool pg_ip_nets_eq(const struct pg_ip_nets *a, const struct pg_ip_nets *b);
struct pg_ip_nets pg_ip_nets_copy(const struct pg_ip_nets *nets);
void pg_ip_nets_free(struct pg_ip_nets *nets);

static inline bool pg_ip_nets_is_empty(const struct pg_ip_nets *nets)
{
    return nets->n == 0 && !nets->has_unix;
}
