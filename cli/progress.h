/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress - long work, as it goes on: on a terminal one line that changes, with rate and remaining
 * time; else a plain line now and then. On standard error.
 *
 *     progress_begin(&p, "manifests read", total)
 *     progress_step(&p)            each time; p.total may grow meanwhile
 *     progress_end(&p)             a last line of what it came to
 *
 * Threads: main.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what;
    uint64_t done, total;
    uint64_t began_ms, shown_ms;
    bool live;
};

void progress_begin(struct progress *p, const char *what, uint64_t total);
void progress_step(struct progress *p);
void progress_end(struct progress *p);
