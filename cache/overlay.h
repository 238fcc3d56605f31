/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay - what is known but not committed yet: links, tags and manifests between the moment
 * they leave for the writer and its commit. A client asks for a blob as soon as it has the
 * manifest that names it, and commits come in groups.
 *
 * And the front door for lookups: overlay_* asks the overlay, then the index, and copies what it
 * finds, so that the caller holds nothing of either.
 *
 * Lock:    one, around its map; innermost; no I/O and no LMDB inside it. An empty overlay is seen
 *          by an atomic count without taking it.
 * Threads: any.
 */
#pragma once

#include "base/bytes.h"
#include "cache/index.h"
#include "cache/store.h"
#include "oci/ref.h"

#define OVERLAY_INLINE_MAX ((size_t)16 * 1024)

struct overlay_manifest {
    enum manifest_kind kind;
    struct digest sha256;
    struct sl media_type;  /* in the arena */
    struct sl bytes;       /* in the arena, or in `held` */
    struct pg_bytes *held; /* to be unref'ed by the caller when not NULL */
};

/* 1 found, 0 absent, -1 STORE_IO. repo is canonical: "docker.io/library/nginx". */
int overlay_get_tag(struct store *s, struct sl repo, struct sl tag, struct index_tag *r,
                    struct pg_err *err);
int overlay_get_link(struct store *s, struct sl repo, const struct digest *d, struct index_link *r,
                     struct pg_err *err);
/* A manifest larger than OVERLAY_INLINE_MAX is given as `held`, never through the arena. */
int overlay_get_manifest(struct store *s, const struct digest *d, struct pg_arena *arena,
                         struct overlay_manifest *r, struct pg_err *err);

/* The manifests of a kind that wait for their commit, at most max of them; bytes are the caller's
 * references. Returns how many there are: what they name no edge says yet. */
struct overlay_shown {
    struct digest digest, sha256;
    struct pg_bytes *bytes;
};
size_t overlay_manifests(struct store *s, enum manifest_kind kind, struct overlay_shown *all,
                         size_t max);

/* The first tag of the repository after `after` ({NULL, 0}: of all), in order of bytes. Of those
 * that are committed. */
struct overlay_tag {
    struct index_tag tag;
    size_t nname;
    char name[REF_TAG_MAX];
};
int overlay_next_tag(struct store *s, struct sl repo, struct sl after, struct overlay_tag *r,
                     struct pg_err *err);
