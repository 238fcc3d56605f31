/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shelf - dossiers that were made, for all loops; by which manifest a blob or a child was named
 * lately; by which tag a manifest was asked for lately. The last two are hints, for what the index
 * will have in a moment: whoever takes one looks whether it is so.
 *
 * Of a dossier whose looking failed nothing is kept: a failure is never remembered.
 *
 * Bounds:   SHELF_DOSSIERS_MAX and SHELF_BYTES_MAX; the oldest goes. Of hints at one place four are
 *           kept, the latest, and four of those that were admitted.
 * Lock:     one, around its lists; innermost; no I/O in it.
 * Threads:  any.
 */
#pragma once

#include "proxy/admit/dossier.h"

#define SHELF_DOSSIERS_MAX 8192
#define SHELF_HINTS        65536
#define SHELF_BYTES_MAX    ((size_t)128 << 20)

struct shelf;

/* nhints: a power of two; the places for hints of each kind. */
struct shelf *shelf_new(size_t nhints);
void shelf_free(struct shelf *s); /* NULL is allowed */

/* Takes a reference of its own, in place of the one that it has for the same. */
void shelf_put(struct shelf *s, struct dossier *d);
/* A reference, or NULL: none that was made for this, under this revision. As evidence: whatever its
 * tag said. */
struct dossier *shelf_get(struct shelf *s, struct sl repository, const struct digest *subject,
                          const struct dossier_scope *scope, const uint8_t revision[32]);

/* It was admitted, as it was asked for: for what it names, it is told first. */
void shelf_note_admitted(struct shelf *s, const struct dossier *d);
/* Number i of the manifests (sha256) that named it. False: no more. */
bool shelf_witness(struct shelf *s, struct sl repository, const struct digest *named, size_t i,
                   struct digest *by_r);
/* Number i of those that are evidence and named it. */
bool shelf_evidence(struct shelf *s, struct sl repository, const struct digest *named, size_t i,
                    struct digest *by_r);

void shelf_note_tag(struct shelf *s, struct sl repository, const struct digest *manifest,
                    struct sl tag);
/* The tag number i that was noted of it, into out. False: no more. */
bool shelf_tag(struct shelf *s, struct sl repository, const struct digest *manifest, size_t i,
               char out[129]);
