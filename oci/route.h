/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route - method and request target to operation (distribution-spec 1.1, "Endpoints").
 *
 * The path is taken as it came: never decoded, never cleaned, never redirected. A percent sign,
 * a backslash, an empty or dot segment in the path is NAME_INVALID. Names are parsed from the
 * right end, so that a repository may have a part called `blobs` or `manifests`. Values of the
 * query are percent-decoded into the arena. Every operation carries an authorization tag: the
 * route table does not compile without one.
 *
 * Threads: pure; any.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "oci/digest.h"

#define ROUTE_TARGET_MAX 8192

enum route_op {
    ROUTE_PING,      /* /v2/ */
    ROUTE_MANIFEST,  /* /v2/<name>/manifests/<reference> */
    ROUTE_BLOB,      /* /v2/<name>/blobs/<digest> */
    ROUTE_TAGS,      /* /v2/<name>/tags/list */
    ROUTE_REFERRERS, /* /v2/<name>/referrers/<digest> */
    ROUTE_CATALOG,   /* /v2/_catalog: refused, with a reason */
    ROUTE_OTHER,     /* not below /v2: 404 */
};

/* What a caller must be allowed to do. Asked by the authz stage of every journey. */
enum route_authz { ROUTE_AUTHZ_NONE, ROUTE_AUTHZ_PULL, ROUTE_AUTHZ_LIST };

struct route {
    enum route_op op;
    enum route_authz authz;
    bool is_head;        /* HEAD; else GET */
    struct sl name;      /* as addressed; may begin with an upstream host; grammar checked */
    struct sl reference; /* tag or digest text */
    bool by_digest;      /* reference (or the blob's name) is a digest: */
    struct digest digest;
    struct sl ns;            /* ?ns=; {NULL, 0} when absent */
    bool has_n;              /* ?n= */
    uint64_t n;              /* clamped to ROUTE_PAGE_MAX by the parser */
    struct sl last;          /* ?last= */
    struct sl artifact_type; /* ?artifactType= */
};

#define ROUTE_PAGE_MAX 10000

/* Slices point into target or the arena. NAME_INVALID, DIGEST_INVALID, UNSUPPORTED (405: a
 * method that writes, with the reason), NAME_UNKNOWN (no such endpoint), BAD_FRAMING (two ns). */
PG_MUST_USE int route_parse(struct sl method, struct sl target, struct pg_arena *arena,
                            struct route *route_r, struct pg_err *err);
