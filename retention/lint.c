/* SPDX-License-Identifier: Apache-2.0 */
#include "retention/lint.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/wildcard.h"

#define SHOWN(s) (int)((s).n < 60 ? (s).n : 60), (s).p != NULL ? (s).p : ""
#define TEXT_MAX 500
#define DAY_S    86400

struct linting {
    const struct ruleset *rules;
    int64_t now_s;
    lint_each *each;
    void *arg;
    size_t n;
};

static void tell(struct linting *l, struct pg_tree_at at, const char *remedy, const char *fmt, ...)
    PG_PRINTF(4, 5);

static void tell(struct linting *l, struct pg_tree_at at, const char *remedy, const char *fmt, ...)
{
    char what[TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    PG_CHECK(n >= 0);
    const struct lint_finding f = {at, what, remedy};
    l->each(l->arg, &f);
    l->n++;
}

/* ---- words --------------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The word, whole, in any case. */
static bool says(struct sl text, struct sl word)
{
    for (size_t i = 0; i + word.n <= text.n; i++) {
        bool begins = i == 0 || !is_letter(text.p[i - 1]);
        bool ends = i + word.n == text.n || !is_letter(text.p[i + word.n]);
        if (begins && ends && sl_eq_nocase((struct sl){text.p + i, word.n}, word)) {
            return true;
        }
    }
    return false;
}

static bool says_any(struct sl text, const struct sl *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (says(text, words[i])) {
            return true;
        }
    }
    return false;
}

/* "for ever", "indefinitely", "never delete". */
static bool promises_all(struct sl text)
{
    const struct sl words[] = {SL("indefinitely"), SL("forever"),      SL("for ever"),
                               SL("permanently"),  SL("never delete"), SL("never expire"),
                               SL("keep all"),     SL("always keep")};

    return says_any(text, words, sizeof(words) / sizeof(*words));
}

static bool promises_deletion(struct sl text)
{
    const struct sl words[] = {SL("delete"), SL("expire"), SL("remove"), SL("clean up"),
                               SL("purge")};

    return !says(text, SL("never")) && !says(text, SL("not")) &&
           says_any(text, words, sizeof(words) / sizeof(*words));
}

/* The number before "day" or "days": 0, none. */
static int64_t days_said(struct sl text)
{
    int64_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c >= '0' && c <= '9') {
            n = n < 100000 ? 10 * n + (c - '0') : n;
        } else if (c != ' ' && c != '-') {
            struct sl rest = {text.p + i, text.n - i};
            bool day = rest.n >= 3 && sl_eq_nocase((struct sl){rest.p, 3}, SL("day"));
            if (n > 0 && day) {
                return n;
            }
            n = 0;
        }
    }
    return 0;
}

static void check_words(struct linting *l, const struct ruleset_rule *rule)
{
    const struct ruleset_limits *m = &rule->limits;
    int64_t days = days_said(rule->description);
    bool timed = m->pulled_s >= 0 || m->seen_s >= 0 || m->pushed_s >= 0;

    if (rule->deletes && promises_all(rule->description)) {
        tell(l, rule->action_at, "keep: forever",
             "rule \"%.*s\" is described as \"%.*s\", and deletes%s", SHOWN(rule->name),
             SHOWN(rule->description),
             m->count == 0 && !timed ? " every image that it is about" : "");
    } else if (rule->deletes && m->count == 0 && !timed) {
        tell(l, rule->action_at, "beyond_newest: 1, or more",
             "rule \"%.*s\" deletes every image that it is about: it keeps the newest 0",
             SHOWN(rule->name));
    } else if (!rule->deletes && promises_deletion(rule->description)) {
        tell(l, rule->action_at, "delete: {...}",
             "rule \"%.*s\" is described as \"%.*s\", and keeps", SHOWN(rule->name),
             SHOWN(rule->description));
    }
    if (days > 0 && timed && m->pulled_s != days * DAY_S && m->seen_s != days * DAY_S &&
        m->pushed_s != days * DAY_S) {
        char remedy[60];
        (void)snprintf(remedy, sizeof(remedy), "%" PRId64 "d, or other words", days);
        tell(l, rule->action_at, remedy,
             "rule \"%.*s\" is described as \"%.*s\", and counts other days", SHOWN(rule->name),
             SHOWN(rule->description));
    }
    if (!rule->deletes && m->count == 0 && !timed) {
        tell(l, rule->action_at, "newest: 1, or more",
             "rule \"%.*s\" keeps the newest 0, which is nothing", SHOWN(rule->name));
    }
}

/* ---- one match and another ----------------------------------------------------------------- */

/* Each pattern of b, and there are some, is covered by one of a. */
static bool covers_list(const struct sl *a, size_t na, const struct sl *b, size_t nb)
{
    return nb > 0 && wildcard_cover_all(a, na, b, nb);
}

static bool meets_list(const struct sl *a, size_t na, const struct sl *b, size_t nb)
{
    for (size_t i = 0; i < na; i++) {
        for (size_t k = 0; k < nb; k++) {
            if (wildcard_meets(a[i], b[k])) {
                return true;
            }
        }
    }
    return false;
}

static bool asks_no_more(const struct ruleset_match *a)
{
    return a->versions == NULL && a->nlabels == 0 && a->nannotations == 0 && a->promoted.p == NULL;
}

/* What b requires of tags is enough for a. */
static bool covers_tags(const struct ruleset_match *a, const struct ruleset_match *b)
{
    if (a->untagged) {
        return b->untagged;
    }
    if (a->ntags == 0 && a->nall_tags == 0) {
        return true;
    }
    if (a->nall_tags == 0) {
        if (covers_list(a->tags, a->ntags, b->tags, b->ntags)) {
            return true;
        }
        for (size_t i = 0; i < b->nall_tags; i++) { /* one that b asks for will do */
            if (covers_list(a->tags, a->ntags, &b->all_tags[i], 1)) {
                return true;
            }
        }
        return false;
    }
    for (size_t i = 0; i < a->nall_tags; i++) { /* each that a asks for, b asks for too */
        bool asked =
            b->ntags == 1 && b->nall_tags == 0 && wildcard_covers(a->all_tags[i], b->tags[0]);
        for (size_t k = 0; k < b->nall_tags && !asked; k++) {
            asked = wildcard_covers(a->all_tags[i], b->all_tags[k]);
        }
        if (!asked) {
            return false;
        }
    }
    return a->ntags == 0;
}

/* Is a about all that b is about? */
static bool covers(const struct ruleset_rule *a, const struct ruleset_rule *b)
{
    return asks_no_more(&a->match) &&
           covers_list(a->match.repositories, a->match.nrepositories, b->match.repositories,
                       b->match.nrepositories) &&
           covers_tags(&a->match, &b->match);
}

/* May an image be of both, by a tag that both name? */
static bool meets(const struct ruleset_rule *a, const struct ruleset_rule *b)
{
    return meets_list(a->match.repositories, a->match.nrepositories, b->match.repositories,
                      b->match.nrepositories) &&
           meets_list(a->match.tags, a->match.ntags, b->match.tags, b->match.ntags);
}

/* ---- two rules ----------------------------------------------------------------------------- */

/* Does a's limit, if it is asked, hold whenever b's does? */
static bool is_looser(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && a <= b);
}

static bool deletes_all_of(const struct ruleset_limits *a, const struct ruleset_limits *b)
{
    return is_looser(a->pulled_s, b->pulled_s) && is_looser(a->seen_s, b->seen_s) &&
           is_looser(a->pushed_s, b->pushed_s) && a->count < 0;
}

static void compare_ordered(struct linting *l, const struct ruleset_rule *first,
                            const struct ruleset_rule *then)
{
    if (!first->deletes && !first->forever) {
        return;
    }
    if (covers(first, then)) {
        tell(l, then->at, "put it before that one, or drop it",
             "rule \"%.*s\" can never have an image: \"%.*s\" at line %u has all of them first%s",
             SHOWN(then->name), SHOWN(first->name), first->at.line,
             first->deletes && !then->deletes ? ", and overrules what is to be kept" : "");
    } else if (first->deletes && !then->deletes && meets(first, then)) {
        tell(l, then->at, "put it before that one",
             "rule \"%.*s\" is overruled where an image is of \"%.*s\" at line %u, too",
             SHOWN(then->name), SHOWN(first->name), first->at.line);
    }
}

static void compare(struct linting *l, const struct ruleset_rule *a, const struct ruleset_rule *b)
{
    if (a->forever && b->deletes && covers(a, b)) {
        tell(l, b->at, "narrow the match of one of them, or drop this one",
             "rule \"%.*s\" deletes nothing: \"%.*s\" at line %u keeps all that it is about",
             SHOWN(b->name), SHOWN(a->name), a->at.line);
    } else if (a->forever && b->deletes && meets(a, b) && !covers(b, a)) {
        tell(l, b->match_at, "make the patterns of the tags disjoint",
             "rule \"%.*s\" fights with \"%.*s\" at line %u over tags that both are about; what is "
             "kept wins",
             SHOWN(b->name), SHOWN(a->name), a->at.line);
    } else if (a->deletes && b->deletes && covers(a, b) && deletes_all_of(&a->limits, &b->limits)) {
        tell(l, b->at, "drop it, or give it a shorter time",
             "rule \"%.*s\" changes nothing: \"%.*s\" at line %u deletes all of it, no later",
             SHOWN(b->name), SHOWN(a->name), a->at.line);
    }
}

/* Of two equal rules the second is told of alone. */
static void compare_both(struct linting *l, const struct ruleset_rule *first,
                         const struct ruleset_rule *then)
{
    compare(l, first, then);
    if (!then->deletes || !covers(first, then)) {
        compare(l, then, first);
    }
}

static void compare_all(struct linting *l)
{
    const struct ruleset *r = l->rules;

    for (size_t i = 0; i < r->nrules; i++) {
        for (size_t k = i + 1; k < r->nrules; k++) {
            if (r->order == RULESET_FIRST_MATCH) {
                compare_ordered(l, &r->rules[i], &r->rules[k]);
            } else {
                compare_both(l, &r->rules[i], &r->rules[k]);
            }
        }
    }
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void check_match(struct linting *l, const struct ruleset_rule *rule)
{
    const struct ruleset_match *m = &rule->match;

    if (m->versions != NULL && semver_range_is_empty(m->versions)) {
        tell(l, rule->match_at, "turn the bounds round",
             "rule \"%.*s\" can never match: no version is in the range \"%.*s\"",
             SHOWN(rule->name), SHOWN(m->versions_text));
    }
    for (size_t i = 0; i < m->ntags; i++) {
        for (size_t k = 0; k < m->ntags; k++) {
            bool same = sl_eq(m->tags[i], m->tags[k]);
            if (i != k && wildcard_covers(m->tags[i], m->tags[k]) && (!same || i < k)) {
                tell(l, rule->match_at, "drop it",
                     "in rule \"%.*s\" the pattern \"%.*s\" adds nothing to \"%.*s\"",
                     SHOWN(rule->name), SHOWN(m->tags[k]), SHOWN(m->tags[i]));
                break;
            }
        }
    }
}

static bool is_about(const struct ruleset_rule *rule, struct sl tag)
{
    const struct ruleset_match *m = &rule->match;
    struct semver v;
    bool any = m->ntags == 0 && m->nall_tags == 0;

    for (size_t i = 0; i < m->ntags && !any; i++) {
        any = wildcard_matches(m->tags[i], tag);
    }
    for (size_t i = 0; i < m->nall_tags && !any; i++) {
        any = wildcard_matches(m->all_tags[i], tag);
    }
    return any && !m->untagged &&
           (m->versions == NULL || (semver_read(tag, &v) && semver_range_has(m->versions, &v)));
}

/* What is used most, and named least. */
static void check_uncovered(struct linting *l)
{
    const struct sl tags[] = {SL("latest"), SL("main"), SL("v1.2.3")};

    for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
        bool found = false;
        for (size_t k = 0; k < l->rules->nrules && !found; k++) {
            found = is_about(&l->rules->rules[k], tags[i]);
        }
        if (!found) {
            tell(l, l->rules->nrules > 0 ? l->rules->rules[0].at : l->rules->untagged_at,
                 "a last rule: match: {repositories: [\"**\"], tags: [\"*\"]}, delete: "
                 "{not_pulled_for: 90d}",
                 "no rule is about a tag such as \"%.*s\": such images stay for ever",
                 SHOWN(tags[i]));
            return;
        }
    }
}

/* A rule about everything names what has no tag, too. */
static void check_untagged(struct linting *l)
{
    for (size_t i = 0; i < l->rules->nrules && l->rules->untagged_s != RULESET_NEVER; i++) {
        const struct ruleset_rule *rule = &l->rules->rules[i];
        const struct ruleset_match *m = &rule->match;
        bool all = covers_list(m->repositories, m->nrepositories, &(struct sl){"**", 2}, 1);
        if (all && m->ntags == 0 && m->nall_tags == 0 && !m->untagged && asks_no_more(m)) {
            tell(l, rule->match_at, "tags: [\"*\"] in its match, or untagged: keep",
                 "untagged never applies: rule \"%.*s\" is about what has no tag, too",
                 SHOWN(rule->name));
            return;
        }
    }
}

static void check_pins(struct linting *l)
{
    for (size_t i = 0; i < l->rules->npins; i++) {
        const struct ruleset_pin *pin = &l->rules->pins[i];
        if (pin->until_s < l->now_s) {
            tell(l, pin->at, "a later date, or no pin",
                 "the pin of %.*s has ended: it holds nothing", SHOWN(pin->owner));
        }
    }
}

size_t lint_rules(const struct ruleset *rules, int64_t now_s, lint_each *each, void *arg)
{
    struct linting l = {.rules = rules, .now_s = now_s, .each = each, .arg = arg};

    for (size_t i = 0; i < rules->nrules; i++) {
        check_words(&l, &rules->rules[i]);
        check_match(&l, &rules->rules[i]);
    }
    compare_all(&l);
    check_uncovered(&l);
    check_untagged(&l);
    check_pins(&l);
    return l.n;
}
