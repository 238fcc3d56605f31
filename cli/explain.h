/* SPDX-License-Identifier: Apache-2.0 */
/* explain - command `explain`: why an image may be pulled, or not. Threads: main. */
#pragma once

#include "cli/command.h"

int explain_run(const struct command_args *args);
