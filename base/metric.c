/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metric.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "base/check.h"

/* Upper bounds in microseconds. A cached manifest takes less than the first, a layer of some
 * GiB over a slow line may take the last; what took longer still is in the bucket without one. */
static const struct {
    uint64_t us;
    const char *le;
} bounds[] = {
    {500, "0.0005"},  {1000, "0.001"},    {2500, "0.0025"},   {5000, "0.005"},  {10000, "0.01"},
    {25000, "0.025"}, {50000, "0.05"},    {100000, "0.1"},    {250000, "0.25"}, {500000, "0.5"},
    {1000000, "1"},   {2500000, "2.5"},   {5000000, "5"},     {10000000, "10"}, {30000000, "30"},
    {60000000, "60"}, {120000000, "120"}, {300000000, "300"},
};
#define BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

enum type { COUNTER, GAUGE, GAUGE_US, SECONDS };

/* A metric is one cell; a histogram is one for each bucket, one for the rest, one for the sum. */
#define WIDTH_COUNTER  1
#define WIDTH_GAUGE    1
#define WIDTH_GAUGE_US 1
#define WIDTH_SECONDS  ((int)BOUNDS + 2)

enum cell {
#define X(id, type, name, labels, doc) CELL_##id, CELL_LAST_##id = CELL_##id + WIDTH_##type - 1,
#include "base/metric_table.h"
#undef X
    CELLS
};

static const struct {
    enum type type;
    enum cell cell;
    const char *name, *labels, *doc;
} table[] = {
#define X(id, type, name, labels, doc) {type, CELL_##id, name, labels, doc},
#include "base/metric_table.h"
#undef X
};

#define SLOTS 64

/* Slot 0 is shared and changed atomically. Each other slot is written by the one thread that has
 * it, and read by whoever scrapes; a thread that ends leaves its counts there. */
static struct slot {
    _Alignas(64) _Atomic int64_t cells[CELLS];
} slots[SLOTS];
static atomic_uint slots_taken = 1;
static _Thread_local unsigned my_slot;

void pg_metric_slot(void)
{
    unsigned taken = atomic_load(&slots_taken);

    if (my_slot != 0)
        return;
    while (taken < SLOTS)
        if (atomic_compare_exchange_weak(&slots_taken, &taken, taken + 1)) {
            my_slot = taken;
            return;
        }
}

static void add(unsigned cell, int64_t n)
{
    _Atomic int64_t *c = &slots[my_slot].cells[cell];

    if (my_slot == 0)
        (void)atomic_fetch_add_explicit(c, n, memory_order_relaxed);
    else
        atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                              memory_order_relaxed);
}

static int64_t sum(unsigned cell)
{
    unsigned n = atomic_load(&slots_taken);
    int64_t total = 0;

    for (unsigned i = 0; i < n; i++)
        total += atomic_load_explicit(&slots[i].cells[cell], memory_order_relaxed);
    return total;
}

void pg_metric_add(enum pg_metric m, int64_t n)
{
    PG_CHECK(m < PG_METRICS && table[m].type != SECONDS);
    PG_CHECK(n >= 0 || table[m].type == GAUGE);
    add(table[m].cell, n);
}

void pg_metric_set(enum pg_metric m, int64_t value)
{
    PG_CHECK(m < PG_METRICS && (table[m].type == GAUGE || table[m].type == GAUGE_US));
    atomic_store_explicit(&slots[0].cells[table[m].cell], value, memory_order_relaxed);
}

void pg_metric_observe_us(enum pg_metric m, uint64_t us)
{
    unsigned i = 0;

    PG_CHECK(m < PG_METRICS && table[m].type == SECONDS);
    while (i < BOUNDS && us > bounds[i].us)
        i++;
    add(table[m].cell + i, 1);
    add(table[m].cell + BOUNDS + 1, us < INT64_MAX ? (int64_t)us : INT64_MAX);
}

int64_t pg_metric_read(enum pg_metric m)
{
    int64_t n = 0;

    PG_CHECK(m < PG_METRICS);
    if (table[m].type != SECONDS)
        return sum(table[m].cell);
    for (unsigned i = 0; i <= BOUNDS; i++)
        n += sum(table[m].cell + i);
    return n;
}

static void write_bucket(struct pg_buf *out, enum pg_metric m, const char *le, int64_t n)
{
    (void)pg_buf_printf(out, "%s_bucket{%s%sle=\"%s\"} %" PRId64 "\n", table[m].name,
                        table[m].labels, table[m].labels[0] != '\0' ? "," : "", le, n);
}

static void write_name(struct pg_buf *out, enum pg_metric m, const char *suffix)
{
    if (table[m].labels[0] != '\0')
        (void)pg_buf_printf(out, "%s%s{%s} ", table[m].name, suffix, table[m].labels);
    else
        (void)pg_buf_printf(out, "%s%s ", table[m].name, suffix);
}

static void write_us(struct pg_buf *out, int64_t us)
{
    (void)pg_buf_printf(out, "%" PRId64 ".%06" PRId64 "\n", us / 1000000, us % 1000000);
}

/* The count is what the buckets add up to, whatever is counted meanwhile. */
static void write_seconds(struct pg_buf *out, enum pg_metric m)
{
    int64_t n = 0;

    for (unsigned i = 0; i < BOUNDS; i++) {
        n += sum(table[m].cell + i);
        write_bucket(out, m, bounds[i].le, n);
    }
    n += sum(table[m].cell + BOUNDS);
    write_bucket(out, m, "+Inf", n);
    write_name(out, m, "_sum");
    write_us(out, sum(table[m].cell + BOUNDS + 1));
    write_name(out, m, "_count");
    (void)pg_buf_printf(out, "%" PRId64 "\n", n);
}

void pg_metric_write(struct pg_buf *out)
{
    static const char *const types[] = {
        [COUNTER] = "counter", [GAUGE] = "gauge", [GAUGE_US] = "gauge", [SECONDS] = "histogram"};

    for (unsigned m = 0; m < PG_METRICS; m++) {
        if (m == 0 || strcmp(table[m].name, table[m - 1].name) != 0)
            (void)pg_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", table[m].name, table[m].doc,
                                table[m].name, types[table[m].type]);
        if (table[m].type == SECONDS) {
            write_seconds(out, m);
        } else if (table[m].type == GAUGE_US) {
            write_name(out, m, "");
            write_us(out, sum(table[m].cell));
        } else {
            write_name(out, m, "");
            (void)pg_buf_printf(out, "%" PRId64 "\n", sum(table[m].cell));
        }
    }
}
