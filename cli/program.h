/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program - another program is run to its end, and what it says is kept: both of its outputs, up to
 * a limit in bytes, within a limit in time. No shell, no standard input, a process group of its
 * own, which is ended when time is up.
 *
 * Failure:    PROGRAM_ABSENT when it is not in PATH; PROGRAM_TIMEOUT; errors of the system as -1.
 * Threads:    main.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum program_end {
    PROGRAM_EXITED,
    PROGRAM_ABSENT,
    PROGRAM_TIMEOUT,
};

struct program_result {
    enum program_end end;
    int status; /* its exit status; 128 + the signal that ended it */
};

/* argv ends with NULL. `out` takes what fits; the rest is read and dropped. */
PG_MUST_USE int program_run(char *const argv[], int timeout_ms, struct pg_buf *out,
                            struct program_result *result_r, struct pg_err *err);
