/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph - what hangs together among images, both ways.
 *
 *     index    -> children      an index needs its images            of one repository
 *     subject  <- referrers     signatures, SBOMs, attestations      of one repository; also by
 *                               cosign's tags: sha256-HEX.sig, .att, .sbom, sha256-HEX
 *     base     <- dependents    what an image was built on           of any repository: by the
 *                               annotations base.digest and base.name, else by its lowest layers
 *
 * The annotations are an author's word, and so may at most let something stay.
 *
 * Ownership:  graph_make() to graph_free(); the images are the caller's and outlive it.
 * Threads:    one while it is made; then any.
 */
#pragma once

#include "base/arena.h"
#include "base/map.h"
#include "retention/image.h"

struct graph_edge {
    struct graph_node *to;
    struct graph_edge *next;
};

struct graph_node {
    struct pg_map_node by_name; /* repository and digest */
    const struct image *image;
    struct graph_node *same; /* the next of the same digest, in another repository */
    struct graph_edge *children, *parents;
    struct graph_edge *referrers, *subjects;
    struct graph_edge *bases, *dependents;
};

struct graph {
    struct pg_arena arena;
    struct graph_node *nodes; /* in the order of the images */
    size_t nnodes;
    struct pg_map by_name, by_digest, by_tag;
};

void graph_make(const struct image *images, size_t n, struct graph *g_r);
void graph_free(struct graph *g);

struct graph_node *graph_find(const struct graph *g, struct sl repo, const struct digest *d);
struct graph_node *graph_find_tag(struct graph *g, struct sl repo, struct sl tag);
