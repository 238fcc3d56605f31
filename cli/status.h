/* SPDX-License-Identifier: Apache-2.0 */
/* status - `pullgate status`: asks the admin listener of a running server. Threads: main. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "cli/command.h"

int status_run(const struct command_args *args);
