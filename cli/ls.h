/* SPDX-License-Identifier: Apache-2.0 */
/* ls - lists what a running server has in its store. */
#pragma once

#include "cli/command.h"

int ls_run(const struct command_args *args);
