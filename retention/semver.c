/* SPDX-License-Identifier: Apache-2.0 */
#include "retention/semver.h"

#define SHOWN(s) (int)((s).n < 100 ? (s).n : 100), (s).p

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- versions ------------------------------------------------------------------------------ */

/* A number without leading zeros, below 2^31; how many bytes, 0: none. */
static size_t take_number(struct sl s, uint32_t *n_r)
{
    uint64_t n = 0;
    size_t i = 0;

    for (; i < s.n && is_digit(s.p[i]) && n < UINT32_MAX; i++) {
        n = 10 * n + (uint64_t)(s.p[i] - '0');
    }
    if (i == 0 || n > INT32_MAX || (i > 1 && s.p[0] == '0')) {
        return 0;
    }
    *n_r = (uint32_t)n;
    return i;
}

static struct sl behind(struct sl s, size_t n)
{
    return (struct sl){s.p + n, s.n - n};
}

/* One to three numbers, or stars as x where they may be; how many. 0: none. */
static size_t take_numbers(struct sl *s, bool may_star, uint32_t part[3])
{
    size_t n = 0;

    memset(part, 0, 3 * sizeof(*part));
    while (n < 3) {
        if (may_star && s->n > 0 && (s->p[0] == 'x' || s->p[0] == 'X' || s->p[0] == '*')) {
            *s = behind(*s, 1);
            while (s->n > 1 && s->p[0] == '.' && (s->p[1] == 'x' || s->p[1] == '*')) {
                *s = behind(*s, 2);
            }
            return n;
        }
        size_t used = take_number(*s, &part[n]);
        if (used == 0) {
            return 0;
        }
        *s = behind(*s, used);
        n++;
        if (n == 3 || s->n < 2 || s->p[0] != '.') {
            break;
        }
        *s = behind(*s, 1);
    }
    return n;
}

static bool is_suffix_byte(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == '_';
}

/* -suffix and +build; all of s. */
static bool take_suffix(struct sl s, struct sl *suffix_r)
{
    const char *plus = s.n > 0 ? memchr(s.p, '+', s.n) : NULL;
    size_t n = plus != NULL ? (size_t)(plus - s.p) : s.n;

    *suffix_r = (struct sl){NULL, 0};
    if (plus != NULL && n + 1 == s.n) {
        return false;
    }
    for (size_t i = plus != NULL ? n + 1 : s.n; i < s.n; i++) {
        if (!is_suffix_byte(s.p[i])) {
            return false;
        }
    }
    if (n == 0) {
        return true;
    }
    if (s.p[0] != '-' || n == 1) {
        return false;
    }
    for (size_t i = 1; i < n; i++) {
        if (!is_suffix_byte(s.p[i])) {
            return false;
        }
    }
    *suffix_r = (struct sl){s.p + 1, n - 1};
    return true;
}

bool semver_read(struct sl text, struct semver *v_r)
{
    struct sl s = text;

    if (text.n == 0 || text.n > SEMVER_TEXT_MAX) {
        return false;
    }
    if (s.p[0] == 'v' || s.p[0] == 'V') {
        s = behind(s, 1);
    }
    return take_numbers(&s, false, v_r->part) > 0 && take_suffix(s, &v_r->suffix);
}

static struct sl take_identifier(struct sl *s)
{
    const char *dot = s->n > 0 ? memchr(s->p, '.', s->n) : NULL;
    struct sl first = {s->p, dot != NULL ? (size_t)(dot - s->p) : s->n};

    *s = dot != NULL ? behind(*s, first.n + 1) : behind(*s, s->n);
    return first;
}

static bool all_digits(struct sl s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i])) {
            return false;
        }
    }
    return s.n > 0;
}

static int compare_identifiers(struct sl a, struct sl b)
{
    bool number = all_digits(a), number_b = all_digits(b);

    if (number != number_b) {
        return number ? -1 : 1;
    }
    if (number && a.n != b.n) {
        return a.n < b.n ? -1 : 1;
    }
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n > 0 ? memcmp(a.p, b.p, n) : 0;
    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

int semver_compare(const struct semver *a, const struct semver *b)
{
    struct sl sa = a->suffix, sb = b->suffix;

    for (size_t i = 0; i < 3; i++) {
        if (a->part[i] != b->part[i]) {
            return a->part[i] < b->part[i] ? -1 : 1;
        }
    }
    if (sa.n == 0 || sb.n == 0) {
        return (sa.n == 0) - (sb.n == 0);
    }
    while (sa.n > 0 && sb.n > 0) {
        int c = compare_identifiers(take_identifier(&sa), take_identifier(&sb));
        if (c != 0) {
            return c;
        }
    }
    return (sa.n > 0) - (sb.n > 0);
}

/* ---- ranges -------------------------------------------------------------------------------- */

static int put(struct semver_range *r, enum semver_than than, struct semver version,
               struct pg_err *err)
{
    if (r->nbounds == SEMVER_BOUNDS_MAX) {
        return pg_fail(err, PG_E_DENIED, "a range of versions has more than %d bounds",
                       SEMVER_BOUNDS_MAX);
    }
    r->bounds[r->nbounds++] = (struct semver_bound){than, version, r->nalternatives - 1};
    return 0;
}

/* The first version above all that begin with the first n numbers of v. */
static struct semver above(struct semver v, size_t n)
{
    struct semver up = {0};

    for (size_t i = 0; i < n; i++) {
        up.part[i] = v.part[i];
    }
    up.part[n - 1]++;
    return up;
}

static int put_between(struct semver_range *r, struct semver from, size_t same, struct pg_err *err)
{
    if (same == 0) {
        return put(r, SEMVER_MORE_EQUAL, (struct semver){0}, err);
    }
    return put(r, SEMVER_MORE_EQUAL, from, err) < 0 ? -1
                                                    : put(r, SEMVER_LESS, above(from, same), err);
}

/* What ^ keeps: up to the first number that is not 0. */
static size_t caret(const struct semver *v, size_t given)
{
    for (size_t i = 0; i < given; i++) {
        if (v->part[i] != 0) {
            return i + 1;
        }
    }
    return given;
}

struct comparator {
    char op[3]; /* "", "<", "<=", "=", ">=", ">", "^", "~" */
    struct semver version;
    size_t given; /* numbers */
};

static int put_comparator(struct semver_range *r, const struct comparator *c, struct pg_err *err)
{
    struct semver v = c->version;

    if (c->op[0] == '^') {
        return put_between(r, v, caret(&v, c->given), err);
    }
    if (c->op[0] == '~') {
        return put_between(r, v, c->given < 2 ? c->given : 2, err);
    }
    if (c->op[0] == '<') {
        bool whole = c->op[1] == '=' && c->given < 3 && c->given > 0;
        return put(r, c->op[1] == '=' && !whole ? SEMVER_LESS_EQUAL : SEMVER_LESS,
                   whole ? above(v, c->given) : v, err);
    }
    if (c->op[0] == '>') {
        bool whole = c->op[1] != '=' && c->given < 3 && c->given > 0;
        return put(r, c->op[1] == '=' || whole ? SEMVER_MORE_EQUAL : SEMVER_MORE,
                   whole ? above(v, c->given) : v, err);
    }
    return c->given == 3 ? put(r, SEMVER_EQUAL, v, err) : put_between(r, v, c->given, err);
}

static size_t take_operator(struct sl word, char op[3])
{
    size_t n = 0;

    memset(op, 0, 3);
    if (word.n > 0 && strchr("<>=^~", word.p[0]) != NULL && word.p[0] != '\0') {
        op[n++] = word.p[0];
    }
    if (n == 1 && (op[0] == '<' || op[0] == '>') && word.n > 1 && word.p[1] == '=') {
        op[n++] = '=';
    }
    return n;
}

static int take_word(struct semver_range *r, struct sl word, struct sl whole, struct pg_err *err)
{
    struct comparator c = {0};
    struct sl s = behind(word, take_operator(word, c.op));

    if (s.n > 0 && (s.p[0] == 'v' || s.p[0] == 'V')) {
        s = behind(s, 1);
    }
    bool any = s.n == 1 && (s.p[0] == '*' || s.p[0] == 'x');
    c.given = take_numbers(&s, true, c.version.part);
    if ((c.given == 0 && !any) || !take_suffix(s, &c.version.suffix)) {
        return pg_fail(err, PG_E_DENIED,
                       "\"%.*s\" in the range \"%.*s\" is no version; such as >=1.2 <2, ^1.4, "
                       "~1.4.2 or 1.x",
                       SHOWN(word), SHOWN(whole));
    }
    return put_comparator(r, &c, err);
}

int semver_range_read(struct sl text, struct semver_range *range_r, struct pg_err *err)
{
    struct semver_range r = {.nalternatives = 1};
    size_t i = 0, words = 0;

    if (text.n > SEMVER_TEXT_MAX) {
        return pg_fail(err, PG_E_DENIED, "a range of versions has at most %d characters",
                       SEMVER_TEXT_MAX);
    }
    while (i < text.n) {
        size_t from = i;
        while (i < text.n && text.p[i] != ' ') {
            i++;
        }
        struct sl word = {text.p + from, i - from};
        i++;
        if (word.n == 0) {
            continue;
        }
        bool is_or = sl_eq(word, SL("||"));
        if (is_or ? words == 0 : take_word(&r, word, text, err) < 0) {
            return is_or ? pg_fail(err, PG_E_DENIED, "nothing stands before || in \"%.*s\"",
                                   SHOWN(text))
                         : -1;
        }
        r.nalternatives += is_or;
        words = is_or ? 0 : words + 1;
    }
    if (words == 0) {
        return pg_fail(err, PG_E_DENIED, "the range \"%.*s\" ends where a version should stand",
                       SHOWN(text));
    }
    *range_r = r;
    return 0;
}

static bool holds(const struct semver_bound *b, const struct semver *v)
{
    int c = semver_compare(v, &b->version);

    return (b->than == SEMVER_LESS && c < 0) || (b->than == SEMVER_LESS_EQUAL && c <= 0) ||
           (b->than == SEMVER_EQUAL && c == 0) || (b->than == SEMVER_MORE_EQUAL && c >= 0) ||
           (b->than == SEMVER_MORE && c > 0);
}

static bool alternative_has(const struct semver_range *r, unsigned alternative,
                            const struct semver *v)
{
    bool named = v->suffix.n == 0;

    for (size_t i = 0; i < r->nbounds; i++) {
        const struct semver_bound *b = &r->bounds[i];
        if (b->alternative != alternative) {
            continue;
        }
        if (!holds(b, v)) {
            return false;
        }
        named = named ||
                (b->version.suffix.n > 0 && memcmp(b->version.part, v->part, sizeof(v->part)) == 0);
    }
    return named;
}

bool semver_range_has(const struct semver_range *range, const struct semver *v)
{
    for (unsigned a = 0; a < range->nalternatives; a++) {
        if (alternative_has(range, a, v)) {
            return true;
        }
    }
    return false;
}

/* If any version is in an alternative, so is its least bound, or the version right above it. */
bool semver_range_is_empty(const struct semver_range *range)
{
    const struct semver zero = {0};

    if (semver_range_has(range, &zero)) {
        return false;
    }
    for (size_t i = 0; i < range->nbounds; i++) {
        struct semver v = range->bounds[i].version, next = above(v, 3);
        if (semver_range_has(range, &v) || semver_range_has(range, &next)) {
            return false;
        }
        v.suffix = (struct sl){NULL, 0};
        if (semver_range_has(range, &v)) {
            return false;
        }
    }
    return true;
}
