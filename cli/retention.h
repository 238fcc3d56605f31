/* SPDX-License-Identifier: Apache-2.0 */
/* retention - `retention plan`, `retention lint`, `retention import` and `deps`. */
#pragma once

#include "cli/command.h"

int retention_plan(const struct command_args *args);
int retention_lint(const struct command_args *args);
int retention_import(const struct command_args *args);
int retention_deps(const struct command_args *args);
