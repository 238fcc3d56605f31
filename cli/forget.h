/* SPDX-License-Identifier: Apache-2.0 */
/* forget - `purge`: has a running server forget tags, digests, repositories or upstreams. */
#pragma once

#include "cli/command.h"

int forget_run(const struct command_args *args);
