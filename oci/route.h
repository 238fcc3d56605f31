/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route - method and request target to operation (distribution-spec 1.1, "Endpoints").
 *
 * The path is taken as it came: never decoded, never cleaned, never redirected. Below /v2 a
 * percent sign, a backslash, an empty or dot segment in the path is NAME_INVALID. Names are parsed
 * from the right end, so that a repository may have a part called `blobs` or `manifests`. Keys and
 * values of the query are percent-decoded (a plus stays one); a parameter that we know is there
 * once at most, others are ignored. Every operation carries an authorization tag: route.c does not
 * compile without one.
 *
 * Threads: pure; any.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "oci/digest.h"

#define ROUTE_TARGET_MAX 8192

enum route_op {
    ROUTE_PING,      /* /v2/ and /v2 */
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
    struct sl ns;            /* ?ns=, a host by its grammar; {NULL, 0} when absent */
    bool has_n;              /* ?n= */
    uint64_t n;              /* clamped to ROUTE_PAGE_MAX by the parser */
    struct sl last;          /* ?last=, empty or a tag by its grammar; {NULL, 0} when absent */
    struct sl artifact_type; /* ?artifactType=, printable ASCII; {NULL, 0} when absent */
};

#define ROUTE_PAGE_MAX          10000
#define ROUTE_PARAMS_MAX        32
#define ROUTE_ARTIFACT_TYPE_MAX 255

/* Slices point into target or the arena. NAME_INVALID; DIGEST_INVALID; MANIFEST_UNKNOWN (a
 * reference that no manifest can have); UNSUPPORTED (405: any method but GET and HEAD, with the
 * reason, whatever the target); NAME_UNKNOWN (no such endpoint below /v2); BAD_FRAMING (a query
 * that cannot be read or says one thing twice); URI_TOO_LONG. */
PG_MUST_USE int route_parse(struct sl method, struct sl target, struct pg_arena *arena,
                            struct route *route_r, struct pg_err *err);
