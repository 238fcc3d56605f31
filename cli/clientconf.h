/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clientconf - `pullgate clientconf`: writes the configuration of a client in its closed form, in
 * which the proxy is the only place that the client asks, so that a refusal is the end.
 *
 * Where a client has no such form, the files say so, and so does standard error.
 *
 * Failure:    nothing is overwritten: one file that is there and differs, and none is written.
 * Threads:    main.
 */
#pragma once

#include "cli/command.h"

int clientconf_run(const struct command_args *args);
