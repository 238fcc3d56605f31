/* SPDX-License-Identifier: Apache-2.0 */
/*
 * growth - how full the store was, a line for each day: in <path>/growth.
 *
 *     2026-11-25 BYTES BLOBS RECLAIMED
 *
 * The line of today is written again as it changes; one of a day that is not yet, of a clock that
 * went wrong, goes. RECLAIMED is the bytes that came free that day. Nothing depends on the file: it
 * is not synced, a line that cannot be read is left out, and losing it costs a forecast.
 *
 * Bounds:     GROWTH_DAYS_MAX lines, the newest.
 * Ownership:  a struct growth is a value.
 * Threads:    note: one, the store's. read: any.
 */
#pragma once

#include <stdint.h>

#include "cache/store.h"

#define GROWTH_DAYS_MAX 400
#define GROWTH_DAY_S    ((int64_t)86400)
#define GROWTH_FILE     "growth"

struct growth_day {
    int64_t begin_s; /* its midnight, UTC */
    uint64_t bytes, blobs, reclaimed;
};

struct growth {
    struct growth_day days[GROWTH_DAYS_MAX];
    size_t n; /* oldest first */
};

/* What is there; an absent or damaged file is empty. */
void growth_read(int dir_fd, struct growth *g_r);

/* Today the store has these; so many bytes came free since the last note. */
PG_MUST_USE int growth_note(struct store *s, int64_t now_s, uint64_t reclaimed, struct pg_err *err);

/* Bytes a day, as a line through the days that there are; 0 and false: too few of them, two days at
 * least apart. May be negative. */
bool growth_rate(const struct growth *g, double *bytes_r);
