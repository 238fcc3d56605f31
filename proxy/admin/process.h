/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process - what the kernel says of this process, under the names that Prometheus' own clients use,
 * and which program it is.
 *
 * Ownership:  process_open() before there are threads or a sandbox: it keeps /proc/self/statm open.
 * Failure:    what cannot be read is left out.
 * Threads:    process_write: any, without waiting.
 */
#pragma once

#include "base/buf.h"

struct process {
    int statm_fd, files_fd; /* -1: not to be had */
    double started_s;       /* Unix time */
};

void process_open(struct process *p);
void process_close(struct process *p);

/* Prometheus text: process_* and pullgate_build_info. */
void process_write(const struct process *p, const char *version, struct pg_buf *out);
