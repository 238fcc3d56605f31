/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan_read - what scanners' reports say of an image, and whether they count.
 *
 * Threads: main.
 */
#pragma once

#include "cli/command.h"
#include "scan/settle.h"

/* One file, read. */
struct scan_read_file {
    const char *name;
    struct report report;
    struct settle_result settled;
};

int scan_read_run(const struct command_args *args);
