/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inventory - all that is in the store, as the records that retention plans with: each manifest of
 * each repository with its tags, times, labels, and what it names.
 *
 * It is taken page by page; nothing is held between them. What changes meanwhile is in it or not.
 * A manifest that is damaged, or a configuration that cannot be read, is told with what is known.
 *
 * Ownership:  inventory_take() to inventory_free(), also after a failure.
 * Failure:    STORE_IO; TOO_LARGE above INVENTORY_MAX manifests; CANCELED when it is stopped.
 * Threads:    any but a serving loop's: it reads files.
 */
#pragma once

#include "base/arena.h"
#include "cache/store.h"
#include "retention/image.h"

#define INVENTORY_MAX        500000
#define INVENTORY_CONFIG_MAX ((size_t)4 << 20) /* bytes of a configuration that is read */

struct inventory {
    struct pg_arena arena;
    struct image *images;
    size_t n, cap;
};

/* stop: ends it early; may be NULL. */
PG_MUST_USE int inventory_take(struct store *s, const atomic_bool *stop, struct inventory *i_r,
                               struct pg_err *err);
void inventory_free(struct inventory *i);

/* What a configuration's text, and a manifest's annotations, tell: for images of elsewhere, too.
 * What cannot be read tells nothing. */
void inventory_take_config(struct pg_arena *a, struct sl text, struct image *image);
void inventory_take_annotations(struct pg_arena *a, struct sl text, struct image *image);
