/* SPDX-License-Identifier: Apache-2.0 */
/*
 * age - the clock by which the store counts ages (base/steady), over restarts: where it stands is
 * written into the index with each tag that moves, and now and then besides. The next start goes on
 * from there. A wall clock that goes another way is said.
 *
 * Failure:    what cannot be read or written is logged; the clock then begins with the wall clock,
 *             or has been away for longer.
 * Threads:    begin: store_open(). put: the writer's. tick, save: one that may wait for the writer.
 */
#pragma once

#include "cache/store.h"

#define AGE_SAVE_S 600

struct index_txn;

struct age {
    uint64_t saved_ms;
    bool is_apart; /* the wall clock is, and it was said */
};

void age_begin(struct store *s); /* the index is open */
PG_MUST_USE int age_put(struct index_txn *txn, struct pg_err *err);
void age_tick(struct store *s, struct age *a); /* writes once in AGE_SAVE_S */
void age_save(struct store *s);
