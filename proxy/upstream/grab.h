/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grab - one small document from a URL that the configuration names: https, http, or file:/PATH.
 * What it is worth is for who reads it to say; no redirect is followed.
 *
 * Failure:  UPSTREAM_DOWN, or UPSTREAM_WRONG: it is too large. CANCELED: told to stop.
 * Threads:  any but a loop's: it waits, for GRAB_MS at most. curl_global_init() came before.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define GRAB_MS 30000

/* ca_file: the authorities in place of the system's; NULL. stop_fd: an eventfd that ends it. */
PG_MUST_USE int grab_url(const char *url, const char *ca_file, int stop_fd, struct pg_buf *out,
                         struct pg_err *err);
