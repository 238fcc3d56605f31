/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/tally.h"

#include <stdlib.h>

#define KIND  ENTRY_NTEXTS /* in place of a text: the entry's kind */
#define NONE  (ENTRY_NTEXTS + 1)
#define T(id) ENTRY_TEXT_##id

static const struct {
    const char *name, *title;
    unsigned columns[TALLY_COLUMNS_MAX];
} tables[] = {
#define X(id, name, title) [TALLY_##id] = {name, title, TALLY_COLUMNS_##id},
#define TALLY_COLUMNS_POLICIES                                                                     \
    {                                                                                              \
        T(TARGET), T(POLICY), T(TRUST), T(RESULT), NONE                                            \
    }
#define TALLY_COLUMNS_ACTS                                                                         \
    {                                                                                              \
        T(ACT), T(CALLER), T(TARGET), T(RESULT), NONE                                              \
    }
#define TALLY_COLUMNS_SERVED                                                                       \
    {                                                                                              \
        T(REPOSITORY), T(REFERENCE), T(DIGEST), T(RULE), T(POLICY)                                 \
    }
#define TALLY_COLUMNS_REFUSED                                                                      \
    {                                                                                              \
        T(REPOSITORY), T(REFERENCE), T(VERDICT), T(RULE), T(REASON)                                \
    }
#define TALLY_COLUMNS_OBSERVED                                                                     \
    {                                                                                              \
        T(REPOSITORY), T(REFERENCE), T(DIGEST), T(OBSERVED), NONE                                  \
    }
#define TALLY_COLUMNS_LOG                                                                          \
    {                                                                                              \
        KIND, T(TARGET), T(REASON), NONE, NONE                                                     \
    }
    TALLY_TABLES(X)
#undef X
};

const char *tally_name(enum tally_table table)
{
    return tables[table].name;
}

const char *tally_title(enum tally_table table)
{
    return tables[table].title;
}

const char *tally_column(enum tally_table table, size_t i)
{
    unsigned column = i < TALLY_COLUMNS_MAX ? tables[table].columns[i] : NONE;

    return column == NONE   ? NULL
           : column == KIND ? "kind"
                            : entry_text_name((enum entry_text)column);
}

void tally_init(struct tally *t)
{
    *t = (struct tally){0};
    for (size_t i = 0; i < TALLY_NTABLES; i++)
        pg_map_init(&t->tables[i].map);
}

void tally_free(struct tally *t)
{
    for (size_t i = 0; i < TALLY_NTABLES; i++) {
        struct tally_row *r = t->tables[i].first;

        while (r != NULL) {
            struct tally_row *next = r->next;

            free(r);
            r = next;
        }
        pg_map_free(&t->tables[i].map);
    }
    *t = (struct tally){0};
}

static struct sl column_of(const struct entry *e, unsigned column)
{
    return column == NONE   ? (struct sl){NULL, 0}
           : column == KIND ? sl_str(entry_kind_name(e->kind))
                            : e->text[column];
}

/* The columns, each behind a NUL, which no text has: the key of the row. */
static struct tally_row *row_new(enum tally_table table, const struct entry *e)
{
    struct sl columns[TALLY_COLUMNS_MAX];
    size_t n = 0;
    struct tally_row *r;
    char *p;

    for (size_t i = 0; i < TALLY_COLUMNS_MAX; i++) {
        columns[i] = column_of(e, tables[table].columns[i]);
        n += columns[i].n + 1;
    }
    r = calloc(1, sizeof(*r) + n);
    PG_CHECK(r != NULL);
    p = r->texts;
    for (size_t i = 0; i < TALLY_COLUMNS_MAX; i++) {
        if (columns[i].n > 0)
            memcpy(p, columns[i].p, columns[i].n);
        r->columns[i] = (struct sl){p, columns[i].n};
        p += columns[i].n + 1;
    }
    r->node.key = (struct sl){r->texts, n};
    return r;
}

static void append(struct tally_rows *rows, struct tally_row *r)
{
    pg_map_put(&rows->map, &r->node, r->node.key);
    if (rows->last != NULL)
        rows->last->next = r;
    else
        rows->first = r;
    rows->last = r;
}

static void count(struct tally *t, enum tally_table table, const struct entry *e)
{
    struct tally_rows *rows = &t->tables[table];
    struct tally_row *r = row_new(table, e);
    struct pg_map_node *known = pg_map_get(&rows->map, r->node.key);

    if (known != NULL) {
        free(r);
        r = (struct tally_row *)(void *)((char *)known - offsetof(struct tally_row, node));
    } else if (rows->map.n == TALLY_ROWS_MAX) {
        free(r);
        rows->more++;
        return;
    } else {
        append(rows, r);
        r->first_ms = e->when_ms;
    }
    r->n++;
    r->last_ms = e->when_ms;
}

static void add_decision(struct tally *t, const struct entry *e)
{
    bool allowed = sl_eq(e->text[ENTRY_TEXT_VERDICT], SL("allow"));

    count(t, allowed ? TALLY_SERVED : TALLY_REFUSED, e);
    if (allowed && e->text[ENTRY_TEXT_OBSERVED].n > 0)
        count(t, TALLY_OBSERVED, e);
}

void tally_add(struct tally *t, const struct entry *e)
{
    if (t->entries++ == 0)
        t->first_ms = e->when_ms;
    t->last_ms = e->when_ms;
    if (e->kind == ENTRY_DECISION)
        add_decision(t, e);
    else if (e->kind == ENTRY_ACT)
        count(t, sl_eq(e->text[ENTRY_TEXT_ACT], SL("configuration")) ? TALLY_POLICIES : TALLY_ACTS,
              e);
    else if (e->kind != ENTRY_SEGMENT)
        count(t, TALLY_LOG, e);
}
