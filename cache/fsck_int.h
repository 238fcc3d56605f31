/* SPDX-License-Identifier: Apache-2.0 */
/* fsck, what its files share: one run, what it has found, and ways to repair. */
#pragma once

#include "cache/fsck.h"
#include "cache/index_int.h"
#include "cache/publish.h"
#include "cache/writer.h"

struct fsck {
    struct store *store;
    const struct fsck_config *config;
    struct fsck_result result;
};

bool fsck_is_stopped(const struct fsck *k);

/* Tells of a finding. path: below the store's directory; "" when there is none. */
void fsck_found(struct fsck *k, enum fsck_kind kind, bool repaired, const char *path,
                const char *what, ...) PG_PRINTF(5, 6);

/* Takes a blob out, and waits for it; true when repairs are wanted at all. */
bool fsck_drop(struct fsck *k, const struct digest *d, enum publish_drop_why why);

/* One change of the index, and waits for its commit; false when repairs are not wanted. */
bool fsck_change(struct fsck *k, struct writer_op *op);

/* "blobs/<alg>/..." */
#define FSCK_PATH_MAX 640
const char *fsck_path_of(const struct digest *d, char out[FSCK_PATH_MAX]);

int fsck_blob_run(struct fsck *k, struct pg_err *err);     /* blob rows and files */
int fsck_manifest_run(struct fsck *k, struct pg_err *err); /* manifest rows and edges */
int fsck_link_run(struct fsck *k, struct pg_err *err);     /* links and tags */
