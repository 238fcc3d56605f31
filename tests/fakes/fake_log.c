/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/fake_log.h"

#include <stdarg.h>
#include <stdio.h>

char fake_log_lines[FAKE_LOG_LINES][PG_LOG_LINE_MAX];
unsigned fake_log_n;

static const char *const tags[] = {
#define X(tag, name, doc) name,
#include "base/log_tags.h"
#undef X
};

void fake_log_reset(void)
{
    fake_log_n = 0;
    fake_log_lines[0][0] = '\0';
}

const char *fake_log_last(void)
{
    return fake_log_n == 0 ? "" : fake_log_lines[(fake_log_n - 1) % FAKE_LOG_LINES];
}

static void __attribute__((format(printf, 2, 3))) add(struct pg_log_line *l, const char *fmt, ...)
{
    size_t room = sizeof(l->text) - l->n;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(l->text + l->n, room, fmt, ap);
    va_end(ap);
    if (n > 0)
        l->n += (size_t)n < room ? (size_t)n : room - 1;
}

static void keep(const struct pg_log_line *l)
{
    memcpy(fake_log_lines[fake_log_n++ % FAKE_LOG_LINES], l->text, l->n + 1);
}

void pg_log_setup(enum pg_log_format format, enum pg_log_level min)
{
    (void)format;
    (void)min;
}

void pg_log_start(void)
{
}

void pg_log_stop(void)
{
}

uint64_t pg_log_dropped(void)
{
    return 0;
}

void pg_log_begin(struct pg_log_line *l, enum pg_log_tag tag, enum pg_log_level level)
{
    (void)level;
    l->off = l->cut = false;
    l->n = 0;
    add(l, "%s", tags[tag]);
}

void pg_log_str(struct pg_log_line *l, const char *key, struct sl value)
{
    add(l, " %s=" SL_FMT, key, SL_ARG(value));
}

void pg_log_u64(struct pg_log_line *l, const char *key, uint64_t value)
{
    add(l, " %s=%llu", key, (unsigned long long)value);
}

void pg_log_ms(struct pg_log_line *l, const char *key, uint64_t us)
{
    add(l, " %s=%.3f", key, (double)us / 1000.0);
}

void pg_log_f64(struct pg_log_line *l, const char *key, double value, int decimals)
{
    add(l, " %s=%.*f", key, decimals, value);
}

void pg_log_err(struct pg_log_line *l, const struct pg_err *err)
{
    add(l, " error=%s", err->msg);
}

void pg_log_end(struct pg_log_line *l)
{
    keep(l);
}

void pg_log_say(enum pg_log_level level, enum pg_log_tag tag, const char *fmt, ...)
{
    struct pg_log_line l;
    va_list ap;
    int n;

    pg_log_begin(&l, tag, level);
    add(&l, " ");
    va_start(ap, fmt);
    n = vsnprintf(l.text + l.n, sizeof(l.text) - l.n, fmt, ap);
    va_end(ap);
    if (n > 0 && l.n + (size_t)n < sizeof(l.text))
        l.n += (size_t)n;
    keep(&l);
}
