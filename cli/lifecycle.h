/* SPDX-License-Identifier: Apache-2.0 */
/* lifecycle - `lifecycle`: rules of retention are carried out in another registry, by its API. */
#pragma once

#include "cli/command.h"

int lifecycle_run(const struct command_args *args);
