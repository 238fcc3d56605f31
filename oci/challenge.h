/* SPDX-License-Identifier: Apache-2.0 */
/*
 * challenge - an upstream's WWW-Authenticate (RFC 9110 section 11.6.1; distribution's token
 * specification). Several schemes, several headers, quoted commas; what is malformed or larger
 * than CHALLENGE_MAX is refused whole. Nothing in it is believed: the realm is for the caller to
 * check against the upstream's allow-list, and the scope is built by us, never taken from here.
 * Pure; any thread.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

#define CHALLENGE_MAX         4096
#define CHALLENGE_SCHEMES_MAX 8

struct challenge {
    bool has_bearer, has_basic;
    struct sl realm, service; /* Bearer's, unquoted, in the arena; {NULL, 0} when absent */
    bool insufficient_scope;  /* error="insufficient_scope" or "invalid_token" */
};

/* value: one header's value. Call again with the same *c for each further header; the first
 * Bearer challenge wins. Start it as {0}. UPSTREAM_WRONG when malformed. */
PG_MUST_USE int challenge_parse(struct sl value, struct pg_arena *arena, struct challenge *c,
                                struct pg_err *err);
