/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/link.h"

#include <stdint.h>

#include "base/check.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static void skip(struct sl *s, size_t n)
{
    *s = (struct sl){s->p + n, s->n - n};
}

static bool take(struct sl *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    skip(s, 1);
    return true;
}

static void skip_spaces(struct sl *s)
{
    while (s->n > 0 && is_space(s->p[0]))
        skip(s, 1);
}

/* Up to a byte of `stops`, or to the end. */
static struct sl take_until(struct sl *s, struct sl stops)
{
    size_t n = 0;

    while (n < s->n && memchr(stops.p, s->p[n], stops.n) == NULL)
        n++;
    skip(s, n);
    return (struct sl){s->p - n, n};
}

/* <target>, where the target has neither spaces, controls nor bytes outside of ASCII. */
static bool take_target(struct sl *s, struct sl *target_r)
{
    struct sl target;

    if (!take(s, '<'))
        return false;
    target = take_until(s, SL(">"));
    if (!take(s, '>'))
        return false;
    for (size_t i = 0; i < target.n; i++)
        if (target.p[i] <= ' ' || target.p[i] > '~' || target.p[i] == '<' || target.p[i] == '"')
            return false;
    *target_r = target;
    return true;
}

/* A token, or what is between quotes; an escaped quote is kept with its backslash. */
static bool take_value(struct sl *s, struct sl *value_r)
{
    size_t n = 0;

    if (!take(s, '"')) {
        *value_r = take_until(s, SL(" \t;,\""));
        return value_r->n > 0;
    }
    while (n < s->n && s->p[n] != '"')
        n += s->p[n] == '\\' ? 2 : 1;
    if (n >= s->n)
        return false;
    *value_r = (struct sl){s->p, n};
    skip(s, n + 1);
    return true;
}

/* rel is a list: rel="last next". */
static bool has_next(struct sl rel)
{
    while (rel.n > 0) {
        struct sl one = take_until(&rel, SL(" \t"));

        if (sl_eq_nocase(one, SL("next")))
            return true;
        skip_spaces(&rel);
    }
    return false;
}

/* The parameters of one link. RFC 8288: only the first rel counts. False: malformed. */
static bool take_params(struct sl *s, bool *is_next_r)
{
    bool seen = false;

    *is_next_r = false;
    for (;;) {
        struct sl name, value = {NULL, 0};

        skip_spaces(s);
        if (!take(s, ';'))
            return true;
        skip_spaces(s);
        name = take_until(s, SL("= \t;,\""));
        skip_spaces(s);
        if (take(s, '=')) {
            skip_spaces(s);
            if (!take_value(s, &value))
                return false;
        }
        if (sl_eq_nocase(name, SL("rel")) && !seen) {
            seen = true;
            *is_next_r = has_next(value);
        }
    }
}

int link_next(struct sl value, struct sl *target_r)
{
    for (;;) {
        struct sl target;
        bool is_next;

        while (value.n > 0 && (is_space(value.p[0]) || value.p[0] == ','))
            skip(&value, 1);
        if (value.n == 0 || !take_target(&value, &target) || !take_params(&value, &is_next))
            return 0;
        if (value.n > 0 && value.p[0] != ',')
            return 0;
        if (is_next) {
            *target_r = target;
            return 1;
        }
    }
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* '+' is a space, as registries write and read their queries. */
static int decode(struct sl raw, struct pg_arena *arena, struct sl *value_r)
{
    char *out = pg_alloc(arena, raw.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < raw.n; i++) {
        int high, low;

        if (raw.p[i] != '%') {
            out[n] = raw.p[i];
            if (out[n] == '+')
                out[n] = ' ';
            n++;
            continue;
        }
        if (raw.n - i < 3)
            return 0;
        high = nibble(raw.p[i + 1]);
        low = nibble(raw.p[i + 2]);
        if (high < 0 || low < 0)
            return 0;
        out[n++] = (char)(high << 4 | low);
        i += 2;
    }
    *value_r = (struct sl){out, n};
    return 1;
}

int link_query(struct sl target, struct sl key, struct pg_arena *arena, struct sl *value_r)
{
    struct sl rest = target;

    (void)take_until(&rest, SL("?#"));
    if (!take(&rest, '?'))
        return 0;
    rest = take_until(&rest, SL("#"));
    while (rest.n > 0) {
        struct sl pair = take_until(&rest, SL("&"));
        struct sl name = take_until(&pair, SL("="));

        (void)take(&rest, '&');
        if (!sl_eq(name, key))
            continue;
        (void)take(&pair, '=');
        return decode(pair, arena, value_r);
    }
    return 0;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

struct sl link_encode(struct pg_arena *arena, struct sl value)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;
    char *out;

    PG_CHECK(value.n < SIZE_MAX / 4);
    out = pg_alloc(arena, 3 * value.n + 1);
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];

        if (is_unreserved(value.p[i])) {
            out[n++] = value.p[i];
            continue;
        }
        out[n++] = '%';
        out[n++] = hex[c >> 4];
        out[n++] = hex[c & 15];
    }
    return (struct sl){out, n};
}

bool link_is_query(struct sl s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~' || strchr("#\"<>\\^`{|}", s.p[i]) != NULL)
            return false;
    }
    return true;
}
