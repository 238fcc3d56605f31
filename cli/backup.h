/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup - `pullgate backup DIR` and `pullgate restore DIR`: the store is copied into an empty
 * directory while the server works, and brought back from there.
 *
 * Threads: main.
 */
#pragma once

#include "cli/command.h"

int backup_command(const struct command_args *args);
int backup_restore(const struct command_args *args);
