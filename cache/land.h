/* SPDX-License-Identifier: Apache-2.0 */
/*
 * land - a manifest that upstream gave, or a tag that it confirmed, becomes part of the store.
 *
 * Visible at once (through cache/overlay), durable soon: the slow pool writes and syncs the file,
 * the writer commits blob, manifest, link, edge and tag rows in one transaction, the journal
 * keeps (repository, tag, digest, time) and first-seen. Until then the overlay answers.
 * Links are written for the manifest itself and for what it names: config, layers, children,
 * each as a link of this repository. A subject gets an edge and no link.
 *
 * Failure: none that the caller sees: a disk that fails is counted, logged, sets degraded, and
 *          the object is fetched again another time.
 * Threads: any; land copies what it needs before it returns.
 */
#pragma once

#include "base/bytes.h"
#include "cache/index.h"
#include "cache/store.h"
#include "oci/manifest.h"

struct land;

/* By store_open() when index, journal, writer and overlay are there; by store_close() before the
 * writer ends: it hands over what is still buffered. Nothing may land after that. */
struct land *land_new(struct store *s);
void land_free(struct store *s);

/* At the start, once the writer runs: brings into the tables what the journal has and they do not;
 * nothing, after an orderly end. An index that is further than its journal means that the end of
 * the journal was lost: STORE_IO, unless config.accept_loss. */
PG_MUST_USE int land_replay(struct store *s, struct pg_err *err);

/* After the index was lost, in the background: manifests whose link the journal has and whose file
 * is whole get their row back, their edges, and the links that they give in that repository.
 * *stop ends it early. Not on a loop. */
PG_MUST_USE int land_rebuild(struct store *s, const atomic_bool *stop, struct pg_err *err);

struct land_manifest {
    struct sl repo;         /* canonical */
    struct sl tag;          /* {NULL, 0}: pulled by digest */
    struct digest digest;   /* as named; verified against bytes by the caller */
    struct digest sha256;   /* computed */
    struct pg_bytes *bytes; /* land takes a reference of its own */
    const struct manifest *parsed;
    int64_t now_s;
};

void land_manifest(struct store *s, const struct land_manifest *m);

/* Upstream confirmed (by HEAD) that repo:tag is this digest, whose manifest and link we have. */
void land_tag(struct store *s, struct sl repo, struct sl tag, const struct digest *d,
              int64_t now_s);

/* Upstream confirmed that the repository has this blob (HEAD), or its manifest in the store is
 * linked here now: a link without a new object. A manifest's link brings those of what it names,
 * their sizes unknown. */
void land_link(struct store *s, struct sl repo, const struct digest *d, enum index_link_kind kind,
               uint64_t size, int64_t now_s);

/* Upstream says that the tag is gone. */
void land_tag_gone(struct store *s, struct sl repo, struct sl tag);

/* Upstream was asked whether it has what the tag was before (cache/past). */
void land_past_asked(struct store *s, struct sl repo, struct sl tag, const struct digest *d,
                     bool is_there);

/* The tag was pulled as one that may not move from this digest. */
void land_past_fixed(struct store *s, struct sl repo, struct sl tag, const struct digest *d);
/* As land_tag_gone(), by an operator's word: what it was is forgotten, too. */
void land_tag_forgotten(struct store *s, struct sl repo, struct sl tag);

/* Upstream says that the repository has no such manifest any more: its tags go with it. */
void land_link_gone(struct store *s, struct sl repo, const struct digest *d);

/* The file of a blob was found missing or damaged (cache/blob), and is not in its place any more:
 * the writer drops the row, unless a whole file of the row's size stands there again by then. */
void land_blob_gone(struct store *s, const struct digest *d);

/* A pull ended: who, what. Buffered; written in groups by the writer, never by the hit itself. */
struct land_event {
    int64_t when_s;
    struct sl caller, repo, reference;
    struct digest digest;
};
void land_event(struct store *s, const struct land_event *e);
