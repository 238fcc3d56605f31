/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer - who is at the other end of a connection: of the socket, or whoever a proxy that we believe
 * says it is.
 *
 * Threads:    any; pure but for peer_of_socket().
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/ip.h"
#include "base/slice.h"

#define PEER_TEXT_MAX 64

struct peer {
    char text[PEER_TEXT_MAX]; /* "192.0.2.1:40000", "[::1]:40000", "unix:uid=0" */
    bool is_unix;
    uid_t uid;       /* is_unix */
    struct pg_ip ip; /* not is_unix */
};

/* False: it is gone already. */
bool peer_of_socket(int fd, struct peer *p_r);
void peer_be(struct peer *p, const struct pg_ip *ip, uint16_t port);
/* Of such a text: the machine, without the port, which may be missing; or the user of this one. */
struct sl peer_machine(const char *text);
bool peer_is_in(const struct peer *p, const struct pg_ip_nets *nets);
