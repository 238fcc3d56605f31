/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/place_int.h"

void place_enter(struct place *p, const char *name)
{
    PG_CHECK(p->depth < PLACE_DEPTH_MAX);
    p->at[p->depth].name = name;
    p->depth++;
}

void place_enter_index(struct place *p, size_t index)
{
    PG_CHECK(p->depth < PLACE_DEPTH_MAX);
    p->at[p->depth].name = NULL;
    p->at[p->depth].index = index;
    p->depth++;
}

void place_leave(struct place *p)
{
    PG_CHECK(p->depth > 0);
    p->depth--;
}

static struct sl behind(struct sl s, size_t n)
{
    PG_CHECK(n <= s.n);
    return (struct sl){s.p + n, s.n - n};
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static struct sl skip_blanks(struct sl s)
{
    size_t n = 0;

    while (n < s.n && is_one_of(s.p[n], " \t\r\n"))
        n++;
    return behind(s, n);
}

/* s starts with a quote; how long it is with both of them. */
static size_t string_length(struct sl s)
{
    size_t n = 1;

    while (n < s.n && s.p[n] != '"')
        n += s.p[n] == '\\' ? 2 : 1;
    return n < s.n ? n + 1 : s.n;
}

/* Behind a value and the blanks after it. */
static struct sl skip_value(struct sl s)
{
    size_t depth = 0;

    while (s.n > 0) {
        char c = s.p[0];

        if (depth == 0 && is_one_of(c, ",]}"))
            break;
        if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']')
            depth--;
        s = behind(s, c == '"' ? string_length(s) : 1);
    }
    return s;
}

/* s: behind the '{' or '['. The value of that name or index; {NULL, 0}: it is not there. */
static struct sl find_in(struct sl s, const char *name, size_t index)
{
    for (size_t i = 0;; i++) {
        struct sl key = {NULL, 0};

        s = skip_blanks(s);
        if (s.n == 0 || s.p[0] == '}' || s.p[0] == ']')
            return (struct sl){NULL, 0};
        if (name != NULL) {
            key = (struct sl){s.p, s.p[0] == '"' ? string_length(s) : 0};
            s = skip_blanks(behind(s, key.n));
            s = skip_blanks(behind(s, s.n > 0 ? 1 : 0)); /* the colon */
        }
        if (name == NULL ? i == index
                         : key.n >= 2 && sl_eq((struct sl){key.p + 1, key.n - 2}, sl_str(name)))
            return s;
        s = skip_value(s);
        s = behind(s, s.n > 0 && s.p[0] == ',' ? 1 : 0);
    }
}

struct sl place_find(const struct place *p, struct sl json)
{
    struct sl at = skip_blanks(json);

    for (unsigned i = 0; i < p->depth; i++) {
        struct sl next;

        if (at.n == 0 || at.p[0] != (p->at[i].name != NULL ? '{' : '['))
            break;
        next = find_in(behind(at, 1), p->at[i].name, p->at[i].index);
        if (next.p == NULL)
            break;
        at = next;
    }
    return at;
}
