/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsck - the inspector: every invariant of the store, looked at one by one.
 *
 *     rows       each reads well; the counts are those of the rows
 *     blobs      a row has its file with that size; a file has its row; with `deep`, its bytes have
 *                its digest and its checksums, and nothing else stands in blobs/
 *     manifests  a row's bytes have its digest and sha256, and say the kind that the row says; its
 *                blob is there, too; what they name has an edge, both ways, and no other has
 *     links      each repository has a name
 *     tags       each has a link in its repository
 *     journal    the chain is whole, and the tables are as far as it is
 *     partials   each is named as one, and its blob has no row
 *
 * On a store that works at the same time a finding may be of something under way: who wants to be
 * sure looks twice. What is found is told one by one; with `repair`, and where the finding can be
 * repaired without losing what cannot be fetched again, it is, and ->repaired says so.
 *
 * Failure:  -1 when looking itself failed; findings are no failure.
 * Threads:  one that may block; not a loop. Repair needs a store that is open for writing.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cache/store.h"

enum fsck_kind {
    FSCK_ROW_DAMAGED,      /* repair: removed; recovery learns it again from the file */
    FSCK_COUNTS,           /* repair: counted anew */
    FSCK_FILE_MISSING,     /* repair: the row is dropped */
    FSCK_FILE_SIZE,        /* repair: to quarantine/, the row is dropped */
    FSCK_FILE_DAMAGED,     /* deep. repair: to quarantine/, the row is dropped */
    FSCK_SUMS,             /* deep: the row's sha256 or checksums are not those of the file.
                              repair: written anew */
    FSCK_FILE_ORPHAN,      /* repair: verified and adopted, or to quarantine/ */
    FSCK_FILE_STRAY,       /* repair: to quarantine/ */
    FSCK_MANIFEST_DAMAGED, /* repair: the row is removed; it is fetched again */
    FSCK_MANIFEST_NO_BLOB, /* repair: the row is removed */
    FSCK_EDGE_MISSING,     /* repair: written */
    FSCK_EDGE_WRONG,       /* repair: removed */
    FSCK_REPO_NAMELESS,    /* a link or tag of a repository whose name is lost. repair: removed */
    FSCK_TAG_NO_LINK,      /* repair: removed; upstream is asked again */
    FSCK_JOURNAL_BROKEN,   /* not repaired: see `fsck --accept-loss` */
    FSCK_JOURNAL_BEHIND,   /* the tables are not as far as the journal, or further */
    FSCK_PARTIAL_STRAY,    /* repair: removed */
    FSCK_PARTIAL_DONE,     /* its blob has a row. repair: removed */
    FSCK_KINDS
};
const char *fsck_kind_name(enum fsck_kind kind); /* "file-missing" */

struct fsck_finding {
    enum fsck_kind kind;
    const char *what; /* a sentence */
    const char *path; /* below the store's directory; "" when there is none */
    bool repaired;
};

struct fsck_config {
    bool deep, repair;
    const atomic_bool *stop; /* may be NULL */
    void (*each)(void *arg, const struct fsck_finding *f);
    void *arg;
};

struct fsck_result {
    uint64_t blobs, bytes, manifests, links, tags, partials, files, journal_records;
    uint64_t found, repaired;
};

PG_MUST_USE int fsck_run(struct store *s, const struct fsck_config *c, struct fsck_result *result_r,
                         struct pg_err *err);
