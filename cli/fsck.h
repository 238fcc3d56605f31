/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsck - `pullgate fsck`: looks at every invariant of a store, and with --repair mends what can be
 * mended without losing what cannot be fetched again.
 *
 * Exit status: 0 when nothing is wrong, or nothing is any more; 1 when something is; 2 when it
 * could not look, or a server holds the store and --repair was asked for.
 * Threads: main.
 */
#pragma once

#include "cli/command.h"

int fsck_command(const struct command_args *args);
