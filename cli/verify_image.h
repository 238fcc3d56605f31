/* SPDX-License-Identifier: Apache-2.0 */
/* verify_image - `verify`: who has signed this image, and is it what was wanted? */
#pragma once

#include "cli/command.h"

int verify_image_run(const struct command_args *args);
