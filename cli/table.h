/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table - rows of cells, printed with each column as wide as its widest cell.
 *
 *     struct table t;
 *     table_init(&t, 3);
 *     table_put(&t, SL("NAME")); ...                 cell by cell, row after row
 *     table_print(&t, "  ", &out);
 *
 * Cells are made safe for a terminal when they are put. A column whose first row's cell begins with
 * '>' (which is not shown) is aligned to the right.
 *
 * Ownership:  table_init() to table_free().
 * Bounds:     PRINT_BYTES_MAX of cells; more are left out, and table_print() says so.
 * Threads:    any, one at a time.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"

#define TABLE_COLUMNS_MAX 12

struct table {
    size_t ncolumns, ncells;
    struct pg_buf cells; /* each with a NUL behind it */
    size_t widths[TABLE_COLUMNS_MAX];
    bool right[TABLE_COLUMNS_MAX];
};

void table_init(struct table *t, size_t ncolumns);
void table_free(struct table *t);

void table_put(struct table *t, struct sl cell);
void table_put_bytes(struct table *t, uint64_t bytes); /* "3.2 GiB" */
void table_put_number(struct table *t, int64_t n);

void table_print(const struct table *t, const char *indent, struct pg_buf *out);
