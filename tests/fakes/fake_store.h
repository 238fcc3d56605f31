/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_store - a store in a few arrays: what the test puts there, and what is landed, is found.
 * Replaces cache/access, proof, overlay, land, blob, use, subject and the reader's part of fill.
 */
#pragma once

#include "cache/access.h"
#include "cache/blob.h"
#include "cache/catalog.h"
#include "cache/land.h"
#include "cache/overlay.h"
#include "cache/proof.h"
#include "cache/purge.h"
#include "cache/subject.h"
#include "cache/use.h"

#define FAKE_STORE_ROWS 16

struct fake_store_counts {
    unsigned tag_gets, link_gets, manifest_gets, blob_opens, touches, events;
    unsigned landed_manifests, landed_tags, landed_links, tags_gone, links_gone;
};

extern struct fake_store_counts fake_store;
extern char fake_store_event[512];     /* "<caller> <repo> <reference>" of the last pull */
extern unsigned fake_store_blobs_open; /* not closed yet */
extern unsigned fake_store_late;       /* so many more blob_open() find nothing */
extern bool fake_store_fails;          /* lookups are STORE_IO */

extern char fake_store_scope[1200]; /* "<upstream>|<repo>|<tag>" of the last page or purge */

/* What access_look() says of every repository, and what was noted. */
extern struct access fake_store_access;
extern bool fake_store_unshown; /* no upstream has shown anything */

void fake_store_reset(void);
void fake_store_put_tag(const char *repo, const char *tag, const struct digest *d,
                        int64_t validated_s);
void fake_store_put_link(const char *repo, const struct digest *d, enum index_link_kind kind,
                         uint64_t size);
void fake_store_put_manifest(const struct digest *d, const char *type, const char *bytes);
/* `by` is a manifest of the store whose subject is d; NULL: it has none. */
void fake_store_put_subject(const struct digest *by, const struct digest *d);
void fake_store_put_blob(const struct digest *d, uint64_t size);
bool fake_store_has_link(const char *repo, const struct digest *d);
bool fake_store_has_tag(const char *repo, const char *tag, const struct digest *d);
