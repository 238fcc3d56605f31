/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scanning - which images are scanned, when, and again: the server's configured scanners at work.
 *
 *     loops --scanning_want()--> pg-scans (a thread) --> one scanner (scanner.h) for each
 * configured ^    |                        | a newer database, a day -----+    +--- later: not all
 * there|--> result_put(): policy's facts
 *
 * An image is scanned by all of them when it is first pulled, at once if somebody waits for it;
 * again when a scanner's database is newer, and once a day. One scan runs for a digest, a scanner
 * and its database however many ask. What fails is tried again, later each time; what is not all in
 * the store yet is not a failure, and neither is a result.
 *
 * Ownership:  open to close. The store outlives stop.
 * Failure:    open: a scanner that cannot be run, or a kernel that cannot cage it. Later: log,
 *             metrics, and the failure as the source's result.
 * Threads:    open, close: main. start: main, after spawn_start(). want: any, never waits. stop:
 *             main; afterwards nothing is scanned, and want does nothing.
 */
#pragma once

#include "proxy/admit/scanner.h"
#include "proxy/admit/wish.h"
#include "proxy/config.h"

#define SCANNING_IMAGES_MAX 4096 /* remembered; the longest not asked for goes first */
#define SCANNING_WANTS_MAX  1024 /* on their way; more are dropped, and asked again */
#define SCANNING_AGAIN_MS   ((uint64_t)86400000)
#define SCANNING_KEEP_S     ((int64_t)30 * 86400) /* reports of what is not scanned again */

struct scanning;
struct store;

struct scanning_options {
    struct spawn *spawn;
    const struct config_scans *scans;
    const char *folder; /* below the store's */
    uint64_t reserve_bytes;
    bool is_free; /* no cages: the operator wants none */
};

PG_MUST_USE int scanning_open(const struct scanning_options *o, struct scanning **s_r,
                              struct pg_err *err);
/* What policies wish for: before start; the list outlives stop. */
void scanning_hear(struct scanning *s, struct wish_list *wishes);
void scanning_start(struct scanning *s, struct store *store);
void scanning_stop(struct scanning *s);  /* NULL is allowed */
void scanning_close(struct scanning *s); /* stopped, and nobody wants anything; NULL is allowed */

/* The manifest of an image, not of an index, by its sha256. NULL: there are no scanners. */
void scanning_want(struct scanning *s, const struct digest *manifest, struct sl repository,
                   enum scanner_turn turn);
