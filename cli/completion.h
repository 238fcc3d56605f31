/* SPDX-License-Identifier: Apache-2.0 */
/*
 * completion - what a shell needs to complete the command line: bash, zsh, fish; made of the tables
 * of commands and options. conf/completion/ keeps what is printed.
 *
 * Threads: main.
 */
#pragma once

#include "cli/command.h"

int completion_print(const struct command_args *args);
