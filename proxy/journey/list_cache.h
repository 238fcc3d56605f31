/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list_cache - the lists asked for last, in memory: of all loops together, since a client that
 * comes over another connection may meet another loop.
 *
 * Bounds:  so many lists, so many bytes; the longest unused go first. A list that is larger on its
 *          own is not kept.
 * Lock:    one, around its map; innermost; no I/O inside it.
 * Threads: any. A list that was got is the caller's reference.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "proxy/journey/listing.h"

struct list_cache;

struct list_cache *list_cache_new(size_t lists_max, size_t bytes_max);
void list_cache_free(struct list_cache *c);

/* NULL: none. *got_ms_r: when it was put, monotonic. */
struct listing *list_cache_get(struct list_cache *c, struct sl key, uint64_t *got_ms_r);
/* In place of one with the same key. bytes: what it takes. */
void list_cache_put(struct list_cache *c, struct sl key, struct listing *l, size_t bytes,
                    uint64_t now_ms);
void list_cache_drop(struct list_cache *c, struct sl key); /* upstream says it is gone */
/* All whose key is name, or goes on behind it with a slash or a space: those of a repository, or of
 * all repositories of an upstream. */
void list_cache_drop_of(struct list_cache *c, struct sl name);
