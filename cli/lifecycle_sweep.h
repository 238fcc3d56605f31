/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifecycle_sweep - what a plan says goes from another registry, goes: repository by repository,
 * indexes before their children, after all tags were looked at once more. What a tag names by then
 * that did not when the plan was made, or what an index under such a tag names, stays.
 *
 *     each repository with something to go:  list its tags, resolve them, protect what is new
 *                                            delete, at most `rate` a second
 *
 * Failure:  of one manifest: told, counted, gone on with, up to LIFECYCLE_SWEEP_FAILS in all.
 * Threads:  main.
 */
#pragma once

#include "cli/foreign.h"
#include "retention/plan.h"

#define LIFECYCLE_SWEEP_FAILS 20

enum lifecycle_sweep_outcome {
    LIFECYCLE_SWEEP_REMOVED,
    LIFECYCLE_SWEEP_CHANGED, /* a tag names it since the plan was made: it stays */
    LIFECYCLE_SWEEP_FAILED,
};

typedef void lifecycle_sweep_tell(void *owner, const struct image *image,
                                  enum lifecycle_sweep_outcome outcome, const char *why);

struct lifecycle_sweep {
    struct foreign *foreign; /* the images that the plan was made of, in their order */
    const struct plan *plan;
    long rate;
    lifecycle_sweep_tell *tell;
    void *owner;
    uint64_t removed, changed, failed;
};

void lifecycle_sweep_run(struct lifecycle_sweep *s);
