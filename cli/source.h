/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source - where an exam (exam.h) takes an image and what is said about it from: an image layout,
 * or a store with a server before it (cached.h).
 *
 * Threads: main.
 */
#pragma once

#include "cli/layout.h"
#include "signing/evidence.h"

struct source {
    /* 1: a_r->bytes is the caller's reference, its texts live until the next call; 0: there is
     * none; -1: it could not be looked at, or is larger than step->size_max (TOO_LARGE). */
    int (*fetch)(void *owner, const struct evidence_step *step, struct evidence_answer *a_r,
                 struct pg_err *err);
    /* Why what it gave may be old, or not all; NULL: it is neither. Or is NULL itself. */
    const char *(*stale)(void *owner);
    void *owner;
};

struct source source_of_layout(struct layout *l);
