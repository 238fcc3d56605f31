/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/pattern.h"

#define REPEATS_MAX 2  /* {n,m} in one pattern */
#define REPEAT_MAX  64 /* n and m */

/* A dollar that a backslash makes a character is no end. */
static bool ends_anchored(struct sl t)
{
    size_t slashes = 0;

    if (t.n < 2 || t.p[t.n - 1] != '$') {
        return false;
    }
    while (slashes < t.n - 1 && t.p[t.n - 2 - slashes] == '\\') {
        slashes++;
    }
    return slashes % 2 == 0;
}

/* The number that starts at t.p[at]; -1 when it is larger than it may be. */
static long number(struct sl t, size_t *at)
{
    long n = 0;

    while (*at < t.n && t.p[*at] >= '0' && t.p[*at] <= '9' && n <= REPEAT_MAX) {
        n = 10 * n + (t.p[(*at)++] - '0');
    }
    return n <= REPEAT_MAX ? n : -1;
}

static int check_repeat(struct sl t, size_t at, unsigned *nrepeats, struct pg_err *err)
{
    at++;
    long from = number(t, &at), until = 0;

    if (at < t.n && t.p[at] == ',') {
        at++;
        until = number(t, &at);
    }
    if (from < 0 || until < 0 || ++*nrepeats > REPEATS_MAX) {
        return pg_fail(err, PG_E_DENIED,
                       "at most %d repetitions in braces, of at most %d, may stand in a regular "
                       "expression",
                       REPEATS_MAX, REPEAT_MAX);
    }
    return 0;
}

static int check_cost(struct sl t, struct pg_err *err)
{
    unsigned nrepeats = 0;

    for (size_t i = 0; i < t.n; i++) {
        if (t.p[i] == '{' && check_repeat(t, i, &nrepeats, err) < 0) {
            return -1;
        }
        if (t.p[i] != '\\' || i + 1 == t.n) {
            continue;
        }
        i++;
        if ((t.p[i] >= '0' && t.p[i] <= '9') || (t.p[i] >= 'A' && t.p[i] <= 'Z') ||
            (t.p[i] >= 'a' && t.p[i] <= 'z') || t.p[i] == '<' || t.p[i] == '>' || t.p[i] == '`' ||
            t.p[i] == '\'') {
            return pg_fail(err, PG_E_DENIED,
                           "\\%c is not known: this is a POSIX extended regular expression; write "
                           "[0-9] for a digit, [A-Za-z0-9_] for a word's character",
                           t.p[i]);
        }
    }
    return 0;
}

static bool matches_anything(const struct pattern *p)
{
    return pattern_matches(p, SL("\x01")) && pattern_matches(p, SL("zq@0.invalid")) &&
           pattern_matches(p, SL("urn:~/7#"));
}

int pattern_compile(struct pattern *p, struct sl text, struct pg_err *err)
{
    char copy[PATTERN_MAX + 1], why[200];

    if (text.n > PATTERN_MAX || memchr(text.p, '\0', text.n) != NULL) {
        return pg_fail(err, PG_E_DENIED, "a regular expression has at most %d characters",
                       PATTERN_MAX);
    }
    if (text.n < 2 || text.p[0] != '^' || !ends_anchored(text)) {
        return pg_fail(err, PG_E_DENIED,
                       "a regular expression must be anchored: ^ at its start, $ at its end; "
                       "without them a text that merely contains it would pass");
    }
    if (check_cost(text, err) < 0) {
        return -1;
    }
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    int rc = regcomp(&p->compiled, copy, REG_EXTENDED);
    if (rc != 0) {
        (void)regerror(rc, &p->compiled, why, sizeof(why));
        return pg_fail(err, PG_E_DENIED, "not a POSIX extended regular expression: %s", why);
    }
    p->is_open = matches_anything(p);
    return 0;
}

void pattern_free(struct pattern *p)
{
    regfree(&p->compiled);
}

/* The longest of the leftmost matches has to be all of it: anchors within the expression, as in
 * ^a|b$, do not help. */
bool pattern_matches(const struct pattern *p, struct sl text)
{
    char copy[PATTERN_TEXT_MAX + 1];
    regmatch_t found;

    if (text.n > PATTERN_TEXT_MAX || (text.n > 0 && memchr(text.p, '\0', text.n) != NULL)) {
        return false;
    }
    if (text.n > 0) {
        memcpy(copy, text.p, text.n);
    }
    copy[text.n] = '\0';
    return regexec(&p->compiled, copy, 1, &found, 0) == 0 && found.rm_so == 0 &&
           (size_t)found.rm_eo == text.n;
}
