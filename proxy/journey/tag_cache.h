/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tag_cache - the tag lists asked for last, in memory: of all loops together, since a client that
 * comes over another connection may meet another loop.
 *
 * Bounds:  TAG_CACHE_LISTS lists, TAG_CACHE_BYTES of names; the longest unused go first. A list
 *          that is larger on its own is not kept.
 * Lock:    one, around its map; innermost; no I/O inside it.
 * Threads: any. A list that was got is the caller's reference.
 */
#pragma once

#include <stdint.h>

#include "proxy/journey/tag_list.h"

#define TAG_CACHE_LISTS 512
#define TAG_CACHE_BYTES ((size_t)16 * 1024 * 1024)

struct tag_cache;

struct tag_cache *tag_cache_new(void);
void tag_cache_free(struct tag_cache *c);

/* repo: canonical. NULL: none. *got_ms_r: when it was put, monotonic. */
struct tag_list *tag_cache_get(struct tag_cache *c, struct sl repo, uint64_t *got_ms_r);
void tag_cache_put(struct tag_cache *c, struct sl repo, struct tag_list *l, uint64_t now_ms);
void tag_cache_drop(struct tag_cache *c, struct sl repo); /* upstream says it is gone */
