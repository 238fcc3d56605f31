/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forwarded - whose request a chain of proxies passes on: X-Forwarded-For and Forwarded (RFC 7239).
 *
 * Each proxy adds, at the right, who connected to it. So all lines are one list, which is read from
 * the right: as long as an address is that of a trusted proxy, the one to its left was written by
 * that proxy and is believed; the first that is not trusted is the client. What stands to the left
 * of it was written by the client, and is not looked at. An element that is no address ends the
 * search: then the client is the last that could be believed.
 *
 * A client may send either header. A proxy that adds to one of them and passes on the other would
 * let it lie: where both are there and do not agree, neither is believed.
 *
 * Threads:    pure; any.
 */
#pragma once

#include "base/ip.h"
#include "proxy/http/conn.h"

/* False: the client is whoever connected. Only to be asked when that is a trusted proxy. */
bool forwarded_find(const struct conn_header *headers, size_t nheaders,
                    const struct pg_ip_nets *trusted, struct pg_ip *ip_r, uint16_t *port_r);
