/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally - many entries as a few tables: what was in force, what was served, what was refused, what
 * was done. A row stands for all entries that agree in the table's columns: how many, the first,
 * the last.
 *
 * Ownership:  tally_init() to tally_free(); rows are the tally's, with copies of their texts.
 * Bounds:     TALLY_ROWS_MAX rows in each table; entries of further ones are counted in `more`.
 * Threads:    any, one at a time; pure.
 */
#pragma once

#include "audit/entry.h"
#include "base/map.h"

#define TALLY_ROWS_MAX    20000
#define TALLY_COLUMNS_MAX 5

/* X(ID, name, title) */
#define TALLY_TABLES(X)                                                                            \
    X(POLICIES, "policies", "Policies in force")                                                   \
    X(ACTS, "acts", "Administrative acts")                                                         \
    X(SERVED, "served", "Served")                                                                  \
    X(REFUSED, "refused", "Refused or not decided")                                                \
    X(OBSERVED, "observed", "Served, though a rule that only observes would have refused")         \
    X(LOG, "log", "The log itself")

enum tally_table {
#define X(id, name, title) TALLY_##id,
    TALLY_TABLES(X)
#undef X
        TALLY_NTABLES
};

struct tally_row {
    struct pg_map_node node;
    struct tally_row *next; /* in order of the first entry */
    uint64_t n;
    int64_t first_ms, last_ms;
    struct sl columns[TALLY_COLUMNS_MAX];
    char texts[];
};

struct tally_rows {
    struct pg_map map;
    struct tally_row *first, *last;
    uint64_t more; /* entries of rows that found no place */
};

struct tally {
    struct tally_rows tables[TALLY_NTABLES];
    uint64_t entries;
    int64_t first_ms, last_ms;
};

void tally_init(struct tally *t);
void tally_free(struct tally *t);
void tally_add(struct tally *t, const struct entry *e);

const char *tally_name(enum tally_table table);
const char *tally_title(enum tally_table table);
/* The name of a column; NULL: there are no more. */
const char *tally_column(enum tally_table table, size_t i);
