/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry_login - the login that this user has for a registry: in $REGISTRY_AUTH_FILE, containers'
 * auth.json, or docker's config.json, which may name a helper that is asked then.
 *
 * Failure:    UPSTREAM_DOWN, when a file or helper that knows the registry is no good.
 * Threads:    main.
 */
#pragma once

#include "base/err.h"
#include "proxy/upstream/secret.h"

/* 1; 0: there is none, and *secret_r is {0}; -1. */
PG_MUST_USE int registry_login_find(const char *host, struct secret *secret_r, struct pg_err *err);
