/* SPDX-License-Identifier: Apache-2.0 */
/*
 * past - what a tag was before: its last values, each with the time through which upstream was
 * seen to say so without a break. By the steady clock (base/steady).
 *
 *     now --->  [ E  since, until ]  [ D  since ........ until ]  [ C  since .. until ]
 *
 * A spell ends where upstream said so for the last time, not where it was heard to say something
 * else: what lies between was seen by nobody. Of PAST_SPELLS_MAX the shortest leaves first, so that
 * a tag that is moved to and fro does not drive out what it was for long.
 *
 * A row is written in the transaction of the tag's own, and stays when the tag goes. After the loss
 * of the index it is made anew from the journal.
 *
 * Failure:    get: 1, 0, -1 STORE_IO. A row that cannot be read is written anew, and what it said
 *             is lost: what was held by it is refused then.
 * Threads:    past_add() and past_close(): pure. get: as the view. What takes a transaction: the
 *             writer's.
 */
#pragma once

#include "cache/index.h"

#define PAST_SPELLS_MAX 16

struct past_spell {
    struct digest digest;
    int64_t since_s, until_s; /* steady */
    int64_t asked_s;          /* when upstream last said that it has it still; 0: was not asked */
    bool is_open;             /* the tag is it now; only of the first */
    bool is_fixed;            /* the tag may not move from it: it was pulled as such. One at most */
};

struct past {
    size_t n; /* newest first */
    struct past_spell spells[PAST_SPELLS_MAX];
};

/* It was given out in the tag's place, by the wall clock's now_s within PAST_HELD_S; or the tag may
 * not move from it. So it is not garbage, though no tag is it now. */
#define PAST_HELD_S ((int64_t)8 * 86400)
bool past_is_held(const struct past_spell *s, int64_t now_s);

struct index_txn;

int past_get(struct index_view *v, struct sl repo, struct sl tag, struct past *r,
             struct pg_err *err);
/* Since when the first of the repository's tags named it, whether it still does. 1, 0, -1. */
int past_first(struct index_view *v, struct sl repo, const struct digest *d, int64_t *since_s_r,
               struct pg_err *err);

/* Upstream says at now_s that the tag is d. was: what the tag's row said before; NULL: none. True:
 * it is a new spell. */
bool past_add(struct past *p, const struct index_tag *was, const struct digest *d, int64_t now_s);
void past_close(struct past *p);
bool past_has(const struct past *p, const struct digest *d);

/* The tag may not move from d, if it may move yet. True: it could until now. */
bool past_set_fixed(struct past *p, const struct digest *d);
const struct past_spell *past_fixed(const struct past *p); /* NULL: it may move */

PG_MUST_USE int past_note(struct index_txn *txn, struct sl repo, struct sl tag,
                          const struct index_tag *now, const struct index_tag *was,
                          struct pg_err *err);
/* The tag is gone upstream: its spell is over. */
PG_MUST_USE int past_end(struct index_txn *txn, struct sl repo, struct sl tag, struct pg_err *err);
/* Upstream said at asked_s that it has this digest still, or, 0, that it has not: then no spell of
 * it is left. */
PG_MUST_USE int past_asked(struct index_txn *txn, struct sl repo, struct sl tag,
                           const struct digest *d, int64_t asked_s, struct pg_err *err);
PG_MUST_USE int past_fix(struct index_txn *txn, struct sl repo, struct sl tag,
                         const struct index_tag *now, bool *is_new_r, struct pg_err *err);
/* An operator's word: what the tag was is forgotten, and what it may not move from. */
PG_MUST_USE int past_forget(struct index_txn *txn, struct sl repo, struct sl tag,
                            struct pg_err *err);
