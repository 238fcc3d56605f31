/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metric - counters, gauges and histograms, named once in metric_table.h.
 *
 * Counters are kept per thread slot (no sharing of cache lines between loops) and summed when
 * scraped. Labels are fixed in the table: no client, repository or tag ever becomes a label, so
 * the number of series is known at compile time.
 *
 * Threads: add and observe: any, each with the slot of its thread (pg_metric_slot() once per
 *          thread; threads without a slot share slot 0, atomically). write: any.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"

enum pg_metric {
#define X(id, type, name, labels, doc) PG_M_##id,
#include "base/metric_table.h"
#undef X
    PG_METRICS
};

void pg_metric_slot(void);                       /* gives the calling thread a slot of its own */
void pg_metric_add(enum pg_metric m, int64_t n); /* counters: n >= 0; gauges: either way */
#define pg_metric_inc(m) pg_metric_add((m), 1)
void pg_metric_set(enum pg_metric m, int64_t value);      /* gauges with a single writer */
void pg_metric_observe_us(enum pg_metric m, uint64_t us); /* histograms of seconds */
int64_t pg_metric_read(enum pg_metric m);

/* Prometheus text format 0.0.4, every metric of the table. */
void pg_metric_write(struct pg_buf *out);
