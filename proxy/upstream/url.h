/* SPDX-License-Identifier: Apache-2.0 */
/*
 * url - an http or https URL that came from outside, taken apart by libcurl's own parser, so that
 * what was checked is what is connected to. Refused: other schemes, user information, control
 * bytes, spaces and what is not ASCII, hosts that are no DNS name and no address, oversize.
 *
 * Ownership:  url_free().   Threads: any.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

#define URL_MAX 8192

struct url {
    char *text; /* normalised, without fragment */
    char *host; /* lower case; an IPv6 literal in brackets */
    unsigned port;
    bool https;
};

/* base: what a relative text is relative to; NULL: it must be absolute. UPSTREAM_WRONG. */
PG_MUST_USE int url_parse(const char *base, struct sl text, struct url *url_r, struct pg_err *err);
void url_free(struct url *u); /* back to {0} */

/* The same host and port (the scheme not compared). */
bool url_same_place(const struct url *a, const struct url *b);
