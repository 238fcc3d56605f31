/* SPDX-License-Identifier: Apache-2.0 */
/* prewarm - has a running server fetch the images of a list. */
#pragma once

#include "cli/command.h"

int prewarm_run(const struct command_args *args);
