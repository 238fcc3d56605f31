/* SPDX-License-Identifier: Apache-2.0 */
/* scan_print - what was read of scanners' reports, for people and for programs. Threads: main. */
#pragma once

#include "base/buf.h"
#include "cli/scan_read.h"

#define SCAN_PRINT_BYTES_MAX ((size_t)64 << 20)

void scan_print_text(const struct scan_read_file *f, struct pg_buf *out);
void scan_print_ending(const struct waiver_list *waivers, int64_t now_s, struct pg_buf *out);
/* "{\"reports\":[", each file, "]}\n" */
void scan_print_json(const struct scan_read_file *files, size_t n, struct pg_buf *out);
