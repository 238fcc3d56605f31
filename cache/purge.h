/* SPDX-License-Identifier: Apache-2.0 */
/*
 * purge - an operator's word that something is to be forgotten: a tag, a digest, a repository, all
 * of an upstream.
 *
 *     a tag         its row; its manifest, if no other tag of the repository names it and no index
 *                   there that stays; and what that named, if nothing that stays names it
 *     repo@digest   as a tag's manifest; refused while a tag names it
 *     digest        the content alone, in whosesoever repository: who may read it fetches it again
 *     repository    all its tags and links;  upstream: those of all its repositories
 *
 * With a link goes the content, unless another repository is linked to it. What is journalled: the
 * tags and links that are gone. Downloads under way, and readers of what leaves, end as they would
 * have. What is pulled at the same time may be forgotten or not; it is fetched again then.
 *
 * A scope of many repositories is worked through in parts: as long as `next` is not empty, call
 * again with it as the cursor.
 *
 * Rules of retention say the same of many images at a time: purge_images_run(). What a batch of
 * them costs is one walk over the links and a few commits, however many they are.
 *
 * Failure:  MANIFEST_UNKNOWN: nothing of that name is here; DENIED: a tag names it; BAD_FRAMING:
 * the cursor; STORE_IO. Threads:  any but a serving loop's or the writer's: it waits for commits.
 */
#pragma once

#include "cache/catalog.h"

#define PURGE_PART 16384 /* links of one repository that are forgotten at a time */

struct purge_question {
    struct catalog_scope scope; /* not empty */
    bool forgets;               /* an operator's word: a tag goes with what it was (cache/past) */
    bool dry_run;               /* says what would leave; changes nothing */
    struct sl cursor;
    size_t part;             /* links at a time; 0: PURGE_PART */
    const atomic_bool *stop; /* ends it after the step under way; may be NULL */
};

struct purge_result {
    uint64_t tags, links;  /* forgotten */
    uint64_t blobs, bytes; /* removed from the store, manifests among them */
    uint64_t kept;         /* forgotten here, but another repository has them, too */
};

PG_MUST_USE int purge_run(struct store *s, const struct purge_question *q, struct purge_result *r,
                          struct pg_buf *next, struct pg_err *err);

/* A manifest of one repository, with those of its tags that go with it. Tags that name something
 * else by now stay as they are. */
struct purge_image {
    struct sl repo;
    struct digest digest;
    const struct sl *tags;
    size_t ntags;
    /* Out. It stays when something that stays names it: then its tags do, too. */
    bool stays;
    uint64_t bytes; /* removed from the store; what several had is counted with one of them */
};

/* Images of one repository stand beside each other. -1: none of them, or some, are gone; asked for
 * again those are gone without a word. *stop ends it before anything has changed: CANCELED. */
PG_MUST_USE int purge_images_run(struct store *s, struct purge_image *images, size_t n,
                                 const atomic_bool *stop, struct pg_err *err);
