/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auditing - the commands `audit ...`, which read the files of an audit log: beside the server, or
 * a copy of them elsewhere.
 *
 * Threads: main.
 */
#pragma once

#include "audit/search.h"
#include "base/buf.h"
#include "cli/command.h"

int auditing_verify(const struct command_args *args);
int auditing_head(const struct command_args *args);

/* The directory that is the operand, or that of the configuration. COMMAND_GOOD, or what to
 * return, which was said. */
int auditing_open(const struct command_args *args, int *dir_fd_r);
/* What audit verify would say of it, in short. */
struct auditing_check {
    uint64_t findings, last; /* number of the last entry */
};
int auditing_check(const struct command_args *args, int dir_fd, struct auditing_check *check_r);

/* What the options ask for; its slices are theirs. COMMAND_GOOD, or said. */
int auditing_wanted(const struct command_args *args, struct search_wanted *w_r);
