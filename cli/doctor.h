/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor - looks at all that a server needs before anybody asks for it: OK, WARN or FAIL, each with
 * what to do about it.
 *
 * A check is a row of the table in doctor.c: a name and a function that says what it finds, by
 * doctor_say(), any number of times. It may not change anything. Checks that need the configuration
 * do not run when that has mistakes.
 *
 * Exit status: 0 unless something is FAIL, then 1; 2: could not look. With --canary it is
 * canary.c's. Threads: main.
 */
#pragma once

#include "cli/command.h"
#include "cli/config.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor {
    const struct command_args *args;
    const struct config *config; /* NULL: it has mistakes */
    const char *check;           /* the one that runs */
    struct pg_buf out;
    unsigned said[DOCTOR_FAIL + 1], shown;
};

/* subject: a path, a host; "" for none. remedy: what to do; NULL with OK. fmt: what is so. */
void doctor_say(struct doctor *d, enum doctor_level level, const char *subject, const char *remedy,
                const char *fmt, ...) PG_PRINTF(5, 6);

int doctor_run(const struct command_args *args);
