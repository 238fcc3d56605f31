/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packages - what a scanner saw in an image, whether something was found in it or not: name,
 * version and package URL of each. Kept beside its result (cache/scanned), and goes with it.
 *
 * What does not fit is left out, and that is kept: packages_read() says so.
 *
 * Failure:    put: STORE_IO. read: -1: bytes that packages_put() did not write.
 * Threads:    put: any but a loop's or the writer's. read: any; pure.
 */
#pragma once

#include "cache/scanned.h"
#include "scan/sbom.h"

struct packages_seen {
    const struct sbom_package *list;
    size_t n;
    bool is_cut; /* there were more */
};

PG_MUST_USE int packages_put(struct store *s, const struct digest *sha256, struct sl source,
                             const struct packages_seen *seen, struct pg_err *err);

/* Called with name, version and purl of each; texts point into bytes. */
typedef void packages_each(void *arg, const struct sbom_package *p);

PG_MUST_USE int packages_read(struct sl bytes, packages_each *each, void *arg, bool *is_cut_r);
