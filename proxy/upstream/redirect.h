/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redirect - where a Location leads. It may lead to any https host, always without credentials;
 * to plain http only when the upstream is itself plain http and may be private. Whether the address
 * behind the host may be connected to is asked when the socket is made (addr.h).
 * A loop ends at the limit of hops. Pure; any thread.
 */
#pragma once

#include "proxy/upstream/url.h"

#define REDIRECT_HOPS_MAX 5

/* from: the URL that was asked, absolute. hops: those already taken. UPSTREAM_WRONG. */
PG_MUST_USE int redirect_resolve(const char *from, struct sl location, bool may_http, unsigned hops,
                                 struct url *url_r, struct pg_err *err);
