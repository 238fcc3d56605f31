/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export - spans (proxy/trace.h) on their way to a collector: OTLP over HTTP, JSON.
 *
 * A thread of its own takes what is waiting, EXPORT_BATCH_MAX at a time and at least every
 * EXPORT_WAIT_MS, and posts it to `trace.endpoint`. What the collector asks to be sent again (429,
 * 502, 503, 504, or no answer) is sent again, EXPORT_TRIES_MAX times; then it is dropped and
 * counted: spans are worth less than the memory they would pile up in. The log says when that
 * begins and when it ends. Nothing waits for the exporter.
 *
 * Ownership:  export_start() / export_stop(), which sends what is left, for EXPORT_LAST_MS at most.
 * Threads:    main.
 */
#pragma once

#include "base/err.h"

#define EXPORT_BATCH_MAX 512
#define EXPORT_WAIT_MS   2000
#define EXPORT_TRIES_MAX 3
#define EXPORT_LAST_MS   2000

struct export;

/* endpoint: http:// or https://, whole, such as http://127.0.0.1:4318/v1/traces. */
PG_MUST_USE int export_start(const char *endpoint, const char *version, struct export **export_r,
                             struct pg_err *err);
void export_stop(struct export *e); /* NULL is allowed */
