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
 * Threads: any.
 */
#pragma once

#include <stdbool.h>

#ifdef PG_WITH_FAULTS
bool pg_fault_fires(const char *point);
#define PG_FAULT(point) pg_fault_fires(point)
#else
#define PG_FAULT(point) false
#endif
