/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index - the LMDB tables, read side. What the index says exists, exists durably.
 *
 *     blob      digest              -> size, sha256, chunk size and checksums
 *     manifest  digest              -> media type, kind, sha256, bytes
 *     link      hash(repo), digest  -> first seen, last pull, kind (manifest or blob)
 *     tag       hash(repo), tag     -> digest, validated at, first seen
 *     tagged    hash(repo), digest, tag       (which tags name it; kept with the rows of tag)
 *     past      hash(repo), tag     -> what it was before (cache/past)
 *     edge      parent, child       -> kind of edge (config, layer, child, subject); and reverse
 *     memo      digest, kind        -> opaque facts with an expiry
 *     event     time, number        -> who pulled what
 *     meta      name                -> schema version and counts
 *
 * Keys are written and read by cache/key; a value begins with a version byte and ends with a
 * checksum. No DUPSORT, no WRITEMAP, no NOSYNC; the map is 64 GiB, sparse.
 *
 * A view is a read transaction on the stack. It must not outlive a loop iteration:
 * index_open_views() counts those of the calling thread, and the loop checks that it is zero before
 * it polls.
 *
 *     _index_view_ struct index_view v = index_view_begin(store->index);
 *     int found = index_get_link(&v, repo, &digest, &link, &err);
 *
 * Lifetime:   slices in results point into the map and die with the view.
 * Failure:    lookups return 1 found, 0 absent, -1 STORE_IO (LMDB's error, or a row that fails its
 *             checksum).
 * Threads:    a view belongs to the thread that began it; any thread may begin one, each has its
 *             own transaction, reset and renewed. Reads see the last commit; what is newer is in
 *             cache/overlay.
 */
#pragma once

#include "base/err.h"
#include "oci/digest.h"
#include "oci/manifest.h"

struct index;
struct MDB_txn;

struct index_view {
    struct index *index;
    struct MDB_txn *txn; /* NULL: it could not begin, lookups fail */
    uint64_t began_us;
    unsigned slot; /* private to index.c */
};

struct index_blob {
    uint64_t size;
    struct digest sha256; /* always, whatever the blob's name is made with */
    uint32_t chunk_bytes; /* 0: no checksums */
    struct sl chunk_sums; /* XXH3-64 each, little endian */
};

struct index_manifest {
    enum manifest_kind kind;
    struct digest sha256;
    struct sl media_type, bytes;
};

enum index_link_kind { INDEX_LINK_MANIFEST, INDEX_LINK_BLOB };

struct index_link {
    enum index_link_kind kind;
    int64_t first_seen_s;
    uint64_t size; /* as the manifest that names it says; 0 unknown */
    bool landed;   /* pulled or confirmed here; else only named by a manifest of this repository */
};

enum index_edge_kind {
    INDEX_EDGE_CONFIG = 1,
    INDEX_EDGE_LAYER,
    INDEX_EDGE_CHILD,   /* index -> manifest */
    INDEX_EDGE_SUBJECT, /* referrer -> its subject */
};

/* What a manifest's bytes name. Edges know no repository and give no right: links do. */
struct index_edge {
    struct digest parent, child;
    enum index_edge_kind kind;
};

struct index_tag {
    struct digest digest;
    int64_t validated_s;  /* wall clock, when upstream last said so */
    int64_t first_seen_s; /* since when it is this digest */
};

struct index_view index_view_begin(struct index *index);
void index_view_end(struct index_view *v);
#define _index_view_ __attribute__((cleanup(index_view_end)))
unsigned index_open_views(void); /* of the calling thread */

int index_get_blob(struct index_view *v, const struct digest *d, struct index_blob *r,
                   struct pg_err *err);
int index_get_manifest(struct index_view *v, const struct digest *d, struct index_manifest *r,
                       struct pg_err *err);
int index_get_link(struct index_view *v, struct sl repo, const struct digest *d,
                   struct index_link *r, struct pg_err *err);
int index_get_tag(struct index_view *v, struct sl repo, struct sl tag, struct index_tag *r,
                  struct pg_err *err);

/* 1: it is there; 0, -1. */
int index_get_edge(struct index_view *v, const struct index_edge *e, struct pg_err *err);
/* The next edge of a parent, or of a child (who names it?), after `after`; NULL: the first.
 * 1 found, 0 the end, -1 STORE_IO. */
int index_next_child(struct index_view *v, const struct digest *parent,
                     const struct index_edge *after, struct index_edge *r, struct pg_err *err);
int index_next_parent(struct index_view *v, const struct digest *child,
                      const struct index_edge *after, struct index_edge *r, struct pg_err *err);

/* The first tag of the repository after `after` ({NULL, 0}: the first of all), in order of bytes.
 * *name_r points into the map. */
int index_next_tag_of(struct index_view *v, struct sl repo, struct sl after, struct sl *name_r,
                      struct index_tag *r, struct pg_err *err);

/* The same, of those that name this digest, after *name: a lookup, however many tags the repository
 * has. */
int index_next_tag_naming(struct index_view *v, struct sl repo, const struct digest *d,
                          struct sl *name, struct index_tag *r, struct pg_err *err);
