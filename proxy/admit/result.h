/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result - what one source (a scanner, an adapter, whoever pushes reports) found out about one
 * image: the last report that counts, made small, and the failure after it, if there was one. It is
 * kept in the index (cache/scanned), each source by itself.
 *
 *     who scans, or is given a report:        result_put(store, &digest, SL("trivy"), &news, &err)
 *     who decides: result_next() in a view, until it says 0
 *
 * A failure takes no good result away, and is never one: of a source that only failed there is
 * nothing but the failure. A good result takes the failure away. When a finding was first seen is
 * kept from one result of its source to the next.
 *
 * What does not fit RESULT_BYTES_MAX is counted by severity and no more: what is listed is the
 * worst, and what is not listed nothing can excuse.
 *
 * Ownership:  result_next: texts are in the map and die with the view; lists are in the arena.
 * Failure:    put: STORE_IO, TOO_LARGE, DENIED. next: a row that cannot be read is an error.
 * Threads:    put: any but a loop's or the writer's: it waits for the commit, and is in force for
 *             the next request when it returns. next: any; no I/O but the index.
 */
#pragma once

#include "cache/scanned.h"
#include "scan/report.h"

#define RESULT_WHY_MAX ((size_t)300)

enum result_kind { RESULT_SCANNER, RESULT_ADAPTER, RESULT_PUSHED };

struct result_news {
    enum result_kind kind;
    const struct report *report; /* one that counts (REPORT_GOOD); NULL: it failed */
    struct sl failed;            /* why, for people; cut at RESULT_WHY_MAX */
    bool is_ours;                /* failing is no image's fault: no database, no server */
    bool is_empty;               /* it failed for REPORT_NO_PACKAGES alone */
    struct digest kept;          /* of the whole report, where it is kept as a file */
    bool is_kept;
    int64_t now_s; /* by our clock, when it came */
};

PG_MUST_USE int result_put(struct store *s, const struct digest *sha256, struct sl source,
                           const struct result_news *news, struct pg_err *err);

struct result {
    struct sl source;
    enum result_kind kind;
    int64_t good_s;  /* when the report that counts came; 0: there is none, and nothing below */
    int64_t first_s; /* the first of them, without a break in what is kept */
    struct sl scanner, database; /* name; version of its database, may be "" */
    int64_t database_s;          /* 0: not said */
    size_t npackages;
    struct digest kept;
    bool is_kept;
    const struct report_finding *findings; /* without raw */
    const int64_t *since_s;                /* of each: when this source first said so */
    size_t nfindings;
    size_t unlisted[SEVERITY_N];
    int64_t failed_s;       /* what came last was a failure; 0: it was not */
    bool is_ours, is_empty; /* empty: it saw no packages, and nothing else was wrong */
    struct sl failed;
};

/* The first source after `after` ({NULL, 0}: the first), by name. 1, 0: there are no more, -1. */
int result_next(struct index_view *v, const struct digest *sha256, struct sl after,
                struct pg_arena *arena, struct result *r, struct pg_err *err);

/* Bytes as result_put() writes them; -1: they are not. */
PG_MUST_USE int result_read(struct sl bytes, struct pg_arena *arena, struct result *r);
