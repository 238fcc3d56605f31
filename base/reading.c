/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reading.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/nearest.h"

#define AGE_MAX_S ((int64_t)36500 * 86400)
#define SHOWN(s)  (int)((s).n < 100 ? (s).n : 100), (s).p

/* ---- what is wrong ------------------------------------------------------------------------- */

int reading_bad(struct reading *r, struct pg_tree_at at, const char *fmt, ...)
{
    char what[PG_ERR_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    PG_CHECK(n >= 0);
    for (char *c = what; *c != '\0'; c++) { /* keys and values may hold anything */
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
    return pg_fail(r->err, PG_E_DENIED, "%s:%u:%u: %s", r->file, at.line, at.col, what);
}

int reading_wrap(struct reading *r, struct pg_tree_at at)
{
    struct pg_err inner = {0};

    pg_err_move(&inner, r->err);
    (void)reading_bad(r, at, "%s", inner.msg);
    if (inner.detail != NULL) {
        (void)pg_detail(r->err, "%s", inner.detail);
    }
    pg_err_clear(&inner);
    return -1;
}

int reading_tree(struct reading *r, struct sl text, struct pg_tree **root_r)
{
    struct pg_tree_fault fault;

    if (pg_tree_read(r->arena, text, root_r, &fault) < 0) {
        return reading_bad(r, fault.at, "%s", fault.what);
    }
    if (*root_r == NULL) {
        return reading_bad(r, (struct pg_tree_at){1, 1}, "the file is empty");
    }
    return 0;
}

static int unknown_key(struct reading *r, const struct pg_tree *t, const char *what,
                       const char *const *words)
{
    char list[400] = "";
    size_t n = 0, at = 0;

    for (; words[n] != NULL; n++) {
        int more = snprintf(list + at, sizeof(list) - at, "%s%s", n > 0 ? ", " : "", words[n]);
        at = more > 0 && at + (size_t)more < sizeof(list) ? at + (size_t)more : at;
    }
    const char *near = pg_nearest_of(t->key, words, n);
    if (near != NULL) {
        return reading_bad(r, t->key_at, "unknown key \"%.*s\" in %s; did you mean \"%s\"?",
                           SHOWN(t->key), what, near);
    }
    return reading_bad(r, t->key_at, "unknown key \"%.*s\" in %s; known here: %s", SHOWN(t->key),
                       what, list);
}

int reading_keys(struct reading *r, const struct pg_tree *t, const char *what,
                 const char *const *words)
{
    if (t->kind != PG_TREE_MAP) {
        return reading_bad(r, t->at, "%s must be a mapping of keys to values", what);
    }
    for (const struct pg_tree *c = t->first; c != NULL; c = c->next) {
        bool known = false;
        for (size_t i = 0; words[i] != NULL && !known; i++) {
            known = sl_eq(c->key, sl_str(words[i]));
        }
        if (!known) {
            return unknown_key(r, c, what, words);
        }
    }
    return 0;
}

/* ---- values -------------------------------------------------------------------------------- */

int reading_text(struct reading *r, const struct pg_tree *map, const char *key, struct sl *text_r)
{
    const struct pg_tree *t = pg_tree_get(map, sl_str(key));

    *text_r = (struct sl){NULL, 0};
    if (t == NULL) {
        return 0;
    }
    if (t->kind != PG_TREE_SCALAR || pg_tree_is_null(t) || t->text.n == 0) {
        return reading_bad(r, t->at, "%s must be a text, and not empty", key);
    }
    *text_r = t->text;
    return 0;
}

int reading_truth(struct reading *r, const struct pg_tree *map, const char *key, bool *value_r)
{
    const struct pg_tree *t = pg_tree_get(map, sl_str(key));

    if (t == NULL) {
        return 0;
    }
    bool plain = t->kind == PG_TREE_SCALAR && t->is_plain;
    if (!plain || (!sl_eq(t->text, SL("true")) && !sl_eq(t->text, SL("false")))) {
        return reading_bad(r, t->at, "%s must be true or false", key);
    }
    *value_r = sl_eq(t->text, SL("true"));
    return 0;
}

int reading_count(struct reading *r, const struct pg_tree *map, const char *key, int64_t *count_r)
{
    const struct pg_tree *t = pg_tree_get(map, sl_str(key));
    int64_t n = 0;

    if (t == NULL) {
        return 0;
    }
    bool good = t->kind == PG_TREE_SCALAR && t->text.n > 0 && t->is_plain;
    if (good && t->text.p[0] == '-') {
        return reading_bad(r, t->at, "%s is negative; it must be a number from 0 to %d", key,
                           READING_COUNT_MAX);
    }
    for (size_t i = 0; good && i < t->text.n; i++) {
        good = t->text.p[i] >= '0' && t->text.p[i] <= '9' && n <= READING_COUNT_MAX;
        n = 10 * n + (t->text.p[i] - '0');
    }
    if (!good || n > READING_COUNT_MAX) {
        return reading_bad(r, t->at, "%s must be a number from 0 to %d", key, READING_COUNT_MAX);
    }
    *count_r = n;
    return 0;
}

static const struct {
    char unit;
    int64_t s;
} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

int reading_parse_age(struct sl text, int64_t *age_s_r)
{
    int64_t n = 0;
    size_t i = 0;

    for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9' && n <= AGE_MAX_S; i++) {
        n = 10 * n + (text.p[i] - '0');
    }
    for (size_t u = 0; u < sizeof(units) / sizeof(*units) && i > 0 && i + 1 == text.n; u++) {
        if (text.p[i] == units[u].unit && n > 0 && n <= AGE_MAX_S / units[u].s) {
            *age_s_r = n * units[u].s;
            return 0;
        }
    }
    return -1;
}

const char *reading_age_text(int64_t age_s, char out[READING_AGE_TEXT])
{
    size_t u = 0;

    while (u < 3 && age_s % units[u].s != 0) {
        u++;
    }
    (void)snprintf(out, READING_AGE_TEXT, "%" PRId64 "%c", age_s / units[u].s, units[u].unit);
    return out;
}

int reading_age(struct reading *r, const struct pg_tree *map, const char *key, int64_t *age_s_r)
{
    const struct pg_tree *t = pg_tree_get(map, sl_str(key));

    if (t == NULL) {
        return 0;
    }
    if (t->kind == PG_TREE_SCALAR && reading_parse_age(t->text, age_s_r) == 0) {
        return 0;
    }
    if (t->kind == PG_TREE_SCALAR && t->text.n > 0 && t->text.p[0] == '-') {
        return reading_bad(r, t->at, "%s is negative; it must be a time from 1s to 36500d", key);
    }
    return reading_bad(r, t->at, "%s must be a time from 1s to 36500d, such as 48h or 30d", key);
}

int reading_word(struct reading *r, const struct pg_tree *map, const char *key,
                 const char *const *words, unsigned *value_r)
{
    const struct pg_tree *t = pg_tree_get(map, sl_str(key));
    char list[200] = "";
    size_t at = 0;

    if (t == NULL) {
        return 0;
    }
    for (unsigned i = 0; words[i] != NULL; i++) {
        if (t->kind == PG_TREE_SCALAR && sl_eq(t->text, sl_str(words[i]))) {
            *value_r = i;
            return 0;
        }
        int more = snprintf(list + at, sizeof(list) - at, "%s%s", i > 0 ? ", " : "", words[i]);
        at = more > 0 && at + (size_t)more < sizeof(list) ? at + (size_t)more : at;
    }
    return reading_bad(r, t->at, "%s must be one of: %s", key, list);
}

int reading_list(struct reading *r, const struct pg_tree *map, const char *key,
                 const struct sl **items_r, size_t *n_r)
{
    const struct pg_tree *list = pg_tree_get(map, sl_str(key));
    size_t n = 0;

    *items_r = NULL;
    *n_r = 0;
    if (list == NULL) {
        return 0;
    }
    if (list->kind != PG_TREE_LIST || list->nchildren == 0 || list->nchildren > READING_LIST_MAX) {
        return reading_bad(r, list->at, "%s must be a list of 1 to %d texts", key,
                           READING_LIST_MAX);
    }
    struct sl *items = pg_alloc(r->arena, list->nchildren * sizeof(*items));
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        if (t->kind != PG_TREE_SCALAR || pg_tree_is_null(t)) {
            return reading_bad(r, t->at, "what stands in %s must be a text", key);
        }
        items[n++] = t->text;
    }
    *items_r = items;
    *n_r = n;
    return 0;
}

int reading_parse_date(struct sl text, int64_t *when_s_r)
{
    static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"};
    char copy[40];

    if (text.n == 0 || text.n >= sizeof(copy)) {
        return -1;
    }
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    for (size_t i = 0; i < 2; i++) {
        struct tm tm = {0};
        const char *end = strptime(copy, forms[i], &tm);
        if (end == NULL || *end != '\0') {
            continue;
        }
        int day = tm.tm_mday, year = tm.tm_year;
        time_t when = timegm(&tm);
        if (when < 0 || year > 8099 || tm.tm_mday != day) { /* the 31st of February */
            return -1;
        }
        *when_s_r = (int64_t)when;
        return 0;
    }
    return -1;
}
