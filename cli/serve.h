/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve - the composition root: everything is made here, started in order, and ended in the
 * reverse order.
 *
 *     START --> SERVING --SIGTERM, SIGINT, drain--> DRAINING --> ENDING
 *                ^   |  \                              ^     no connection is left,
 *         SIGHUP,|   |   +-- SIGUSR2, upgrade: an heir-+     limits.drain_timeout has passed,
 *         reload +---+       serves (cli/upgrade.h)          or a second signal came
 *
 * When it is ready it prints one line on standard output: listening on ADDR:PORT admin ADDR:PORT.
 * In ENDING signals have their default meaning again: a further one kills.
 *
 * Threads:    main, which waits for signals and messages and does nothing else meanwhile.
 */
#pragma once

#include "cli/command.h"

int serve_run(const struct command_args *args);
