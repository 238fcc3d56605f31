/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program - another program is run to its end, and what it says is kept: both of its outputs, up to
 * a limit in bytes, within a limit in time. No shell, a process group of its own, which is ended
 * when time is up. program_run() gives it no standard input.
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

/* It reads `input`, of PROGRAM_INPUT_MAX at most, and only what it writes to standard output is
 * kept: to standard error it may say what it likes. */
#define PROGRAM_INPUT_MAX 4096
PG_MUST_USE int program_run_fed(char *const argv[], struct sl input, int timeout_ms,
                                struct pg_buf *out, struct program_result *result_r,
                                struct pg_err *err);
