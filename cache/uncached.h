/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uncached - where the bytes of a blob go that the store has no room for, or that its disk does not
 * take: who waits for them gets them, and they are not kept.
 *
 *     partial --> nameless: the same file without its name, while the disk itself has room beside
 *        |           |      the reserve (the store is at its max_bytes)
 *        +-----------+----> memory: a file in memory. Whole, since who comes later reads it from
 * its first byte; all of them together have store_config.uncached_bytes.
 *
 * What fits into neither is refused.
 *
 * Threads: any.
 */
#pragma once

#include "base/err.h"
#include "cache/store.h"

/* Has the disk room for nbytes more, whatever the store's own limit says? */
bool uncached_has_disk(struct store *s, uint64_t nbytes);

/* A file in memory for `size` bytes, which begins with the `have` that `from` begins with. They are
 * taken off what there is until uncached_give_back(), or until the flight is freed that is charged
 * with them (flight_charge(), &s->uncached). False: there is not so much. */
PG_MUST_USE bool uncached_take(struct store *s, int from, uint64_t have, uint64_t size, int *fd_r);
void uncached_give_back(struct store *s, uint64_t size);
