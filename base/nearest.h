/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nearest - which word was meant: the one with the least edit distance (a transposition is one
 * edit), if it is near enough to be worth saying. Pure. Threads: any.
 */
#pragma once

#include "base/slice.h"

#define PG_NEAREST_WORD_MAX 64

/* At most a third of the word may be wrong, and one letter always may be; NULL when none is near.
 */
const char *pg_nearest_of(struct sl word, const char *const *words, size_t nwords);
