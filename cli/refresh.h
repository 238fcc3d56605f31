/* SPDX-License-Identifier: Apache-2.0 */
/* refresh - has a running server ask upstream now what a tag is. */
#pragma once

#include "cli/command.h"

int refresh_run(const struct command_args *args);
