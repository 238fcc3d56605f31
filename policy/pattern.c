/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/pattern.h"

#define REPEAT_MAX 64 /* n and m of {n,m} */
#define DEPTH_MAX  16
#define COST_MAX   4000 /* characters, each as often as it is repeated */

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

/* ---- what it would cost --------------------------------------------------------------------- */

/* The compiler copies what + and {n,m} repeat, and what is in it as often again: it is counted
 * before it is compiled. */
struct cost {
    struct sl t;
    size_t at, depth;
    unsigned long sum[DEPTH_MAX], last[DEPTH_MAX]; /* of a group; of what stood last in it */
    bool repeated;                                 /* what stood last was a repetition */
};

static int costly(struct pg_err *err)
{
    return pg_fail(err, PG_E_DENIED,
                   "the regular expression would cost too much: at most %d groups in each other, "
                   "repetitions in braces of at most %d, no repetition of a repetition, and %d "
                   "characters in all when each is counted as often as it is repeated",
                   DEPTH_MAX - 1, REPEAT_MAX, COST_MAX);
}

static void add_atom(struct cost *c, unsigned long cost)
{
    c->sum[c->depth] += cost;
    c->last[c->depth] = cost;
    c->repeated = false;
}

/* The number at c->at; -1 when it is larger than it may be. */
static long number(struct cost *c)
{
    long n = 0;

    while (c->at < c->t.n && c->t.p[c->at] >= '0' && c->t.p[c->at] <= '9' && n <= REPEAT_MAX) {
        n = 10 * n + (c->t.p[c->at++] - '0');
    }
    return n <= REPEAT_MAX ? n : -1;
}

static int repeat(struct cost *c, struct pg_err *err)
{
    char what = c->t.p[c->at++];
    long times = what == '+' ? 2 : 1;

    if (what == '{') {
        long from = number(c), until = from;
        if (c->at < c->t.n && c->t.p[c->at] == ',') {
            c->at++;
            until = number(c);
        }
        if (from < 0 || until < 0 || c->at == c->t.n || c->t.p[c->at++] != '}') {
            return costly(err);
        }
        times = (from > until ? from : until) + 1;
    }
    if (c->repeated) {
        return costly(err);
    }
    c->sum[c->depth] += c->last[c->depth] * (unsigned long)(times - 1);
    c->last[c->depth] *= (unsigned long)times;
    c->repeated = true;
    return 0;
}

static void take_class(struct cost *c)
{
    c->at++;
    c->at += c->at < c->t.n && c->t.p[c->at] == '^' ? 1 : 0;
    c->at += c->at < c->t.n && c->t.p[c->at] == ']' ? 1 : 0;
    while (c->at < c->t.n && c->t.p[c->at] != ']') {
        char next = c->t.p[c->at + 1 < c->t.n ? c->at + 1 : c->at];
        bool named = c->t.p[c->at] == '[' && (next == ':' || next == '.' || next == '=');
        c->at++;
        while (named && c->at < c->t.n && c->t.p[c->at] != ']') { /* [:alpha:] */
            c->at++;
        }
        c->at += named && c->at < c->t.n ? 1 : 0;
    }
    c->at += c->at < c->t.n ? 1 : 0;
    add_atom(c, 1);
}

static int take_escape(struct cost *c, struct pg_err *err)
{
    char e = c->t.p[c->at + 1 < c->t.n ? c->at + 1 : c->at];

    c->at += 2;
    add_atom(c, 1);
    if ((e >= '0' && e <= '9') || (e >= 'A' && e <= 'Z') || (e >= 'a' && e <= 'z') || e == '<' ||
        e == '>' || e == '`' || e == '\'') {
        return pg_fail(err, PG_E_DENIED,
                       "\\%c is not known: this is a POSIX extended regular expression; write "
                       "[0-9] for a digit, [A-Za-z0-9_] for a word's character",
                       e);
    }
    return 0;
}

static int take_group(struct cost *c, struct pg_err *err)
{
    bool opens = c->t.p[c->at++] == '(';

    if (opens) {
        if (++c->depth == DEPTH_MAX) {
            return costly(err);
        }
        c->sum[c->depth] = c->last[c->depth] = 0;
        c->repeated = false;
    } else if (c->depth > 0) { /* else the compiler complains */
        c->depth--;
        add_atom(c, c->sum[c->depth + 1] + 1);
    }
    return 0;
}

static int check_cost(struct sl t, struct pg_err *err)
{
    struct cost c = {.t = t};
    int rc = 0;

    while (c.at < t.n && rc == 0) {
        char what = t.p[c.at];
        if (what == '[') {
            take_class(&c);
        } else if (what == '\\') {
            rc = take_escape(&c, err);
        } else if (what == '(' || what == ')') {
            rc = take_group(&c, err);
        } else if (what == '*' || what == '+' || what == '?' || what == '{') {
            rc = repeat(&c, err);
        } else {
            c.at++;
            add_atom(&c, 1);
        }
        if (rc == 0 && (c.sum[c.depth] > COST_MAX || c.last[c.depth] > COST_MAX)) {
            rc = costly(err);
        }
    }
    return rc;
}

/* ---- compiled ------------------------------------------------------------------------------- */

static bool matches_anything(const struct pattern *p)
{
    return pattern_matches(p, SL("~")) && pattern_matches(p, SL("zq@0.invalid")) &&
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

    if (text.n > PATTERN_TEXT_MAX) {
        return false;
    }
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] < 0x20) { /* a dot would match a line's end, too */
            return false;
        }
        copy[i] = text.p[i];
    }
    copy[text.n] = '\0';
    return regexec(&p->compiled, copy, 1, &found, 0) == 0 && found.rm_so == 0 &&
           (size_t)found.rm_eo == text.n;
}
