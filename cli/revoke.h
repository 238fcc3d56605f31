/* SPDX-License-Identifier: Apache-2.0 */
/* revoke - the commands that take something back, and give it back again. Threads: main. */
#pragma once

#include "cli/command.h"

int revoke_run(const struct command_args *args);
int revoke_undo(const struct command_args *args);
int revoke_list(const struct command_args *args);
