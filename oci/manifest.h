/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest - what a manifest's bytes say: its kind and what it points at (image-spec 1.1:
 * manifest.md, image-index.md; Docker image manifest 2.2 and manifest list).
 *
 * Strict where two readers could differ: duplicate members, members spelled like known ones but
 * for their case (Go ignores it), a document that is an image and an index at once
 * (CVE-2021-41190), a mediaType that contradicts the Content-Type, trailing bytes, too deep or too
 * many members: all are refused, and so is Docker's schema 1. Unknown members are ignored;
 * null for an optional member is as good as its absence. The bytes are never rewritten; this only
 * reads them.
 *
 * Of a document whose type is not known nothing is read but that type: it only has to be a JSON
 * object. A document that has no type at all is told by its members.
 *
 * Ownership:  everything in *m is in the arena given.
 * Failure:    UPSTREAM_WRONG with what was wrong and where.
 * Threads:    pure; any.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "oci/digest.h"

#define MANIFEST_BYTES_MAX    ((size_t)4 * 1024 * 1024)
#define MANIFEST_CHILDREN_MAX 4096 /* layers of an image, manifests of an index */
#define MANIFEST_ARENA_BYTES  ((size_t)16 * 1024 * 1024)

enum manifest_kind {
    MANIFEST_IMAGE, /* config and layers; artifacts too */
    MANIFEST_INDEX, /* manifests */
    MANIFEST_OTHER, /* a type we do not know: opaque, nothing in it is linked */
};

struct manifest_desc {
    struct sl media_type;
    struct digest digest;
    uint64_t size;      /* below 2^53 */
    bool has_urls;      /* layers[].urls: never fetched from there */
    struct sl platform; /* "os/arch[/variant]" as claimed, or empty; a claim, not a fact */
};

struct manifest {
    enum manifest_kind kind;
    struct sl media_type; /* the document's own, else the Content-Type's: type/subtype, not empty */
    struct sl artifact_type;
    bool has_config, has_subject;
    struct manifest_desc config, subject;
    struct manifest_desc *children; /* layers of an image, manifests of an index */
    size_t nchildren;
    struct sl annotations; /* the member's own JSON text, as in the bytes; empty when absent */
};

/* content_type: upstream's header, "" when absent or generic (text/plain, octet-stream). */
PG_MUST_USE int manifest_parse(struct sl bytes, struct sl content_type, struct pg_arena *arena,
                               struct manifest *m_r, struct pg_err *err);
