/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wildcard.h"

#define SHOWN(s) (int)((s).n < 100 ? (s).n : 100), (s).p

int wildcard_check_stars(struct sl p, struct pg_err *err)
{
    size_t n = 0, run = 0;

    for (size_t i = 0; i < p.n; i++) {
        run = p.p[i] == '*' ? run + 1 : 0;
        n += run == 1;
        if (run > 2) {
            return pg_fail(
                err, PG_E_DENIED,
                "\"%.*s\": * is within one part of a name, ** is over several; three mean nothing",
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
    return wildcard_check_stars(p, err);
}

/* Which positions of the name can be reached after a star. */
static void spread(bool *at, struct sl name, bool over_parts)
{
    for (size_t i = 0; i < name.n; i++) {
        at[i + 1] = at[i + 1] || (at[i] && (over_parts || name.p[i] != '/'));
    }
}

static void step(bool *at, struct sl name, char c)
{
    for (size_t i = name.n; i > 0; i--) {
        at[i] = at[i - 1] && name.p[i - 1] == c;
    }
    at[0] = false;
}

/* What stands behind the last star has to end the name, which most names do not. */
static bool ends_so(struct sl pattern, const char *star, struct sl name)
{
    size_t n = pattern.n - (size_t)(star + 1 - pattern.p);

    return n <= name.n && (n == 0 || memcmp(star + 1, name.p + name.n - n, n) == 0);
}

/* What most patterns are: one wildcard between a beginning and an end, which fit. */
static bool one_fits(struct sl pattern, size_t begins, size_t stars, struct sl name)
{
    size_t ends = pattern.n - begins - stars;

    return name.n >= begins + ends &&
           (stars == 2 || memchr(name.p + begins, '/', name.n - begins - ends) == NULL);
}

bool wildcard_matches(struct sl pattern, struct sl name)
{
    const char *star = pattern.n > 0 ? memrchr(pattern.p, '*', pattern.n) : NULL;
    const char *first = star != NULL ? memchr(pattern.p, '*', pattern.n) : NULL;
    size_t begins = first != NULL ? (size_t)(first - pattern.p) : 0;
    bool at[WILDCARD_MAX + 1]; /* which ends of the name's beginnings are reached */

    if (star == NULL) {
        return sl_eq(pattern, name);
    }
    if (name.n > WILDCARD_MAX || !ends_so(pattern, star, name)) {
        return false;
    }
    if (name.n < begins || (begins > 0 && memcmp(name.p, pattern.p, begins) != 0)) {
        return false;
    }
    if (star - first <= 1) {
        return one_fits(pattern, begins, (size_t)(star - first) + 1, name);
    }
    memset(at, 0, name.n + 1);
    at[0] = true;
    for (size_t i = 0; i < pattern.n; i++) {
        if (pattern.p[i] != '*') {
            step(at, name, pattern.p[i]);
            continue;
        }
        bool two = i + 1 < pattern.n && pattern.p[i + 1] == '*';
        spread(at, name, two);
        i += two ? 1 : 0;
    }
    return at[name.n];
}

/* Does `wide` match all that `narrow` does? A wildcard stands for parts that nobody writes. */
bool wildcard_covers(struct sl wide, struct sl narrow)
{
    char sample[WILDCARD_MAX + 1];
    size_t n = 0;

    for (size_t i = 0; i < narrow.n; i++) {
        bool two = i + 1 < narrow.n && narrow.p[i] == '*' && narrow.p[i + 1] == '*';
        struct sl part = two                  ? SL("\1/\1")
                         : narrow.p[i] == '*' ? SL("\1")
                                              : (struct sl){&narrow.p[i], 1};
        if (n + part.n > WILDCARD_MAX) {
            return false;
        }
        memcpy(sample + n, part.p, part.n);
        n += part.n;
        i += two ? 1 : 0;
    }
    return wildcard_matches(wide, (struct sl){sample, n});
}

bool wildcard_cover_all(const struct sl *wide, size_t nwide, const struct sl *narrow,
                        size_t nnarrow)
{
    for (size_t i = 0; i < nnarrow; i++) {
        bool is = false;
        for (size_t k = 0; k < nwide && !is; k++) {
            is = wildcard_covers(wide[k], narrow[i]);
        }
        if (!is) {
            return false;
        }
    }
    return true;
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
