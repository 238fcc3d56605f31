/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view - one image of the store as an OCI image layout, in a folder that another program can read:
 *
 *     FOLDER/oci-layout, index.json, blobs/sha256/HEX...      the blobs are hard links
 *
 * An eviction in the middle takes nothing away from who reads it. The folder has to be on the
 * filesystem of the store, and nobody else's.
 *
 * Failure:    STORE_IO: the folder. BLOB_UNKNOWN: not all of it is in the store.
 *             UPSTREAM_WRONG: what has this digest is no image.
 * Threads:    any that may wait for a disk; one at a time for each folder.
 */
#pragma once

#include "oci/digest.h"

/* What is in it, so that a report about it can be known. */
struct view_image {
    struct digest config;
    bool has_config;
    size_t nlayers;
    uint64_t bytes; /* of all blobs, as the manifest says */
};

/* Makes the folder, if it is absent, and opens it. */
PG_MUST_USE int view_open(const char *folder, int *fd_r, struct pg_err *err);

/* Shows this manifest in place of what was shown. blobs_fd: the store's. */
PG_MUST_USE int view_show(int view_fd, int blobs_fd, const struct digest *manifest,
                          struct view_image *image_r, struct pg_err *err);
void view_clear(int view_fd); /* nothing is shown */
