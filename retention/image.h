/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image - what retention knows of one manifest in one repository. In a cache the unit is the
 * digest with its last pull; tags are labels on it.
 *
 * An index, an image of one platform, a signature, an SBOM: each is an image here. What it names
 * is told by digest; whether that is in the store, too, is seen from the other records.
 *
 * Ownership:  whoever makes the records; they outlive plans made of them.
 */
#pragma once

#include "oci/digest.h"

struct image_pair {
    struct sl key, value;
};

struct image_blob {
    struct digest digest;
    uint64_t size;
    bool is_stored;
};

struct image {
    struct sl repo; /* canonical: "docker.io/library/nginx" */
    struct digest digest;
    const struct sl *tags;
    size_t ntags;
    int64_t first_seen_s;            /* by this cache; 0: not known */
    int64_t pulled_s;                /* 0: not known */
    int64_t pushed_s;                /* as upstream or the author says: a hint; 0: not known */
    const struct image_pair *labels; /* of its configuration */
    size_t nlabels;
    const struct image_pair *annotations;
    size_t nannotations;
    struct sl promoted; /* the environment that it was promoted to; "" none */
    bool is_last_copy;  /* upstream has it no more */
    uint64_t size;      /* of the manifest itself */
    bool has_subject;
    struct digest subject;
    const struct digest *children; /* of an index */
    size_t nchildren;
    const struct image_blob *blobs; /* configuration and layers */
    size_t nblobs;
    const struct digest *chain; /* its layers from the bottom up: diff ids where they are known */
    size_t nchain;
};
