/* SPDX-License-Identifier: Apache-2.0 */
/*
 * version - which layout a store's directory has: a number in <path>/version, and a line that says
 * which release was the first to know it, for the one that does not.
 *
 *     1    the first
 *     2    the second line in `version`, and CACHEDIR.TAG, by which programs that make backups of
 *          whole machines leave a cache out
 *
 * An older layout is brought up step by step; the number is written, durably, after each step. A
 * process may be killed in the middle of one: so a step must come to the same end when it is begun
 * anew. A newer layout is refused: what a newer pullgate wrote, an older one might misread.
 *
 * Threads: confined to store_open(), which holds the lock of the directory.
 */
#pragma once

#include "base/err.h"

#define VERSION_NOW    2
#define VERSION_READER "0.1.0" /* the first release that knows it */

struct version_step {
    unsigned from; /* makes from + 1 out of it */
    int (*run)(int dir_fd, struct pg_err *err);
};

struct version_config {
    int dir_fd;
    const char *path; /* for messages */
    unsigned now;
    const struct version_step *steps;
    unsigned nsteps;
    bool read_only; /* an older layout is refused as well */
};

/* Marks the directory as a cache: CACHEDIR.TAG. */
PG_MUST_USE int version_tag(int dir_fd, struct pg_err *err);

/* The steps that this program knows. */
struct version_config version_known(int dir_fd, const char *path, bool read_only);

/* For who may open the store later: would that change its layout, or fail? -1: it would. */
PG_MUST_USE int version_is_current(const char *path, struct pg_err *err);

/* An empty directory becomes one of this version; one that is neither empty nor a store is
 * refused. */
PG_MUST_USE int version_settle(const struct version_config *c, struct pg_err *err);
