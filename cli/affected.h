/* SPDX-License-Identifier: Apache-2.0 */
/*
 * affected - the command: which images have a vulnerability or a package, where they are from, who
 * pulled them. It asks the control socket, page by page.
 *
 * Threads: main.
 */
#pragma once

#include "cli/command.h"

int affected_run(const struct command_args *args);
