/* SPDX-License-Identifier: Apache-2.0 */
/*
 * realm - which token servers an upstream may name (CVE-2026-33540): those at its own host and
 * port, those known for that registry (quirks.h), and those in its option `realms`. A host in
 * `realms` without a port means the default port of the scheme. https, except that an upstream
 * which is itself plain http and may be private may have a realm like that.
 * Pure; any thread.
 */
#pragma once

#include "proxy/config.h"
#include "proxy/upstream/url.h"

/* base: upstream's own url, taken apart. UPSTREAM_WRONG, and nothing was sent to it. */
PG_MUST_USE int realm_check(const struct config_upstream *upstream, const struct url *base,
                            struct sl realm, struct url *url_r, struct pg_err *err);
