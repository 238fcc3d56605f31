/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault - named points at which a test makes I/O fail. Without PG_WITH_FAULTS (release) they are
 * nothing.
 *
 *     if (PG_FAULT("blob.pwrite") || pwrite(...) < 0)
 *
 * PG_FAULTS="blob.pwrite:ENOSPC@3,fill.fsync:EIO@1+" fails the third pwrite, and every fsync
 * from the first on. A point that fires sets errno. Points visited are listed at /debug/faults.
 *
 * Failure: a PG_FAULTS that cannot be read ends the program: a test must not pass because its
 *          fault was misspelt.
 * Threads: any. A point that another thread is at while pg_fault_set() is called may fire by the
 *          rules of before.
 */
#pragma once

#include <stdbool.h>

#ifdef PG_WITH_FAULTS
#include "base/buf.h"

bool pg_fault_fires(const char *point); /* a literal: it is kept */
#define PG_FAULT(point) pg_fault_fires(point)

/* In place of the environment; forgets the visits so far. NULL: no faults. -1: not readable. */
PG_MUST_USE int pg_fault_set(const char *faults);

/* {"points":[{"point":"blob.pwrite","visits":7,"fired":1}, ...]}, in no order. */
void pg_fault_write_json(struct pg_buf *out);
#else
#define PG_FAULT(point) false
#endif
