/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of a test's own, below $TMPDIR or /tmp: made by scratch_make(), removed whole by
 * scratch_remove(). */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness/test.h"

static char scratch[256];

static inline void scratch_make(void)
{
    const char *tmp = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe) */

    assert_true(snprintf(scratch, sizeof(scratch), "%s/pullgate-test-XXXXXX",
                         tmp != NULL ? tmp : "/tmp") < (int)sizeof(scratch));
    assert_non_null(mkdtemp(scratch));
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int type,
                                     struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void scratch_remove(void)
{
    assert_int_equal(nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* The path of something in it; good for the next few calls. */
static inline const char *scratch_path(const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];

    assert_true(snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name) < (int)sizeof(paths[0]));
    return path;
}
