/* SPDX-License-Identifier: Apache-2.0 */
#include "retention/wildcard.h"

#define SHOWN(s) (int)((s).n < 100 ? (s).n : 100), (s).p

static int check_stars(struct sl p, struct pg_err *err)
{
    size_t n = 0, run = 0;

    for (size_t i = 0; i < p.n; i++) {
        run = p.p[i] == '*' ? run + 1 : 0;
        n += run == 1;
        if (run > 2) {
            return pg_fail(err, PG_E_DENIED,
                           "\"%.*s\": * is any characters but /, ** any at all; three mean nothing",
                           SHOWN(p));
        }
    }
    if (n > WILDCARD_STARS_MAX) {
        return pg_fail(err, PG_E_DENIED, "\"%.*s\": at most %d wildcards may stand in a pattern",
                       SHOWN(p), WILDCARD_STARS_MAX);
    }
    return 0;
}

int wildcard_check(struct sl p, struct pg_err *err)
{
    if (p.n == 0 || p.n > WILDCARD_MAX) {
        return pg_fail(err, PG_E_DENIED, "a pattern has 1 to %d characters", WILDCARD_MAX);
    }
    for (size_t i = 0; i < p.n; i++) {
        if ((unsigned char)p.p[i] <= ' ' || (unsigned char)p.p[i] == 0x7f) {
            return pg_fail(err, PG_E_DENIED,
                           "a blank or control character stands in the pattern, at its character "
                           "%zu",
                           i + 1);
        }
    }
    return check_stars(p, err);
}

/* Which ends of the text's beginnings are reached behind a star. */
static void spread(bool *at, struct sl text, bool over_parts)
{
    for (size_t i = 0; i < text.n; i++) {
        at[i + 1] = at[i + 1] || (at[i] && (over_parts || text.p[i] != '/'));
    }
}

static void step(bool *at, struct sl text, char c)
{
    for (size_t i = text.n; i > 0; i--) {
        at[i] = at[i - 1] && text.p[i - 1] == c;
    }
    at[0] = false;
}

bool wildcard_matches(struct sl pattern, struct sl text)
{
    bool at[WILDCARD_MAX + 1];

    if (pattern.n == 0 || memchr(pattern.p, '*', pattern.n) == NULL) {
        return sl_eq(pattern, text);
    }
    if (text.n > WILDCARD_MAX) {
        return false;
    }
    memset(at, 0, sizeof(at));
    at[0] = true;
    for (size_t i = 0; i < pattern.n; i++) {
        if (pattern.p[i] != '*') {
            step(at, text, pattern.p[i]);
            continue;
        }
        bool two = i + 1 < pattern.n && pattern.p[i + 1] == '*';
        spread(at, text, two);
        i += two ? 1 : 0;
    }
    return at[text.n];
}

static bool has_two(struct sl p)
{
    return memmem(p.p, p.n, "**", 2) != NULL;
}

/* A star of the narrow one is a character that only a star can match. */
bool wildcard_covers(struct sl wide, struct sl narrow)
{
    return (!has_two(narrow) || has_two(wide)) && wildcard_matches(wide, narrow);
}

/* What two beginnings, of a up to i and of b up to j, can both match, row by row. */
bool wildcard_meets(struct sl a, struct sl b)
{
    bool row[WILDCARD_MAX + 1], next[WILDCARD_MAX + 1];

    PG_CHECK(a.n <= WILDCARD_MAX && b.n <= WILDCARD_MAX);
    memset(row, 0, sizeof(row));
    row[0] = true;
    for (size_t i = 0; i <= a.n; i++) {
        bool star = i < a.n && a.p[i] == '*';
        memset(next, 0, sizeof(next));
        for (size_t j = 0; j <= b.n; j++) {
            bool star_b = j < b.n && b.p[j] == '*';
            if (!row[j]) {
                continue;
            }
            if (j < b.n && (star || star_b)) {
                row[j + 1] = true;
            }
            next[j] = next[j] || star || star_b;
            if (i < a.n && j < b.n && a.p[i] == b.p[j]) {
                next[j + 1] = true;
            }
        }
        if (i < a.n) {
            memcpy(row, next, sizeof(row));
        }
    }
    return row[b.n];
}
