/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch - a thread that asks every serving loop, again and again, whether it still turns.
 *
 *     pg-watch: asks ----> loop's mailbox ----> answered: asks again a little later
 *                  |
 *                  +-- no answer for slow_ms: one log line, with the stage it was last seen in
 *                  +-- no answer for dead_ms: the process tells what it knows and aborts
 *
 * Both are counted in looks that found no answer: while the process is stopped, or the machine is
 * asleep, nobody looks.
 *
 * A loop that hangs serves nobody, and nobody hears of it: to end and be started again is better.
 * What is told (base/check.h) has the stalled loop's live requests, and the last marks of all
 * threads (base/record.h). The same is told when a check fails in a loop's own thread.
 *
 * Ownership:  watch_start() / watch_stop() while the loops run / watch_free() once they are freed,
 *             since a question may still lie in a mailbox.
 * Threads:    main.
 */
#pragma once

#include "proxy/http/loop.h"

#define WATCH_SLOW_MS 1000
#define WATCH_DEAD_MS 10000

struct watch;

struct watch *watch_start(struct loop *const *loops, unsigned nloops, unsigned slow_ms,
                          unsigned dead_ms);
void watch_stop(struct watch *w);
void watch_free(struct watch *w); /* stopped; NULL is allowed */
