/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map - an intrusive hash map keyed by slice; hashing is seeded per process, so that nobody
 * outside can choose colliding keys.
 *
 * Ownership:  nodes and the key bytes belong to the caller and outlive their stay in the map.
 * Threads:    confined, or under the caller's lock.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

struct pg_map_node {
    struct pg_map_node *next;
    uint64_t hash;
    struct sl key;
};

struct pg_map {
    struct pg_map_node **buckets;
    size_t nbuckets, n;
};

void pg_map_init(struct pg_map *m);
void pg_map_free(struct pg_map *m); /* frees the buckets; nodes are the caller's */
struct pg_map_node *pg_map_get(const struct pg_map *m, struct sl key);
void pg_map_put(struct pg_map *m, struct pg_map_node *node, struct sl key); /* key must be new */
void pg_map_remove(struct pg_map *m, struct pg_map_node *node);
/* Walks all nodes: start with NULL; ends with NULL. Removing the returned node is allowed only
 * after the next one was asked for; nothing may be put during a walk. */
struct pg_map_node *pg_map_next(const struct pg_map *m, struct pg_map_node *node);
