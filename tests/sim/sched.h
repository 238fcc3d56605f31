/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sched - threads of the real program, one at a time, in an order that a seed decides.
 *
 * The linker sends pthread_create, mutexes, conditions, semaphores, sched_yield, clock_gettime and
 * the random bytes of base/random here (`-Wl,--wrap`). Threads are real threads, but only the one
 * that holds the baton runs; at each of these calls, at each fault point and at each sync of a file
 * the baton may go to another. Waiting threads are woken in seeded order. Time stands still but for
 * a few microseconds at each such point, and jumps to the next deadline when nobody can run. So one
 * seed is one run: the same steps, the same times, the same bytes on the disk.
 *
 *     sched_begin(seed, 8);          the calling thread is thread 0: the test
 *     ... store_open() and so on     its threads are under the scheduler from their creation on
 *     sched_sleep(2000000);          others run meanwhile, and so does the clock
 *
 * Before sched_begin() all calls go to the C library.
 *
 * Failure:  a deadlock, or more than SCHED_POINTS_MAX points, ends the process with a core of what
 *           each thread waits for on standard error.
 * Threads:  thread 0 begins it; there is no end but the process's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SCHED_POINTS_MAX 4000000

/* Gives the baton away at one of so many points. */
void sched_begin(uint64_t seed, unsigned one_in);
bool sched_is_on(void);

/* Of the scheduler's seed: what chance decides in the place of the world. 0 to below - 1. */
uint64_t sched_chance(uint64_t below);

/* A point: another thread may run. */
void sched_point(void);
uint64_t sched_points(void);

/* At the n-th point from now: crash(), in whichever thread it is. It must not return. */
void sched_crash_in(uint64_t npoints, void (*crash)(void));

/* The calling thread waits: the others run until they all wait, or the time is over. */
void sched_sleep(uint64_t us);
bool sched_is_idle(void); /* no other thread can run, whatever the clock may bring */

/* The clock as it is seen through base/clock. */
uint64_t sched_mono_us(void);
int64_t sched_wall_ns(void);
void sched_jump_wall(int64_t seconds); /* the wall clock alone */

/* A line in the trace: standard error, with time and thread. */
void sched_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
