/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record - what each thread did last: a ring of RECORD_EACH marks, for the dump of a failed check
 * (base/check.h) and for /debug/trace.
 *
 * A mark is a static text, a number and a time that the caller has at hand; making one costs a few
 * stores. Rings belong to their threads for ever; threads beyond RECORD_THREADS_MAX leave no marks.
 *
 * Threads:  pg_record_mark: any. Reading: any, also while others write: a mark that is being
 *           overwritten may be told half old, half new.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RECORD_EACH        64
#define RECORD_THREADS_MAX 80

void pg_record_mark(const char *what, uint64_t id, uint64_t when_ms);

/* One mark. */
struct pg_record {
    const char *what;
    uint64_t id, when_ms;
};

/* The marks of thread number `no`, oldest first. How many; name_r: the thread's. */
size_t pg_record_read(unsigned no, char name_r[16], struct pg_record marks_r[RECORD_EACH]);

/* Text, a line each, to a descriptor: for a process that is about to die. Allocates nothing. */
void pg_record_dump(int fd);
