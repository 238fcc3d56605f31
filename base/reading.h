/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reading - takes a document of rules apart, whosever form it has: nothing is silently ignored, and
 * what is wrong is told with its place.
 *
 * Ownership:  texts are the tree's; lists go into the arena, which who reads none need not have.
 * Failure:    DENIED, "FILE:LINE:COLUMN: what is wrong, what may stand there".
 * Threads:    one.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/tree.h"

#define READING_LIST_MAX  1000
#define READING_COUNT_MAX 1000000

struct reading {
    const char *file;
    struct pg_arena *arena;
    struct pg_err *err;
};

PG_MUST_USE int reading_tree(struct reading *r, struct sl text, struct pg_tree **root_r);

int reading_bad(struct reading *r, struct pg_tree_at at, const char *fmt, ...) PG_PRINTF(3, 4);
int reading_wrap(struct reading *r,
                 struct pg_tree_at at); /* puts the place before *r->err; a detail stays */

/* words ends with NULL. */
PG_MUST_USE int reading_keys(struct reading *r, const struct pg_tree *t, const char *what,
                             const char *const *words);

/* Of a key. Absent is not wrong: the text is {NULL, 0} then, what else is read stays as it is. */
PG_MUST_USE int reading_text(struct reading *r, const struct pg_tree *map, const char *key,
                             struct sl *text_r);
PG_MUST_USE int reading_truth(struct reading *r, const struct pg_tree *map, const char *key,
                              bool *value_r);
PG_MUST_USE int reading_count(struct reading *r, const struct pg_tree *map, const char *key,
                              int64_t *count_r);
PG_MUST_USE int reading_age(struct reading *r, const struct pg_tree *map, const char *key,
                            int64_t *age_s_r);
/* The number of the word in words, which ends with NULL. */
PG_MUST_USE int reading_word(struct reading *r, const struct pg_tree *map, const char *key,
                             const char *const *words, unsigned *value_r);
/* Texts, 1 to READING_LIST_MAX; *n_r 0 and NULL when the key is absent. */
PG_MUST_USE int reading_list(struct reading *r, const struct pg_tree *map, const char *key,
                             const struct sl **items_r, size_t *n_r);

/* 30d, 48h, 90m, 10s. -1: it is none. */
PG_MUST_USE int reading_parse_age(struct sl text, int64_t *age_s_r);
#define READING_AGE_TEXT 32
const char *reading_age_text(int64_t age_s, char out[READING_AGE_TEXT]); /* reads back the same */

/* 2026-11-25, or with T12:30:00Z: seconds since 1970. -1: it is none. */
PG_MUST_USE int reading_parse_date(struct sl text, int64_t *when_s_r);
