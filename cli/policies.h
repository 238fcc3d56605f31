/* SPDX-License-Identifier: Apache-2.0 */
/* policies - commands `policy check`, `lint`, `diff` and `import`. Threads: main. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "cli/command.h"

struct config;
struct policy;
struct trusts;

int policies_check(const struct command_args *args);
int policies_lint(const struct command_args *args);
int policies_diff(const struct command_args *args);
int policies_import(const struct command_args *args);

/* With the keys that it names; both are the caller's, also when it fails. */
PG_MUST_USE int policies_load(const struct config *c, const char *file, struct trusts **t_r,
                              struct policy **p_r, struct pg_err *err);
