/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - lines for people and machines: one event, one line, JSON or text, on standard error.
 *
 *     struct pg_log_line line;
 *     pg_log_begin(&line, PG_LOG_REQUEST, PG_LOG_INFO);
 *     pg_log_str(&line, "repo", repo);
 *     pg_log_u64(&line, "bytes", n);
 *     pg_log_end(&line);
 *
 * A line is built on the stack and written by the writer thread that pg_log_start() begins, many
 * with one write(2) when many come, none later than a few milliseconds; before that it is written
 * directly, and when the queue is full it is counted as dropped. Every value is escaped: no byte
 * from outside can begin a line, end a string or reach a terminal raw. Every kind of line is named
 * once in log_tags.h.
 *
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

enum pg_log_tag {
#define X(tag, name, doc) PG_LOG_##tag,
#include "base/log_tags.h"
#undef X
    PG_LOG_NTAGS
};

enum pg_log_level { PG_LOG_DEBUG, PG_LOG_INFO, PG_LOG_WARN, PG_LOG_ERROR };
enum pg_log_format { PG_LOG_TEXT, PG_LOG_JSON };

#define PG_LOG_LINE_MAX 8192

struct pg_log_line {
    bool off; /* below the level: every call on it is a no-op */
    bool cut; /* a value did not fit; the line says so */
    size_t n;
    char text[PG_LOG_LINE_MAX];
};

void pg_log_setup(enum pg_log_format format, enum pg_log_level min); /* may be called again */
void pg_log_start(void); /* begins the writer thread, once the spawner is forked */
void pg_log_stop(void);  /* writes what is queued and ends it */
uint64_t pg_log_dropped(void);

void pg_log_begin(struct pg_log_line *l, enum pg_log_tag tag, enum pg_log_level level);
void pg_log_str(struct pg_log_line *l, const char *key, struct sl value);
void pg_log_u64(struct pg_log_line *l, const char *key, uint64_t value);
/* Milliseconds, with three decimals. */
void pg_log_ms(struct pg_log_line *l, const char *key, uint64_t us);
void pg_log_f64(struct pg_log_line *l, const char *key, double value, int decimals);
void pg_log_err(struct pg_log_line *l, const struct pg_err *err); /* error, detail, where */
void pg_log_end(struct pg_log_line *l);

/* A line with nothing but a text: start-up, shut-down, operator's news. */
void pg_log_say(enum pg_log_level level, enum pg_log_tag tag, const char *fmt, ...) PG_PRINTF(3, 4);
