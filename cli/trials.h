/* SPDX-License-Identifier: Apache-2.0 */
/* trials - `policy test`: files of tests, each with the policy that it is about. Threads: main. */
#pragma once

#include "cli/command.h"

int trials_run(const struct command_args *args);
