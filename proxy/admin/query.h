/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query - what stands behind the `?` of a request to the admin: which part of the store is meant,
 * and which page of it.
 *
 *     ref      what a person writes: "nginx:1.25", "quay.io/team/app", "quay.io", "sha256:..."
 *     cursor   where the page before ended
 *     n        rows wanted, 1 to QUERY_ROWS_MAX
 *     dry_run  0 or 1
 *     name     of a vulnerability or a package
 *     what, reason   of a revocation: "key:...", "identity:..."; why
 *
 * Keys and values are percent-decoded. A parameter that is not known, that is there twice or cannot
 * be read, is refused: a purge is not guessed at.
 *
 * A ref: [REGISTRY/]REPOSITORY[:TAG][@DIGEST], or REGISTRY, or DIGEST. Registries need not be
 * upstreams any more; without one the default upstream is meant. "a.b" alone is a registry, "a:b"
 * a repository and its tag, unless an upstream has that name.
 *
 * Failure:  BAD_FRAMING, NAME_INVALID, NAME_UNKNOWN, DIGEST_INVALID.
 * Threads:  pure; any. Slices are in the arena or in target.
 */
#pragma once

#include "base/arena.h"
#include "cache/catalog.h"
#include "proxy/config.h"

#define QUERY_ROWS_MAX 1000
#define QUERY_ROWS     500
#define QUERY_REF_MAX  1024

struct query {
    struct sl ref;
    struct catalog_scope scope; /* of ref; empty when there is none */
    struct sl what, reason;     /* of revocations; {NULL, 0}: not there */
    struct sl name;             /* {NULL, 0}: not there */
    struct sl cursor;
    unsigned nrows;
    bool dry_run;
};

PG_MUST_USE int query_parse(const struct config *config, struct sl target, struct pg_arena *arena,
                            struct query *query_r, struct pg_err *err);

/* A ref alone. */
PG_MUST_USE int query_parse_ref(const struct config *config, struct sl ref, struct pg_arena *arena,
                                struct catalog_scope *scope_r, struct pg_err *err);
