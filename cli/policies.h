/* SPDX-License-Identifier: Apache-2.0 */
/* policies - commands `policy check` and `policy import`. Threads: main. */
#pragma once

#include "cli/command.h"

int policies_check(const struct command_args *args);
int policies_import(const struct command_args *args);
