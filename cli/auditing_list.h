/* SPDX-License-Identifier: Apache-2.0 */
/* auditing_list - `audit query` and `audit export`. Threads: main. */
#pragma once

#include "cli/command.h"

int auditing_list_query(const struct command_args *args);
int auditing_list_export(const struct command_args *args);
