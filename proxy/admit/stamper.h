/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stamper - asks pullgate-tsa about an RFC 3161 timestamp, and waits for what it says. The program
 * stands beside the one that runs, or in ../libexec/pullgate/ of it.
 *
 *     spawn_open -> stamper_open -> spawn_start -> verify with stamper_ask() -> stamper_free
 *
 * Ownership:  the caller's; it must outlive every question. The spawn must outlive it.
 * Failure:    of open: -1 when the program cannot be permitted. That it is not there is no error
 *             of open, but of each question, and stamper_missing() says so before. Of a question:
 *             DENIED is pullgate-tsa's no; TIMEOUT and INTERNAL mean that nobody looked: it did not
 *             run, died, was too slow, or said what is no answer.
 * Threads:    open: main, before spawn_start(). ask: any that may wait, several at a time.
 */
#pragma once

#include "proxy/spawn.h"
#include "signing/stamp.h"

#define STAMPER_PROGRAM "pullgate-tsa"

struct stamper;

struct stamper_options {
    const char *program; /* NULL: looked for */
    unsigned time_ms;    /* 0: ten seconds */
};

PG_MUST_USE int stamper_open(struct spawn *spawn, const struct stamper_options *o,
                             struct stamper **s_r, struct pg_err *err);
void stamper_free(struct stamper *s); /* NULL is allowed */

/* Where it was looked for in vain; NULL: it is there. */
const char *stamper_missing(const struct stamper *s);

/* For verify_options; valid as long as s. */
struct stamp stamper_stamp(struct stamper *s);
