/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cage - what a helper program that is as hostile as its input may do: read what programs need and
 * the paths that it was told, write below those that it may, and nothing else. No sockets, no
 * signals for others, no changes of rights, owners or lengths of what it cannot write.
 *
 * Landlock does not know of the last: seccomp says that they were done, and they are not. A unix
 * socket of ours, and a file that is one with a blob of the store, cannot be reached.
 *
 * Failure:    -1 with errno; the helper is not to be run then.
 * Threads:    a child that was forked to become the helper, and has one.
 */
#pragma once

#include <stdbool.h>

#include "base/check.h"

bool cage_is_possible(void); /* this kernel has Landlock */

/* program may be executed; paths end with NULL, one that does not exist is left out. */
PG_MUST_USE int cage_enter(const char *program, char *const *reads, char *const *writes);
