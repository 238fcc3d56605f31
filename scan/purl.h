/* SPDX-License-Identifier: Apache-2.0 */
/*
 * purl - a package's URL: pkg:TYPE/NAMESPACE/NAME@VERSION?QUALIFIERS, read strictly and brought
 * into one form, so that equal packages are equal texts whichever tool wrote them:
 * the type in lower case, names in lower case where the type says so, percent-decoded, and the
 * epoch of a Debian or RPM version in front of it ("1:1.2.13"), where some tools have a qualifier.
 *
 * Ownership:  the parts live in the arena.
 * Failure:    UPSTREAM_WRONG with what is wrong with it.
 * Threads:    any. Pure.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"

#define PURL_MAX            2048
#define PURL_QUALIFIERS_MAX 16

struct purl_qualifier {
    struct sl key, value;
};

struct purl {
    struct sl type, space, name, version, subpath; /* space, version, subpath: may be absent */
    struct purl_qualifier qualifiers[PURL_QUALIFIERS_MAX];
    size_t nqualifiers;
};

PG_MUST_USE int purl_parse(struct sl text, struct pg_arena *arena, struct purl *purl_r,
                           struct pg_err *err);

bool purl_is_of_system(const struct purl *p); /* deb, rpm, apk, alpm: of a distribution */
struct sl purl_qualifier_of(const struct purl *p, const char *key); /* absent: {NULL, 0} */

bool purl_is_same(const struct purl *a, const struct purl *b); /* type, namespace and name */

/* Whether what was said of `said` is said of `found`: the same type, namespace, name, version and
 * subpath, and no qualifier in said that is another in found. Without a version nothing is said:
 * it would be of all that will ever be released. */
bool purl_covers(const struct purl *said, const struct purl *found);
