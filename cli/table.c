/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <inttypes.h>
#include <string.h>

#include "base/size.h"
#include "base/utf8.h"
#include "cli/print.h"

#define GAP 2 /* between columns */

void table_init(struct table *t, size_t ncolumns)
{
    PG_CHECK(ncolumns > 0 && ncolumns <= TABLE_COLUMNS_MAX);
    *t = (struct table){.ncolumns = ncolumns};
    pg_buf_init(&t->cells, PRINT_BYTES_MAX);
}

void table_free(struct table *t)
{
    pg_buf_free(&t->cells);
}

/* As a terminal shows it, near enough: a code point is a column. */
static size_t width_of(struct sl s)
{
    uint32_t point;
    size_t columns = 0;

    while (s.n > 0) {
        size_t n = pg_utf8_next(s, &point);
        n = n > 0 ? n : 1;
        s = (struct sl){s.p + n, s.n - n};
        columns++;
    }
    return columns;
}

void table_put(struct table *t, struct sl cell)
{
    size_t column = t->ncells % t->ncolumns, begin = t->cells.n;

    if (t->ncells < t->ncolumns && sl_starts(cell, SL(">"))) {
        t->right[column] = true;
        cell = (struct sl){cell.p + 1, cell.n - 1};
    }
    print_put_safe(cell, &t->cells);
    if (pg_buf_put(&t->cells, (struct sl){"", 1}) < 0) {
        return;
    }
    size_t width = width_of((struct sl){t->cells.p + begin, t->cells.n - begin - 1});
    t->widths[column] = width > t->widths[column] ? width : t->widths[column];
    t->ncells++;
}

void table_put_bytes(struct table *t, uint64_t bytes)
{
    struct pg_buf text;

    pg_buf_init(&text, 64);
    pg_size_put(&text, bytes);
    table_put(t, pg_buf_sl(&text));
    pg_buf_free(&text);
}

void table_put_number(struct table *t, int64_t n)
{
    struct pg_buf text;

    pg_buf_init(&text, 64);
    (void)pg_buf_printf(&text, "%" PRId64, n);
    table_put(t, pg_buf_sl(&text));
    pg_buf_free(&text);
}

static void print_cell(const struct table *t, size_t column, struct sl cell, struct pg_buf *out)
{
    size_t fill = t->widths[column] - width_of(cell);
    bool last = column + 1 == t->ncolumns;

    if (t->right[column]) {
        (void)pg_buf_printf(out, "%*s", (int)fill, "");
    }
    (void)pg_buf_put(out, cell);
    if (last) {
        (void)pg_buf_put(out, SL("\n"));
    } else {
        (void)pg_buf_printf(out, "%*s", (int)(t->right[column] ? 0 : fill) + GAP, "");
    }
}

void table_print(const struct table *t, const char *indent, struct pg_buf *out)
{
    const char *at = t->cells.p;

    for (size_t i = 0; i < t->ncells - t->ncells % t->ncolumns; i++) {
        struct sl cell = {at, strlen(at)};
        if (i % t->ncolumns == 0) {
            (void)pg_buf_put(out, (struct sl){indent, strlen(indent)});
        }
        print_cell(t, i % t->ncolumns, cell, out);
        at += cell.n + 1;
    }
    if (t->cells.over) {
        (void)pg_buf_put(out, SL("... and more than can be shown; ask for less, or with --json\n"));
    }
}
