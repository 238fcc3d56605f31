/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reference - what is written of the option table: conf/pullgate.yaml and docs/configuration.md.
 * A test holds the committed files to what is printed here. Threads: main.
 */
#pragma once

#include "base/buf.h"
#include "cli/command.h"

int reference_print_example(const struct command_args *args);
int reference_print_markdown(const struct command_args *args);

/* What a section of the file is about; PG_BUG for a section without a line here. */
const char *reference_section(const char *section);
