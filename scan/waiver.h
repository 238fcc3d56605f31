/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiver - somebody takes responsibility for one vulnerability in one package of some images, for
 * a time:
 *
 *     waivers:
 *     - vulnerability: CVE-2023-0464
 *       package: libssl3                      # or pkg:deb/debian/libssl3, with or without @VERSION
 *       images: ["docker.io/library/debian"]
 *       owner: security@acme.example
 *       reason: certificates are checked in front of it
 *       expires: 2026-12-31                   # the last day, in UTC; or a time in RFC 3339
 *
 * All six are mandatory. One that has expired waives nothing. It is for the vulnerability under any
 * of its names.
 *
 * How images are named is not known here: who reads waivers brings that.
 *
 * Ownership:  all lives in the arena, which outlives the list; waiver_list_free() frees its index.
 * Failure:    DENIED, "FILE:LINE:COLUMN: what"; nothing is read of a file with a mistake.
 * Threads:    any. Pure: the time is the caller's.
 */
#pragma once

#include "scan/alias.h"
#include "scan/purl.h"
#include "scan/report.h"

#define WAIVER_BYTES_MAX  ((size_t)1 << 20)
#define WAIVER_LIST_MAX   5000
#define WAIVER_IMAGES_MAX 100
#define WAIVER_SOON_S     ((int64_t)14 * 86400) /* one that ends sooner warns */

struct waiver {
    struct sl vulnerability, package, owner, reason;
    struct purl purl; /* without a type: package is a name */
    const struct sl *images;
    size_t nimages;
    int64_t expires_s; /* the first second at which it does not hold */
    unsigned line;
};

struct waiver_list {
    const struct waiver *waivers;
    size_t n;
    struct alias_index names;
};

/* What people write as an image becomes a pattern; -1 if it would match nothing. */
typedef int waiver_canonical_fn(struct sl text, struct pg_arena *arena, struct sl *pattern_r,
                                struct pg_err *err);

PG_MUST_USE int waiver_read(const char *file, struct sl text, waiver_canonical_fn *canonical,
                            struct pg_arena *arena, struct waiver_list *list_r, struct pg_err *err);
void waiver_list_free(struct waiver_list *list);

struct waiver_question {
    const struct report_finding *finding;
    const struct purl *purl; /* of its package; NULL: not known */
    struct sl repository;    /* canonical */
    bool aliases_count;      /* its aliases are from the scanner's database, and nobody else's */
    int64_t now_s;
};

/* The waiver for it: of those that hold, the one that does so longest; else, and has_ended_r says
 * so, the one that ended last; else NULL. */
const struct waiver *waiver_find(const struct waiver_list *list, const struct waiver_question *q,
                                 bool *has_ended_r);
bool waiver_ends_soon(const struct waiver *w, int64_t now_s); /* it holds, for two weeks at most */
