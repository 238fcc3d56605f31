/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify - tells the service manager how we are, as sd_notify(3) describes it: a datagram to
 * $NOTIFY_SOCKET. And the watchdog: as often as the manager wants it ($WATCHDOG_USEC), every
 * serving loop is asked whether it still turns, and the manager is told only when all have
 * answered. So a loop that hangs is noticed, and the process replaced.
 *
 * Without a manager nothing is said and nothing asked.
 *
 * Failure:  none that matters: what cannot be said is not.
 * Threads:  main; open before any other. The loops' answers are atomics.
 */
#pragma once

#include "proxy/http/loop.h"

struct notify;

/* is_heir: this process took over from another, to whom $WATCHDOG_PID refers. */
struct notify *notify_open(bool is_heir);
void notify_watch(struct notify *n, struct loop *const *loops, unsigned nloops);
void notify_say(struct notify *n, const char *state); /* "READY=1" */
void notify_reloading(struct notify *n);              /* READY=1 ends it */

/* Does what is due; returns after how many ms to call it again, or -1. */
int notify_turn(struct notify *n);
void notify_close(struct notify *n); /* the loops have been freed; NULL is allowed */
