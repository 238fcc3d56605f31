/* SPDX-License-Identifier: Apache-2.0 */
/*
 * affected - which manifests of the store have a vulnerability, or a package, by what all sources
 * of scan results say, and the packages that they saw.
 *
 * What is asked for is a name of a vulnerability (any that a source has for it, in any case), or a
 * package: NAME, NAME@VERSION, or a package URL with or without a version.
 *
 * It looks at all that is kept, page by page, and holds nothing between them. What no source has
 * looked at is not told clean: it is counted.
 *
 * Ownership:  texts and lists are in the arena given.
 * Failure:    STORE_IO. A result that cannot be read makes its image one that was not looked at.
 * Threads:    any but a loop's: it takes tens of microseconds for an image.
 */
#pragma once

#include "cache/store.h"
#include "proxy/admit/result.h"
#include "scan/purl.h"

#define AFFECTED_TEXT_MAX 512
#define AFFECTED_HITS_MAX 32 /* of one image that are told; more are counted */

struct affected_question {
    struct sl text;          /* the whole of it: a vulnerability, or a package's name */
    struct sl name, version; /* of NAME@VERSION; else {NULL, 0} */
    struct purl purl;
    struct sl word; /* with is_url: of its name */
    bool is_url;
    bool is_vulnerability; /* by its looks: no package is called so */
};

PG_MUST_USE int affected_parse(struct sl text, struct pg_arena *arena,
                               struct affected_question *q_r, struct pg_err *err);

struct affected_hit {
    struct sl source, id, package, version, fixed; /* id: "" of a package without a finding */
    enum severity severity;
    int64_t since_s; /* since when the source says so */
    bool is_exploited, is_suppressed;
};

/* Of all images that were looked at. */
struct affected_counts {
    size_t scanned;   /* some source has looked at it */
    size_t unscanned; /* there is no result that counts */
    size_t cut;       /* not all findings, or packages, are kept, and none that is fits */
};

struct affected_image {
    struct affected_image *next;
    struct pg_map_node node; /* the caller's */
    struct digest digest, sha256;
    const struct affected_hit *hits;
    size_t nhits, nall;            /* nall: with those that are not told */
    void *owner;                   /* the caller's */
    struct affected_counts counts; /* up to this one */
};

struct affected_span {
    const struct digest *after; /* NULL: from the beginning */
    size_t nmax;                /* images; then the page is full */
    const atomic_bool *stop;    /* ends it early, as if it were the last page; may be NULL */
};

struct affected_page {
    struct affected_image *first, *last;
    size_t n;
    struct affected_counts counts;
    struct digest end;
    bool is_full; /* there may be more behind `end` */
};

PG_MUST_USE int affected_find(struct store *s, const struct affected_question *q,
                              const struct affected_span *span, struct pg_arena *arena,
                              struct affected_page *page_r, struct pg_err *err);
