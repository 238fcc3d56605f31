/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover - a store goes from one process to the next (its heir) while both serve.
 *
 *     OWNED --hold--> HELD --give--> GIVEN, until store_close()
 *       ^               |
 *       +---- resume ---+
 *
 * HELD: all that was posted is committed, nothing is written to the index or the journal any more,
 * the chores rest, and the lock on the directory is free: the heir may open the store. Downloads
 * go on: their files, and whatever comes now, are in a folder of their own, partial/given-<pid>/.
 * GIVEN: what would be written is canceled; hits are served from the files, which the heir may
 * evict; what is not there is fetched for whoever asks, into that folder. What is in it when this
 * process has ended, however it did, the heir takes into partial/: a download that became whole
 * costs it no byte of upstream, and one that did not is resumed.
 *
 * That this process still uses its folder is said by a lock on it, which ends with the process.
 *
 * Failure:  hold and resume: -1, STORE_IO. After a hold that failed the store is OWNED. After a
 *           resume that failed what waits to be written ends as in GIVEN, so that the process can.
 * Threads:  main, which may have to wait for the writer and for files that are being opened; the
 *           rest goes on meanwhile.
 */
#pragma once

#include "base/err.h"
#include "cache/store.h"

PG_MUST_USE int handover_hold(struct store *s, struct pg_err *err);
/* wait_ms: how long another may still hold the lock. */
PG_MUST_USE int handover_resume(struct store *s, unsigned wait_ms, struct pg_err *err);
void handover_give(struct store *s);

/* Takes what processes left that have ended. How many still have a folder. Any thread. */
unsigned handover_collect(struct store *s);

/* Is a name in partial/ such a folder? */
bool handover_is_folder(const char *name);
