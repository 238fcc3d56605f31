/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout - an OCI image layout: a folder with oci-layout, index.json and blobs/sha256/. What
 * skopeo, oras and crane write, and what is carried into sites without a network.
 *
 * Nothing in it is believed: names of files are made of digests that were parsed, sizes are limited
 * before anything is read, and bytes are compared with their digest by whoever asked for them.
 *
 * Ownership:  layout_open() to layout_close().
 * Failure:    STORE_IO when it is no layout or cannot be read; MANIFEST_UNKNOWN for a tag that is
 *             not in it.
 * Threads:    main.
 */
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "oci/digest.h"

struct layout;

PG_MUST_USE int layout_open(const char *dir, struct layout **layout_r, struct pg_err *err);
void layout_close(struct layout *l); /* NULL is allowed */

/* 1, or 0: nothing in it is tagged so. */
PG_MUST_USE int layout_find(const struct layout *l, struct sl tag, struct digest *digest_r,
                            struct pg_err *err);

/* 1: *bytes_r is the caller's reference; 0: it is not there; -1: larger than max (TOO_LARGE), or it
 * cannot be read. */
PG_MUST_USE int layout_read(const struct layout *l, const struct digest *digest, size_t max,
                            struct pg_bytes **bytes_r, struct pg_err *err);

/* An image index of the manifests in index.json whose subject is this one, as a registry would list
 * its referrers; NULL when there are none. */
struct pg_bytes *layout_referrers(const struct layout *l, const struct digest *subject);
