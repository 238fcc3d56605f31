/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/peer.h"

#include <stdio.h>
#include <string.h>

_Static_assert(PEER_TEXT_MAX >= PG_IP_TEXT_MAX, "an address fits");

void peer_be(struct peer *p, const struct pg_ip *ip, uint16_t port)
{
    *p = (struct peer){.ip = *ip};
    pg_ip_text(ip, port, p->text);
}

static bool be_local(int fd, struct peer *p_r)
{
    struct ucred who;
    socklen_t n = sizeof(who);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
        return false;
    *p_r = (struct peer){.is_unix = true, .uid = who.uid};
    (void)snprintf(p_r->text, sizeof(p_r->text), "unix:uid=%u", (unsigned)who.uid);
    return true;
}

bool peer_of_socket(int fd, struct peer *p_r)
{
    struct sockaddr_storage at = {0};
    socklen_t n = sizeof(at);
    struct pg_ip ip;
    uint16_t port;

    if (getpeername(fd, (struct sockaddr *)&at, &n) < 0)
        return false;
    if (at.ss_family == AF_UNIX)
        return be_local(fd, p_r);
    if (pg_ip_of(&at, &ip, &port) < 0)
        return false;
    peer_be(p_r, &ip, port);
    return true;
}

struct sl peer_machine(const char *text)
{
    const char *colon = strchr(text, ':'), *bracket = strchr(text, ']');

    if (text[0] == '[' && bracket != NULL)
        return (struct sl){text + 1, (size_t)(bracket - text) - 1};
    if (colon == NULL || strchr(colon + 1, ':') != NULL || strncmp(text, "unix:", 5) == 0)
        return sl_str(text);
    return (struct sl){text, (size_t)(colon - text)};
}

bool peer_is_in(const struct peer *p, const struct pg_ip_nets *nets)
{
    return p->is_unix ? nets->has_unix : pg_ip_is_in(&p->ip, nets);
}
