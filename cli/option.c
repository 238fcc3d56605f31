/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/option.h"

#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 80

#define GLOBAL(section, name, type, initial, min, max, when, doc)                                  \
    {#section,                                                                                     \
     #name,                                                                                        \
     OPTION_##type,                                                                                \
     initial,                                                                                      \
     min,                                                                                          \
     max,                                                                                          \
     sizeof(#when) == sizeof("RELOAD"),                                                            \
     doc,                                                                                          \
     offsetof(struct config, section##_##name)},
#define UPSTREAM(section, name, type, initial, min, max, when, doc)                                \
    {#section,                                                                                     \
     #name,                                                                                        \
     OPTION_##type,                                                                                \
     initial,                                                                                      \
     min,                                                                                          \
     max,                                                                                          \
     sizeof(#when) == sizeof("RELOAD"),                                                            \
     doc,                                                                                          \
     offsetof(struct config_upstream, section##_##name)},

_Static_assert(sizeof("RELOAD") != sizeof("RESTART"), "told apart by their length");

const struct option option_global[OPTION_NGLOBAL] = {CONFIG_GLOBAL(GLOBAL)};
const struct option option_upstream[OPTION_NUPSTREAM] = {CONFIG_UPSTREAM(UPSTREAM)};

/* Largest first: a value is written in the largest unit that divides it. */
struct unit {
    const char *name;
    uint64_t factor;
};
static const struct unit size_units[] = {
    {"TiB", UINT64_C(1) << 40},
    {"GiB", UINT64_C(1) << 30},
    {"MiB", UINT64_C(1) << 20},
    {"KiB", UINT64_C(1) << 10},
    {"B", 1},
};
static const struct unit time_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};
#define NUNITS 5
_Static_assert(sizeof size_units / sizeof *size_units == NUNITS, "put_number() walks both");
_Static_assert(sizeof time_units / sizeof *time_units == NUNITS, "put_number() walks both");

static const char *const log_formats[] = {[PG_LOG_TEXT] = "text", [PG_LOG_JSON] = "json"};
static const char *const log_levels[] = {[PG_LOG_DEBUG] = "debug",
                                         [PG_LOG_INFO] = "info",
                                         [PG_LOG_WARN] = "warn",
                                         [PG_LOG_ERROR] = "error"};
static const char *const deleted_words[] = {"follow", "keep", "keep-and-flag"};
#define NWORDS(words) (sizeof(words) / sizeof *(words))

bool option_is_top(const struct option *o)
{
    return strcmp(o->section, "top") == 0;
}

static bool is_word(struct sl s, const char *word)
{
    return s.n == strlen(word) && memcmp(s.p, word, s.n) == 0;
}

static const struct unit *units_of(const struct option *o)
{
    return o->type == OPTION_SIZE ? size_units : o->type == OPTION_TIME ? time_units : NULL;
}

static void put_number(const struct unit *units, uint64_t value, struct pg_buf *out)
{
    size_t i = 0;

    if (units == NULL || value == 0) {
        (void)pg_buf_printf(out, "%llu", (unsigned long long)value);
        return;
    }
    while (value % units[i].factor != 0) {
        i++; /* the last unit is 1 */
    }
    (void)pg_buf_printf(out, "%llu%s", (unsigned long long)(value / units[i].factor),
                        units[i].name);
}

/* 1: a number, with nothing or something behind it; 0: none; -1: too large. */
static int take_number(struct sl *text, uint64_t *value_r)
{
    uint64_t value = 0;
    size_t i = 0;

    while (i < text->n && text->p[i] >= '0' && text->p[i] <= '9') {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text->p[i] - '0'), &value)) {
            return -1;
        }
        i++;
    }
    *text = (struct sl){text->p + i, text->n - i};
    *value_r = value;
    return i > 0;
}

/* A value in a message is not longer than a line. */
static struct sl shortened(struct sl text)
{
    return (struct sl){text.p, text.n < SHOWN_MAX ? text.n : SHOWN_MAX};
}

static int refuse(struct pg_buf *why, struct sl text, const char *what)
{
    (void)pg_buf_put_json(why, shortened(text));
    (void)pg_buf_printf(why, " is %s", what);
    return -1;
}

static int parse_unit(const struct option *o, struct sl rest, uint64_t *value)
{
    const struct unit *units = units_of(o);

    for (size_t i = 0; i < NUNITS; i++) {
        if (is_word(rest, units[i].name)) {
            return __builtin_mul_overflow(*value, units[i].factor, value) ? -1 : 1;
        }
    }
    return rest.n == 0 && (o->type == OPTION_SIZE || *value == 0);
}

static int parse_number(const struct option *o, struct sl text, uint64_t *value_r,
                        struct pg_buf *why)
{
    static const char *const what[] = {
        [OPTION_SIZE] = "not a size; write a number with B, KiB, MiB, GiB or TiB, such as 100GiB",
        [OPTION_TIME] = "not a time; write a number with ms, s, m, h or d, such as 60s",
        [OPTION_COUNT] = "not a number; write digits alone, such as 16",
    };
    struct sl rest = text;
    uint64_t value = 0;
    int is = take_number(&rest, &value);

    if (is > 0) {
        is = units_of(o) != NULL ? parse_unit(o, rest, &value) : rest.n == 0;
    }
    if (is == 0) {
        return refuse(why, text, what[o->type]);
    }
    if (is < 0 || value > o->max) {
        (void)pg_buf_put(why, shortened(text));
        (void)pg_buf_put(why, SL(" is more than the most, "));
        put_number(units_of(o), o->max, why);
        return -1;
    }
    if (value < o->min) {
        (void)pg_buf_put(why, shortened(text));
        (void)pg_buf_put(why, SL(" is less than the least, "));
        put_number(units_of(o), o->min, why);
        return -1;
    }
    *value_r = value;
    return 0;
}

static int parse_text(const struct option *o, struct sl text, char **field, struct pg_buf *why)
{
    if (o->type == OPTION_PATH && text.n > 0 && text.p[0] != '/') {
        return refuse(why, text, "not an absolute path; it must begin with /");
    }
    free(*field);
    *field = sl_dup(text);
    return 0;
}

/* The index of text among words, or -1. */
static int parse_word(struct sl text, const char *const *words, size_t nwords)
{
    for (size_t i = 0; i < nwords; i++) {
        if (is_word(text, words[i])) {
            return (int)i;
        }
    }
    return -1;
}

static int check_text(struct sl text, struct pg_buf *why)
{
    if (text.n > OPTION_TEXT_MAX) {
        (void)pg_buf_printf(why, "the value is longer than %d bytes", OPTION_TEXT_MAX);
        return -1;
    }
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f) {
            (void)pg_buf_put(why, SL("the value has a line break or another control character"));
            return -1;
        }
    }
    return 0;
}

int option_parse(const struct option *o, struct sl text, void *base, struct pg_buf *why)
{
    void *field = (char *)base + o->offset;
    int word;

    if (check_text(text, why) < 0) {
        return -1;
    }
    switch (o->type) {
    case OPTION_STRING:
    case OPTION_PATH:
        return parse_text(o, text, field, why);
    case OPTION_SIZE:
    case OPTION_TIME:
    case OPTION_COUNT:
        return parse_number(o, text, field, why);
    case OPTION_BOOL:
        if (!is_word(text, "true") && !is_word(text, "false")) {
            return refuse(why, text, "neither true nor false");
        }
        *(bool *)field = is_word(text, "true");
        return 0;
    case OPTION_LOGFORMAT:
        word = parse_word(text, log_formats, NWORDS(log_formats));
        if (word < 0) {
            return refuse(why, text, "neither text nor json");
        }
        *(enum pg_log_format *)field = (enum pg_log_format)word;
        return 0;
    case OPTION_LOGLEVEL:
        word = parse_word(text, log_levels, NWORDS(log_levels));
        if (word < 0) {
            return refuse(why, text, "none of debug, info, warn, error");
        }
        *(enum pg_log_level *)field = (enum pg_log_level)word;
        return 0;
    case OPTION_DELETED:
        word = parse_word(text, deleted_words, NWORDS(deleted_words));
        if (word < 0) {
            return refuse(why, text, "none of follow, keep, keep-and-flag");
        }
        *(enum config_deleted *)field = (enum config_deleted)word;
        return 0;
    }
    PG_BUG("an option of no type");
}

void option_initial(const struct option *o, void *base)
{
    struct pg_buf why;

    pg_buf_init(&why, 1024);
    int rc = option_parse(o, (struct sl){o->initial, strlen(o->initial)}, base, &why);
    PG_CHECK(rc == 0);
    pg_buf_free(&why);
}

static bool is_plain(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           (!first && strchr("._:-", c) != NULL);
}

void option_put_text(struct sl text, struct pg_buf *out)
{
    bool plain = text.n > 0 && text.p[text.n - 1] != ':' && !is_word(text, "null");

    for (size_t i = 0; i < text.n && plain; i++) {
        plain = text.p[i] != '\0' && is_plain(text.p[i], i == 0);
    }
    (void)(plain ? pg_buf_put(out, text) : pg_buf_put_json(out, text));
}

static struct sl field_text(const void *field)
{
    const char *text = *(char *const *)field;

    return text != NULL ? (struct sl){text, strlen(text)} : SL("");
}

void option_put(const struct option *o, const void *base, struct pg_buf *out)
{
    const void *field = (const char *)base + o->offset;

    switch (o->type) {
    case OPTION_STRING:
    case OPTION_PATH:
        option_put_text(field_text(field), out);
        return;
    case OPTION_SIZE:
    case OPTION_TIME:
    case OPTION_COUNT:
        put_number(units_of(o), *(const uint64_t *)field, out);
        return;
    case OPTION_BOOL:
        (void)pg_buf_printf(out, "%s", *(const bool *)field ? "true" : "false");
        return;
    case OPTION_LOGFORMAT:
        (void)pg_buf_printf(out, "%s", log_formats[*(const enum pg_log_format *)field]);
        return;
    case OPTION_LOGLEVEL:
        (void)pg_buf_printf(out, "%s", log_levels[*(const enum pg_log_level *)field]);
        return;
    case OPTION_DELETED:
        (void)pg_buf_printf(out, "%s", deleted_words[*(const enum config_deleted *)field]);
        return;
    }
    PG_BUG("an option of no type");
}

void option_put_kind(const struct option *o, struct pg_buf *out)
{
    static const char *const kinds[] = {
        [OPTION_STRING] = "a text",    [OPTION_PATH] = "an absolute path",
        [OPTION_SIZE] = "a size",      [OPTION_TIME] = "a time",
        [OPTION_COUNT] = "a number",   [OPTION_BOOL] = "true or false",
        [OPTION_LOGFORMAT] = "a word", [OPTION_LOGLEVEL] = "a word",
        [OPTION_DELETED] = "a word",
    };

    (void)pg_buf_printf(out, "%s", kinds[o->type]);
    if (o->max > 0) {
        (void)pg_buf_put(out, SL(" from "));
        put_number(units_of(o), o->min, out);
        (void)pg_buf_put(out, SL(" to "));
        put_number(units_of(o), o->max, out);
    }
}
