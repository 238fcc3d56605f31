/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/lint.h"

#include <stdarg.h>
#include <stdio.h>

#include "policy/opa.h"
#include "policy/policy_int.h"
#include "policy/scans.h"

struct lint {
    const char *file;
    const struct policy *policy;
    struct pg_buf *out;
    size_t n;
};

static void say(struct lint *l, const struct rule *r, const char *fmt, ...) PG_PRINTF(3, 4);

static void say(struct lint *l, const struct rule *r, const char *fmt, ...)
{
    char text[600];
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    PG_CHECK(n >= 0);
    (void)pg_buf_printf(l->out, "%s:%u:%u: rule " SL_FMT ": %s\n", l->file, r->at.line, r->at.col,
                        SL_ARG(r->name), text);
    l->n++;
}

/* ---- what covers what ---------------------------------------------------------------------- */

static bool has_digests_of(const struct rule *a, const struct rule *b)
{
    for (size_t i = 0; i < b->ndigests; i++) {
        bool found = false;
        for (size_t k = 0; k < a->ndigests && !found; k++) {
            found = digest_eq(&a->digests[k], &b->digests[i]);
        }
        if (!found) {
            return false;
        }
    }
    return b->ndigests > 0;
}

/* All that b is asked about, a is asked about as well. */
static bool is_wider(const struct rule *a, const struct rule *b)
{
    bool tags =
        a->ntags == 0 || (b->ntags > 0 && wildcard_cover_all(a->tags, a->ntags, b->tags, b->ntags));

    return tags && (a->ndigests == 0 || has_digests_of(a, b)) &&
           wildcard_cover_all(a->repositories, a->nrepositories, b->repositories, b->nrepositories);
}

static const struct demand *demand_of(const struct rule *r, enum demand_kind kind)
{
    for (size_t i = 0; i < r->ndemands; i++) {
        if (r->demands[i].kind == kind) {
            return &r->demands[i];
        }
    }
    return NULL;
}

/* Nothing that one of the patterns matches is matched by one of the others: sure only when no
 * pattern has a wildcard. */
static bool are_disjoint(const struct demand *a, const struct demand *b)
{
    for (size_t i = 0; i < a->npatterns; i++) {
        for (size_t k = 0; k < b->npatterns; k++) {
            bool wild = memchr(a->patterns[i].p, '*', a->patterns[i].n) != NULL ||
                        memchr(b->patterns[k].p, '*', b->patterns[k].n) != NULL;
            if (wild || sl_starts(a->patterns[i], b->patterns[k]) ||
                sl_starts(b->patterns[k], a->patterns[i])) {
                return false;
            }
        }
    }
    return true;
}

/* No age that b allows, a does not. 0: any. */
static bool is_as_young(int64_t a_s, int64_t b_s)
{
    return b_s == 0 || (a_s > 0 && a_s <= b_s);
}

/* Whatever a lets pass, b does. */
static bool scan_covers(const struct scans_want *a, const struct scans_want *b)
{
    bool limits = true;

    for (size_t s = 0; s < FACTS_SEVERITIES; s++) {
        limits =
            limits && (b->limits[s] < 0 || (a->limits[s] >= 0 && a->limits[s] <= b->limits[s]));
    }
    return limits && (a->no_exploited || !b->no_exploited) && b->nfrom == 0 && a->nfrom == 0 &&
           a->nexclude == 0 && a->nsigners == 0 && !a->is_static &&
           (!a->fixable_only || b->fixable_only) && a->grace_s <= b->grace_s &&
           is_as_young(a->max_age_s, b->max_age_s) &&
           is_as_young(a->database_max_age_s, b->database_max_age_s) &&
           (a->on_missing == b->on_missing || a->on_missing == SCANS_DENY) &&
           (a->on_error == b->on_error || a->on_error == SCANS_DENY);
}

/* ---- one rule ------------------------------------------------------------------------------ */

static void look_at_labels(struct lint *l, const struct rule *a, const struct rule *b)
{
    const struct demand *want = demand_of(a, DEMAND_LABELS), *no = demand_of(b, DEMAND_NO_LABELS);

    for (size_t i = 0; want != NULL && no != NULL && i < want->npairs; i++) {
        for (size_t k = 0; k < no->npairs; k++) {
            if (wildcard_covers(no->pairs[k].name, want->pairs[i].name) &&
                (sl_eq(no->pairs[k].value, SL("**")) ||
                 wildcard_covers(no->pairs[k].value, want->pairs[i].value))) {
                say(l, a,
                    "wants the label " SL_FMT ", which rule " SL_FMT " denies: nothing passes both",
                    SL_ARG(want->pairs[i].name), SL_ARG(b->name));
            }
        }
    }
}

static void look_at_one(struct lint *l, const struct rule *r)
{
    const struct demand *tags = demand_of(r, DEMAND_NO_TAGS);

    if (r->action == RULE_ALLOW && l->policy->allows_rest) {
        say(l, r, "allows what `default: allow` allows as well");
    }
    if (r->action == RULE_ALLOW && r->observes) {
        say(l, r, "observes, and allows: it does nothing");
    }
    if (r->ndigests > 0 && r->action == RULE_ALLOW) {
        say(l, r, "allows these manifests alone: of an index, not what it lists");
    }
    if (r->action == RULE_DENY && r->ntags > 0) {
        say(l, r, "binds pulls by these tags alone: who asks by digest is not denied");
    }
    if (tags != NULL && r->ntags > 0 &&
        wildcard_cover_all(tags->patterns, tags->npatterns, r->tags, r->ntags)) {
        say(l, r, "denies all the tags that it matches");
    }
    look_at_labels(l, r, r);
}

/* ---- two ----------------------------------------------------------------------------------- */

static void look_at_two(struct lint *l, const struct rule *a, const struct rule *b)
{
    static const enum demand_kind kinds[] = {DEMAND_PLATFORMS, DEMAND_TYPES, DEMAND_BASE_IMAGES};
    static const char *const names[] = {"platforms", "artifact_types", "base_images"};

    if (!is_wider(a, b) || a->observes || b->observes) {
        return;
    }
    if (a->action == RULE_DENY && a->ntags == 0) {
        say(l, b, "is of no use: rule " SL_FMT " denies all that it matches", SL_ARG(a->name));
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        const struct demand *da = demand_of(a, kinds[i]), *db = demand_of(b, kinds[i]);
        if (da != NULL && db != NULL && are_disjoint(da, db)) {
            say(l, b,
                "its %s and those of rule " SL_FMT " have nothing in common: nothing passes both",
                names[i], SL_ARG(a->name));
        }
    }
    const struct demand *age = demand_of(a, DEMAND_MIN_AGE), *less = demand_of(b, DEMAND_MIN_AGE);
    if (age != NULL && less != NULL && less->age_s <= age->age_s &&
        (less->previous || !age->previous)) {
        say(l, b, "its min_age is of no use: rule " SL_FMT " wants as much or more",
            SL_ARG(a->name));
    }
    const struct demand *scan = demand_of(a, DEMAND_SCAN), *other = demand_of(b, DEMAND_SCAN);
    if (scan != NULL && other != NULL && demand_of(a, DEMAND_TYPES) == NULL &&
        scan_covers(scan->scan, other->scan)) {
        say(l, b, "its scan is of no use: rule " SL_FMT " wants as much or more", SL_ARG(a->name));
    }
    look_at_labels(l, a, b);
    look_at_labels(l, b, a);
}

/* ---- OPA ----------------------------------------------------------------------------------- */

static bool is_at_home(struct sl url)
{
    static const char *const homes[] = {"http://localhost", "http://127.", "http://[::1]"};

    for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++) {
        if (sl_starts(url, sl_str(homes[i]))) {
            return true;
        }
    }
    return !sl_starts(url, SL("http://"));
}

static void say_of_opa(struct lint *l, const struct opa *o, const char *text)
{
    (void)pg_buf_printf(l->out, "%s:%u:%u: opa: %s\n", l->file, o->at.line, o->at.col, text);
    l->n++;
}

static void look_at_opa(struct lint *l, const struct opa *o)
{
    if (!is_at_home(o->url)) {
        say_of_opa(l, o, "asks over a network without TLS: who is on the way can say yes");
    }
    if (l->policy->nrules == 0 && !l->policy->allows_rest) {
        say_of_opa(l, o,
                   "is never asked: there are no rules, and what no rule speaks of is denied");
    }
}

size_t lint_policy(const char *file, const struct policy *p, struct pg_buf *out)
{
    struct lint l = {.file = file, .policy = p, .out = out};

    for (size_t i = 0; i < p->nrules && !p->by_scope; i++) {
        look_at_one(&l, &p->rules[i]);
        for (size_t k = 0; k < p->nrules && p->nrules <= 1000; k++) {
            if (i != k) {
                look_at_two(&l, &p->rules[i], &p->rules[k]);
            }
        }
    }
    if (p->opa != NULL) {
        look_at_opa(&l, p->opa);
    }
    return l.n;
}
