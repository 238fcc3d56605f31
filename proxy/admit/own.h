/* SPDX-License-Identifier: Apache-2.0 */
/*
 * own - what the store itself has of what may be evidence, as a registry would answer: for when
 * upstream does not, and for commands that look at the store of a server.
 *
 * Only of one repository: the store is shared, the right to read is not.
 *
 * Ownership:  bytes are the caller's reference.
 * Failure:    NULL: it is not there, or cannot be read; nothing follows from it.
 * Threads:    any. Microseconds; no upstream, no file.
 */
#pragma once

#include "cache/overlay.h"

/* Where a manifest is read into. */
#define OWN_ARENA_BYTES (OVERLAY_INLINE_MAX * 2)

/* The manifest that a tag names ({NULL, 0}: the one of the digest). *type_r is in the arena. */
struct pg_bytes *own_manifest(struct store *s, struct sl repository, struct sl tag,
                              const struct digest *digest, struct pg_arena *arena,
                              struct sl *type_r);

/* An image index of the manifests whose subject it is, which may be empty; NULL: too long. */
struct pg_bytes *own_referrers(struct store *s, struct sl repository, const struct digest *subject,
                               size_t max);
