/* SPDX-License-Identifier: Apache-2.0 */
/* version - which pullgate this is, and on which libraries it runs. Threads: any. */
#pragma once

#include "cli/command.h"

#define VERSION_TEXT PG_VERSION /* "0.1.0", from CMakeLists.txt */

int version_print(const struct command_args *args);
