/* SPDX-License-Identifier: Apache-2.0 */
/* auditing_report - `audit report`: what an auditor asks for, of one span of time, as one file.
 * Threads: main. */
#pragma once

#include "cli/command.h"

int auditing_report_run(const struct command_args *args);
