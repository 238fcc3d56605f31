/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target - which upstream and which repository a request means, and the one name it has here.
 *
 * A request names its upstream in up to three ways: a first path segment (docker.io/library/nginx),
 * ?ns= (containerd), or the Host of a virtual host. Where two of them disagree it is refused (400);
 * where there is none the default upstream is meant. A first segment that looks like a host and is
 * no known upstream is refused, unless ?ns= or the virtual host says whose repository it belongs
 * to. Unknown upstreams are never asked.
 *
 * Aliases are one: nginx, library/nginx, docker.io/library/nginx, index.docker.io/library/nginx and
 * registry-1.docker.io/library/nginx all become "docker.io/library/nginx".
 *
 * The canary (canary.h) is refused here, in all of these forms.
 *
 * Pure; any thread.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "oci/route.h"
#include "proxy/config.h"

struct target {
    const struct config_upstream *upstream;
    struct sl repo;      /* upstream's own name for it: "library/nginx" */
    struct sl canonical; /* "docker.io/library/nginx": the key of all that is stored about it */
};

/* host: the request's Host. DENIED: the canary; NAME_UNKNOWN: no such upstream, and how to allow
 * it; BAD_FRAMING: two ways disagree; NAME_INVALID. */
PG_MUST_USE int target_find(const struct config *config, const struct route *want, struct sl host,
                            struct pg_arena *arena, struct target *target_r, struct pg_err *err);
