/* SPDX-License-Identifier: Apache-2.0 */
/* sweep - `gc`: what the server does by rules of retention, and doing it now. Threads: main. */
#pragma once

#include "cli/command.h"

int sweep_run(const struct command_args *args);
