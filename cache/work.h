/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work - how much is under way in pools and in the writer that nobody waits for, so that who
 * closes the store can wait for all of it.
 *
 * Threads: any. One lock, around a number: innermost.
 */
#pragma once

struct work;

struct work *work_new(void);
void work_free(struct work *w); /* nothing is under way; NULL is allowed */
void work_hold(struct work *w);
void work_let_go(struct work *w);
void work_wait(struct work *w); /* until nothing is under way */
