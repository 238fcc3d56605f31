/* SPDX-License-Identifier: Apache-2.0 */
/*
 * revoked_shared - how a process that gave its store to an heir (cache/handover) hears of what is
 * taken back there: a counter in a file of the store, mapped by both.
 *
 *     heir:          journal, synced --> in force --> counter + 1 --> `revoke` is answered
 *     predecessor:   each request looks at the counter: it is behind, and lets nothing out, until
 *                    revoked_shared_follow() has read the journal again
 *
 * So what is revoked is refused by the very next request, whichever of the two gets it.
 *
 * Ownership:  the store's.
 * Failure:    open: STORE_IO. follow: STORE_IO; it stays behind, and nothing leaves.
 * Threads:    is_behind: any; one atomic read. follow: main's. The rest: as their callers.
 */
#pragma once

#include "cache/store.h"

struct revoked;

PG_MUST_USE int revoked_shared_open(struct store *s, struct pg_err *err);
void revoked_shared_close(struct revoked *r);
void revoked_shared_note(struct revoked *r); /* the writer's: something changed, and is in force */
void revoked_shared_give(struct store *s);   /* from now on another process changes it */

bool revoked_shared_is_behind(const struct store *s);
PG_MUST_USE int revoked_shared_follow(struct store *s, struct pg_err *err);
