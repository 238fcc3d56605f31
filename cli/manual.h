/* SPDX-License-Identifier: Apache-2.0 */
/* manual - pullgate(8), made of the tables of commands and options. Threads: main. */
#pragma once

#include "cli/command.h"

int manual_print(const struct command_args *args);
