/* SPDX-License-Identifier: Apache-2.0 */
/* show - `config check` and `config show`: what a configuration says, and what is wrong with it. */
#pragma once

#include "cli/command.h"
#include "cli/config.h"

int show_check(const struct command_args *args);
int show_effective(const struct command_args *args);

/* Says on standard error why a load failed (rc of config_load(), not 0). Returns the exit status of
 * a command that needs a configuration. */
int show_refusal(int rc, const struct config_load *load, struct pg_err *err);

void show_write_yaml(const struct config_load *load, struct pg_buf *out);
void show_write_json(struct config_load *load, struct pg_buf *out);
