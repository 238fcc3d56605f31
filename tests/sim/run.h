/* SPDX-License-Identifier: Apache-2.0 */
/* run - a directory for a store, and processes that work on it one after another; what they print
 * is kept and shown when one fails. Of a program with one thread. */
#pragma once

#include <stdint.h>

extern char run_dir[140], run_copy[140]; /* of the store, and for a copy of it */

uint64_t run_number(const char *name, uint64_t otherwise); /* of the environment */
void run_begin(void);                                      /* makes the directory of all of them */
void run_end(void);
void run_use(unsigned worker); /* run_dir, and the trace, of this one */
void run_anew(void);           /* an empty directory and trace */
void run_clean(void);

void run_end_with_parent(void); /* a process that it forked is not to outlive it */

/* Runs it in a process of its own, which it ends: 0, or how the process ended. */
int run_life(void (*live)(void *arg), void *arg);
void run_show_trace(uint64_t most); /* the last bytes of it; 0: all */
