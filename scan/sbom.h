/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sbom - the packages that somebody says are in an image: SPDX 2.2 and 2.3, CycloneDX 1.4 to 1.7,
 * in JSON, as Syft, Trivy and others write them.
 *
 * A package is what has a package URL, or is a library with a version; neither the image itself,
 * nor the operating system as such, nor files.
 *
 * Ownership:  all texts and lists live in the arena; the bytes may go.
 * Failure:    UPSTREAM_WRONG with what is wrong.
 * Threads:    any. Pure. Not on a loop: it may take a second.
 */
#pragma once

#include "oci/digest.h"
#include "scan/purl.h"

#define SBOM_BYTES_MAX    ((size_t)32 << 20)
#define SBOM_NODES_MAX    ((size_t)1000000)
#define SBOM_PACKAGES_MAX ((size_t)100000)
#define SBOM_LICENSES_MAX 32 /* of one package */
#define SBOM_ARENA_BYTES  ((size_t)64 << 20)

enum sbom_format { SBOM_SPDX, SBOM_CYCLONEDX };

struct sbom_package {
    struct sl name, version, purl; /* version, purl: may be absent */
    const struct sl *licenses;     /* identifiers, expressions or names, as written */
    size_t nlicenses;
    bool is_of_system; /* a distribution's */
};

struct sbom {
    enum sbom_format format;
    struct sl format_version, tool; /* "syft"; may be absent */
    int64_t made_s;                 /* 0: not said */
    struct digest digest;           /* of the image that it is about */
    bool has_digest;
    const struct sbom_package *packages;
    size_t npackages, nof_system;
};

PG_MUST_USE int sbom_read(struct sl bytes, struct pg_arena *arena, struct sbom *sbom_r,
                          struct pg_err *err);
