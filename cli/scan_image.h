/* SPDX-License-Identifier: Apache-2.0 */
/* scan_image - an image of the store is scanned, by hand. Threads: main. */
#pragma once

#include "cli/command.h"

int scan_image_run(const struct command_args *args);
