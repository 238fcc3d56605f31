/* SPDX-License-Identifier: Apache-2.0 */
/* retention - `retention plan`, `retention lint`, `retention import` and `deps`. */
#pragma once

#include "cli/command.h"

struct ruleset;

/* Rules in whatever form; what is wrong is said. A COMMAND_ status. */
int retention_load(const char *file, struct ruleset **rules_r);

int retention_plan(const struct command_args *args);
int retention_lint(const struct command_args *args);
int retention_import(const struct command_args *args);
int retention_deps(const struct command_args *args);
