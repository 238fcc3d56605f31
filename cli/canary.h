/* SPDX-License-Identifier: Apache-2.0 */
/*
 * canary - does a client of this machine ask elsewhere what the proxy refuses? It is made to pull
 * what every pullgate refuses (proxy/journey/canary.h), by a digest that is fixed, so that nothing
 * else can come in its place; what it says tells whom it asked.
 *
 *     closed        the proxy refused and nobody else was asked
 *     open          another registry was asked and answered, or the image came
 *     held          another registry was asked, but did not answer: the egress holds, the client
 * not inconclusive  it could not be seen: no client here, no proxy there, another failure
 *
 * Exit status: 0 when all are closed; 1 when one is open or held; 2 when none is but one is
 * inconclusive.
 * Threads: main.
 */
#pragma once

#include "cli/command.h"

int canary_run(const struct command_args *args);
