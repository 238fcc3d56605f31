/* SPDX-License-Identifier: Apache-2.0 */
/*
 * landing - the rows that one arrival makes: a manifest with all it names, a link, a tag. What
 * land writes now, what the overlay shows before that, and what a rebuild writes again, are the
 * same rows; this is the one place that knows them.
 *
 * Ownership:  all of it is in the arena given, but the manifest's bytes.
 * Threads:    pure, but for landing_apply(): the writer's.
 */
#pragma once

#include "base/arena.h"
#include "cache/index_int.h"
#include "cache/journal.h"
#include "cache/overlay_int.h"
#include "oci/manifest.h"

/* What a manifest names: each an edge; each but the subject a link of the same repository. */
struct landing_named {
    struct digest digest;
    enum index_edge_kind edge;
    enum index_link_kind link;
    uint64_t size;
};

struct landing {
    struct sl repo, tag; /* tag {NULL, 0}: none */
    bool tag_gone, link_gone;
    bool is_fixed;            /* the tag may not move from the digest; only that */
    bool is_forgotten;        /* tag_gone, by an operator's word: with what it was */
    bool was_asked, is_there; /* upstream said whether it has what the tag was before; only that */
    struct digest digest;
    int64_t now_s;    /* by the wall clock */
    int64_t steady_s; /* the same instant, by base/steady */
    bool has_link, has_manifest;
    struct index_link link;
    struct index_manifest manifest;
    struct landing_named *named;
    size_t nnamed;
};

/* Fills manifest, named and link from what was parsed. bytes and sha256 are of the manifest. */
void landing_of_manifest(struct landing *l, const struct manifest *parsed, struct sl bytes,
                         const struct digest *sha256, struct pg_arena *arena);

/* One more that is named; l->named has room for it. */
void landing_name(struct landing *l, const struct digest *d, enum index_edge_kind edge,
                  uint64_t size);

void landing_show(const struct landing *l, struct pg_bytes *bytes, struct overlay_batch *b);

/* j: where what is new is written first; NULL: it comes from there. A manifest whose blob has no
 * row gets none either. with_tag false: a newer arrival has settled the tag. */
PG_MUST_USE int landing_apply(const struct landing *l, struct journal *j, bool with_tag,
                              struct index_txn *txn, struct pg_err *err);
