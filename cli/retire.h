/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retire - `retention apply`: a plan is made and carried out, through the control socket of the
 * server, an image at a time. What was pulled, or whose tag moved, since the plan was made, stays,
 * and is told.
 */
#pragma once

#include "cli/command.h"

int retire_run(const struct command_args *args);
