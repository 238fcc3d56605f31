/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delay - something that is to happen later in the fetch thread, or next, but not now: a retry, or
 * a result that was found while the asker was still asking. One uv timer carries them all, so that
 * a delay is a plain member that needs no closing.
 *
 * Ownership:  embedded; pg_list_init by delay_init(); stopped before its object is freed.
 * Threads:    the loop's.
 */
#pragma once

#include <uv.h>

#include "base/list.h"

struct delays {
    uv_timer_t timer;
    struct pg_list due; /* the next one first */
};

struct delay {
    struct pg_list node;
    uint64_t at_ms;
    void (*fn)(struct delay *d);
};

void delay_open(struct delays *all, uv_loop_t *uv);
void delay_close(struct delays *all); /* none may be left; the loop runs once more */

void delay_init(struct delay *d);
void delay_start(struct delays *all, struct delay *d, uint64_t ms, void (*fn)(struct delay *d));
void delay_stop(struct delay *d);
