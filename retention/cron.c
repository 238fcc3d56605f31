/* SPDX-License-Identifier: Apache-2.0 */
#include "retention/cron.h"

#include <time.h>

#define SHOWN(s)   (int)((s).n < 100 ? (s).n : 100), (s).p
#define DAY_S      86400
#define DAYS_AHEAD (41 * 366) /* a 29th of February that is a Sunday may be 40 years away */

struct field {
    const char *name;
    unsigned min, max;
    const char *const *words; /* from min on; NULL: none */
};

static const char *const month_words[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_words[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const struct field fields[5] = {
    {"minute", 0, 59, NULL},
    {"hour", 0, 23, NULL},
    {"day of the month", 1, 31, NULL},
    {"month", 1, 12, month_words},
    {"day of the week", 0, 7, weekday_words},
};

static const struct {
    const char *name, *text;
} short_forms[] = {
    {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};

/* ---- reading ------------------------------------------------------------------------------- */

static struct sl cut(struct sl *s, char at)
{
    const char *p = s->n > 0 ? memchr(s->p, at, s->n) : NULL;
    struct sl first = {s->p, p != NULL ? (size_t)(p - s->p) : s->n};

    *s = p != NULL ? (struct sl){p + 1, s->n - first.n - 1} : (struct sl){NULL, 0};
    return first;
}

static bool take_value(const struct field *f, struct sl s, unsigned *value_r)
{
    unsigned n = 0;

    for (size_t i = 0; f->words != NULL && f->words[i] != NULL; i++) {
        if (sl_eq_nocase(s, sl_str(f->words[i]))) {
            *value_r = f->min + (unsigned)i;
            return true;
        }
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || n > 99) {
            return false;
        }
        n = 10 * n + (unsigned)(s.p[i] - '0');
    }
    *value_r = n;
    return s.n > 0 && n >= f->min && n <= f->max;
}

static bool take_step(struct sl s, unsigned *step_r)
{
    static const struct field steps = {"step", 1, 59, NULL};

    return take_value(&steps, s, step_r);
}

/* One item of a list: *, a, a-b, each with /step. */
static bool take_item(const struct field *f, struct sl item, uint64_t *bits)
{
    bool stepped = item.n > 0 && memchr(item.p, '/', item.n) != NULL;
    unsigned from = f->min, to = f->max, step = 1;
    struct sl rest = item, span = cut(&rest, '/');

    if (stepped && !take_step(rest, &step)) {
        return false;
    }
    if (!sl_eq(span, SL("*"))) {
        bool is_range = span.n > 0 && memchr(span.p, '-', span.n) != NULL;
        struct sl end = span, begin = cut(&end, '-');
        if (!take_value(f, begin, &from) || (is_range && !take_value(f, end, &to))) {
            return false;
        }
        if (!is_range && !stepped) {
            to = from;
        }
    }
    if (from > to) {
        return false;
    }
    for (unsigned n = from; n <= to; n += step) {
        *bits |= UINT64_C(1) << n;
    }
    return true;
}

static int take_field(const struct field *f, struct sl text, uint64_t *bits_r, struct pg_err *err)
{
    struct sl rest = text;

    *bits_r = 0;
    do {
        bool last = rest.n == 0 || memchr(rest.p, ',', rest.n) == NULL;
        struct sl item = cut(&rest, ',');
        if (!take_item(f, item, bits_r)) {
            return pg_fail(err, PG_E_DENIED,
                           "\"%.*s\" is no %s: numbers from %u to %u, as *, 1, 1-5, 1,15 or */10",
                           SHOWN(text), f->name, f->min, f->max);
        }
        if (last) {
            return 0;
        }
    } while (true);
}

/* Some day of some month that it names is in the calendar. */
static bool ever_comes(const struct cron *c)
{
    static const unsigned days[13] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    for (unsigned m = 1; m <= 12; m++) {
        uint32_t in_month = (uint32_t)((UINT64_C(1) << (days[m] + 1)) - 2);
        if ((c->months >> m & 1) != 0 && (c->days & in_month) != 0) {
            return true;
        }
    }
    return !c->any_weekday;
}

static struct sl spelled_out(struct sl text)
{
    for (size_t i = 0; i < sizeof(short_forms) / sizeof(*short_forms); i++) {
        if (sl_eq(text, sl_str(short_forms[i].name))) {
            return sl_str(short_forms[i].text);
        }
    }
    return text;
}

static size_t split(struct sl text, struct sl words[6])
{
    size_t n = 0;

    for (size_t i = 0; i < text.n && n < 6;) {
        size_t from = i;
        while (i < text.n && text.p[i] != ' ') {
            i++;
        }
        if (i > from) {
            words[n++] = (struct sl){text.p + from, i - from};
        }
        i++;
    }
    return n;
}

int cron_read(struct sl text, struct cron *cron_r, struct pg_err *err)
{
    struct sl words[6];
    uint64_t bits[5];
    size_t n = text.n <= CRON_TEXT_MAX ? split(spelled_out(text), words) : 0;

    if (n != 5) {
        return pg_fail(err, PG_E_DENIED,
                       "\"%.*s\" is no cron expression: minute hour day-of-month month "
                       "day-of-week, such as \"30 2 * * *\", or @daily",
                       SHOWN(text));
    }
    for (size_t i = 0; i < 5; i++) {
        if (take_field(&fields[i], words[i], &bits[i], err) < 0) {
            return -1;
        }
    }
    struct cron c = {.minutes = bits[0],
                     .hours = (uint32_t)bits[1],
                     .days = (uint32_t)bits[2],
                     .months = (uint32_t)bits[3],
                     .weekdays = (uint8_t)((bits[4] | bits[4] >> 7) & 0x7f),
                     .any_day = words[2].p[0] == '*',
                     .any_weekday = words[4].p[0] == '*'};
    if (!ever_comes(&c)) {
        return pg_fail(err, PG_E_DENIED,
                       "\"%.*s\" never comes: no month that it names has such a day", SHOWN(text));
    }
    *cron_r = c;
    return 0;
}

/* ---- when ---------------------------------------------------------------------------------- */

static bool has_day(const struct cron *c, const struct tm *tm)
{
    bool day = (c->days >> tm->tm_mday & 1) != 0, weekday = (c->weekdays >> tm->tm_wday & 1) != 0;

    if ((c->months >> (tm->tm_mon + 1) & 1) == 0) {
        return false;
    }
    return c->any_day || c->any_weekday ? day && weekday : day || weekday;
}

/* The first minute of its day from `from` on (of 1440); -1: none. */
static int next_minute(const struct cron *c, int from)
{
    for (int m = from; m < 1440; m++) {
        if ((c->hours >> (m / 60) & 1) != 0 && (c->minutes >> (m % 60) & 1) != 0) {
            return m;
        }
    }
    return -1;
}

int64_t cron_next(const struct cron *c, int64_t after_s)
{
    int64_t first = after_s < 0 ? 0 : (after_s / 60 + 1) * 60;
    int64_t day = first / DAY_S;
    int from = (int)(first % DAY_S / 60);

    for (int i = 0; i < DAYS_AHEAD; i++) {
        time_t midnight = (time_t)((day + i) * DAY_S);
        struct tm tm;
        if (gmtime_r(&midnight, &tm) == NULL) {
            return 0;
        }
        int m = has_day(c, &tm) ? next_minute(c, i == 0 ? from : 0) : -1;
        if (m >= 0) {
            return (int64_t)midnight + (int64_t)m * 60;
        }
    }
    return 0;
}
