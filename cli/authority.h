/* SPDX-License-Identifier: Apache-2.0 */
/*
 * authority - a host and perhaps a port; and the base URL of a registry, which is http or https and
 * an authority, and nothing else.
 *
 * A host whose last label is a number is an IPv4 address in four decimal parts or nothing: what
 * some resolvers read into 0x7f.1 or 2130706433 does not get in.
 *
 * Failure:    a sentence that does not repeat the URL: it may hold a password.
 * Threads:    any; pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/slice.h"

#define AUTHORITY_MAX 253

struct authority_url {
    bool is_https;
    struct sl authority; /* as it stands: "registry-1.docker.io", "[::1]:5900" */
    struct sl host;      /* without port and brackets */
    uint16_t port;       /* 443 or 80 unless given */
    bool has_port;
};

/* host or host:port; port_r is 0 when not given. */
PG_MUST_USE int authority_parse(struct sl text, struct sl *host_r, uint16_t *port_r);

PG_MUST_USE int authority_parse_url(struct sl text, struct authority_url *url_r,
                                    const char **why_r);
