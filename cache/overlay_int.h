/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay, its other side: what land puts in and the writer's commit takes out.
 *
 * What one operation of land will write is a batch. It is visible from overlay_show() until
 * overlay_settle(), which is called once the commit is done. A commit that failed leaves its batch
 * in sight for OVERLAY_KEEP_S: a client whose manifest passed while the disk was full asks for the
 * blobs next, and they are served uncached.
 *
 * A newer entry hides an older one of the same name for good: overlay_is_hidden() tells the older
 * operation, which may be applied later, that its tag is not to be written any more.
 *
 * A batch has one tag at most.
 *
 * Bounds: OVERLAY_ENTRIES_MAX and OVERLAY_BYTES_MAX; above them what failed goes first, and then
 *         overlay_show() refuses.
 */
#pragma once

#include "cache/overlay.h"

#define OVERLAY_KEEP_S      600
#define OVERLAY_ENTRIES_MAX 100000
#define OVERLAY_BYTES_MAX   ((size_t)128 << 20)

struct overlay;
struct overlay_batch;

struct overlay *overlay_new(void);
void overlay_free(struct overlay *o); /* batches that failed go with it; no other may be left */

struct overlay_batch *overlay_batch_new(void);
void overlay_add_tag(struct overlay_batch *b, struct sl repo, struct sl tag,
                     const struct index_tag *t);
void overlay_add_tag_gone(struct overlay_batch *b, struct sl repo, struct sl tag);
void overlay_add_link(struct overlay_batch *b, struct sl repo, const struct digest *d,
                      const struct index_link *l);
/* Takes a reference to bytes. */
void overlay_add_manifest(struct overlay_batch *b, const struct digest *d,
                          const struct index_manifest *m, struct pg_bytes *bytes);

/* False: the overlay is full; the batch stays the caller's, to be freed. */
PG_MUST_USE bool overlay_show(struct overlay *o, struct overlay_batch *b);
void overlay_settle(struct overlay *o, struct overlay_batch *b); /* frees it */
void overlay_fail(struct overlay *o, struct overlay_batch *b);   /* it is the overlay's now */
void overlay_batch_free(struct overlay_batch *b); /* one that was never shown; NULL is allowed */

/* Was the batch's tag hidden by a newer one? False for a batch without. */
bool overlay_is_hidden(struct overlay *o, const struct overlay_batch *b);

/* What cache/access keeps in memory; the overlay only owns it. */
struct access_table *overlay_access(struct overlay *o);

/* How many entries are in sight, for tests. */
size_t overlay_count(struct overlay *o);
