/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/wildcard.h"
#include "retention/quota.h"
#include "retention/ruleset_int.h"

#define SHOWN(s)  (int)((s).n < 100 ? (s).n : 100), (s).p
#define PAIRS_MAX 20
#define DAY_S     ((int64_t)86400)

#define WINDOW_MIN_S ((int64_t)60)
#define WINDOW_MAX_S (7 * DAY_S)

static const struct ruleset_limits no_limits = {-1, -1, -1, -1, RULESET_BY_SEEN};

static const char *const by_words[] = {"seen", "pulled", "pushed", "version", NULL};

/* ---- match --------------------------------------------------------------------------------- */

/* The first part of a canonical name is a host; of a pattern it may be a wildcard. */
int ruleset_read_check_repository(struct reading *r, struct pg_tree_at at, struct sl p)
{
    const char *slash = memchr(p.p, '/', p.n);
    struct sl host = {p.p, slash != NULL ? (size_t)(slash - p.p) : p.n};

    if (wildcard_check(p, r->err) < 0) {
        return reading_wrap(r, at);
    }
    bool is_host =
        memchr(host.p, '*', host.n) != NULL ||
        (slash != NULL && (memchr(host.p, '.', host.n) != NULL ||
                           memchr(host.p, ':', host.n) != NULL || sl_eq(host, SL("localhost"))));
    if (!is_host) {
        return reading_bad(r, at,
                           "\"%.*s\" matches nothing: repositories are written with their "
                           "registry, such as docker.io/%s%.*s",
                           SHOWN(p), slash == NULL ? "library/" : "", SHOWN(p));
    }
    for (size_t i = 0; i < p.n; i++) {
        if (p.p[i] == '@' || (p.p[i] == ':' && i >= host.n)) {
            return reading_bad(r, at,
                               "\"%.*s\" matches nothing: repositories have no tag and no "
                               "digest; tags stand in match.tags",
                               SHOWN(p));
        }
        if (p.p[i] >= 'A' && p.p[i] <= 'Z') {
            return reading_bad(r, at, "\"%.*s\" matches nothing: repositories are in lower case",
                               SHOWN(p));
        }
    }
    return 0;
}

int ruleset_read_check_tag(struct reading *r, struct pg_tree_at at, struct sl p)
{
    if (wildcard_check(p, r->err) < 0) {
        return reading_wrap(r, at);
    }
    for (size_t i = 0; i < p.n; i++) {
        char c = p.p[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '*' || (c == '.' && i > 0) || (c == '-' && i > 0);
        if (!good) {
            return reading_bad(r, at,
                               "\"%.*s\" matches no tag: tags have letters, digits, _ . and -, "
                               "and begin with none of the last two",
                               SHOWN(p));
        }
    }
    return 0;
}

typedef int check_fn(struct reading *r, struct pg_tree_at at, struct sl pattern);

static int take_patterns(struct reading *r, const struct pg_tree *map, const char *key,
                         check_fn *check, const struct sl **list_r, size_t *n_r)
{
    const struct pg_tree *list = pg_tree_get(map, sl_str(key));

    if (reading_list(r, map, key, list_r, n_r) < 0) {
        return -1;
    }
    for (const struct pg_tree *t = list != NULL ? list->first : NULL; t != NULL; t = t->next) {
        if (check(r, t->at, t->text) < 0) {
            return -1;
        }
    }
    return 0;
}

/* {team: "payments*"} */
static int take_pairs(struct reading *r, const struct pg_tree *map, const char *key,
                      const struct image_pair **pairs_r, size_t *n_r)
{
    const struct pg_tree *m = pg_tree_get(map, sl_str(key));

    if (m == NULL) {
        return 0;
    }
    if (m->kind != PG_TREE_MAP || m->nchildren == 0 || m->nchildren > PAIRS_MAX) {
        return reading_bad(r, m->at, "%s must be a mapping of 1 to %d names to patterns", key,
                           PAIRS_MAX);
    }
    struct image_pair *pairs = pg_alloc(r->arena, m->nchildren * sizeof(*pairs));
    size_t n = 0;
    for (const struct pg_tree *t = m->first; t != NULL; t = t->next) {
        if (t->kind != PG_TREE_SCALAR || t->key.n == 0) {
            return reading_bad(r, t->at, "what stands in %s must be a text", key);
        }
        if (wildcard_check(t->text, r->err) < 0) {
            return reading_wrap(r, t->at);
        }
        pairs[n++] = (struct image_pair){t->key, t->text};
    }
    *pairs_r = pairs;
    *n_r = n;
    return 0;
}

static int take_versions(struct reading *r, const struct pg_tree *map, struct ruleset_match *m)
{
    struct semver_range range;

    if (reading_text(r, map, "versions", &m->versions_text) < 0) {
        return -1;
    }
    if (m->versions_text.p == NULL) {
        return 0;
    }
    if (semver_range_read(m->versions_text, &range, r->err) < 0) {
        return reading_wrap(r, pg_tree_get(map, SL("versions"))->at);
    }
    struct semver_range *copy = pg_new(r->arena, struct semver_range);
    *copy = range;
    m->versions = copy;
    return 0;
}

static int take_promoted(struct reading *r, const struct pg_tree *map, struct ruleset_match *m)
{
    if (reading_text(r, map, "promoted", &m->promoted) < 0) {
        return -1;
    }
    if (m->promoted.p != NULL && wildcard_check(m->promoted, r->err) < 0) {
        return reading_wrap(r, pg_tree_get(map, SL("promoted"))->at);
    }
    return 0;
}

static int take_match(struct reading *r, const struct pg_tree *rule, struct ruleset_rule *out)
{
    static const char *const words[] = {"repositories", "tags",     "all_tags",
                                        "versions",     "untagged", "annotations",
                                        "labels",       "promoted", NULL};
    const struct pg_tree *map = pg_tree_get(rule, SL("match"));
    struct ruleset_match *m = &out->match;

    if (map == NULL) {
        return reading_bad(r, rule->at, "the rule needs match: {repositories: [...]}");
    }
    out->match_at = map->at;
    if (reading_keys(r, map, "match", words) < 0 ||
        take_patterns(r, map, "repositories", ruleset_read_check_repository, &m->repositories,
                      &m->nrepositories) < 0 ||
        take_patterns(r, map, "tags", ruleset_read_check_tag, &m->tags, &m->ntags) < 0 ||
        take_patterns(r, map, "all_tags", ruleset_read_check_tag, &m->all_tags, &m->nall_tags) <
            0 ||
        take_pairs(r, map, "labels", &m->labels, &m->nlabels) < 0 ||
        take_pairs(r, map, "annotations", &m->annotations, &m->nannotations) < 0 ||
        take_versions(r, map, m) < 0 || take_promoted(r, map, m) < 0 ||
        reading_truth(r, map, "untagged", &m->untagged) < 0) {
        return -1;
    }
    if (m->nrepositories == 0) {
        return reading_bad(r, map->at,
                           "match needs repositories, such as [\"ghcr.io/acme/**\"], or [\"**\"] "
                           "for all");
    }
    if (m->untagged && (m->ntags > 0 || m->nall_tags > 0 || m->versions != NULL)) {
        return reading_bad(r, map->at,
                           "the rule can never match: what is untagged has no tag and no version");
    }
    return 0;
}

/* ---- keep and delete ----------------------------------------------------------------------- */

static int take_by(struct reading *r, const struct pg_tree *map, struct ruleset_limits *l)
{
    const struct pg_tree *t = pg_tree_get(map, SL("by"));
    unsigned by = RULESET_BY_SEEN;

    if (reading_word(r, map, "by", by_words, &by) < 0) {
        return -1;
    }
    if (t != NULL && l->count < 0) {
        return reading_bad(r, t->key_at, "by is for a rule that counts");
    }
    l->by = (enum ruleset_by)by;
    return 0;
}

static int take_keep(struct reading *r, const struct pg_tree *t, struct ruleset_rule *rule)
{
    static const char *const words[] = {"pulled_within", "seen_within", "newest", "by", NULL};
    struct ruleset_limits *l = &rule->limits;

    if (t->kind == PG_TREE_SCALAR && sl_eq(t->text, SL("forever"))) {
        rule->forever = true;
        return 0;
    }
    if (t->kind != PG_TREE_MAP || t->nchildren == 0) {
        return reading_bad(r, t->at,
                           "keep must be forever, or {pulled_within, seen_within, newest}");
    }
    if (reading_keys(r, t, "keep", words) < 0 ||
        reading_age(r, t, "pulled_within", &l->pulled_s) < 0 ||
        reading_age(r, t, "seen_within", &l->seen_s) < 0 ||
        reading_count(r, t, "newest", &l->count) < 0) {
        return -1;
    }
    return take_by(r, t, l);
}

static int take_delete(struct reading *r, const struct pg_tree *t, struct ruleset_rule *rule)
{
    static const char *const words[] = {"not_pulled_for", "seen_over", "pushed_over",
                                        "beyond_newest",  "by",        NULL};
    struct ruleset_limits *l = &rule->limits;

    rule->deletes = true;
    if (t->kind != PG_TREE_MAP || t->nchildren == 0) {
        return reading_bad(r, t->at,
                           "delete must say when: {not_pulled_for, seen_over, beyond_newest, "
                           "pushed_over}, such as {not_pulled_for: 30d}");
    }
    if (reading_keys(r, t, "delete", words) < 0 ||
        reading_age(r, t, "not_pulled_for", &l->pulled_s) < 0 ||
        reading_age(r, t, "seen_over", &l->seen_s) < 0 ||
        reading_age(r, t, "pushed_over", &l->pushed_s) < 0 ||
        reading_count(r, t, "beyond_newest", &l->count) < 0 || take_by(r, t, l) < 0) {
        return -1;
    }
    if (l->pulled_s < 0 && l->seen_s < 0 && l->count < 0) {
        return reading_bad(r, t->at,
                           "pushed_over is what upstream says, a hint: not_pulled_for, seen_over "
                           "or beyond_newest must stand beside it");
    }
    return 0;
}

static int take_exceptions(struct reading *r, const struct pg_tree *map, struct ruleset_rule *rule)
{
    static const char *const words[] = {"keep", "delete", NULL};
    static const char *const keys[] = {"last_copy", "bases"};
    bool *const to[] = {&rule->last_copy_too, &rule->bases_too};

    for (size_t i = 0; i < 2; i++) {
        const struct pg_tree *t = pg_tree_get(map, sl_str(keys[i]));
        unsigned word = 0;
        if (reading_word(r, map, keys[i], words, &word) < 0) {
            return -1;
        }
        if (t != NULL && !rule->deletes) {
            return reading_bad(r, t->key_at, "%s is for a rule that deletes", keys[i]);
        }
        if (t != NULL && to[i] == &rule->last_copy_too) {
            rule->last_copy_at = t->key_at;
        }
        *to[i] = word == 1;
    }
    return 0;
}

static int take_rule(struct reading *r, const struct pg_tree *map, struct ruleset_rule *rule)
{
    static const char *const words[] = {"name",   "description", "match", "keep",
                                        "delete", "last_copy",   "bases", NULL};

    rule->at = map->at;
    rule->limits = no_limits;
    if (reading_keys(r, map, "a rule", words) < 0 ||
        reading_text(r, map, "name", &rule->name) < 0 ||
        reading_text(r, map, "description", &rule->description) < 0) {
        return -1;
    }
    if (rule->name.p == NULL || rule->name.n > RULESET_NAME_MAX) {
        return reading_bad(r, map->at,
                           "the rule needs a name of at most %d characters: plans tell of it",
                           RULESET_NAME_MAX);
    }
    const struct pg_tree *keep = pg_tree_get(map, SL("keep")),
                         *gone = pg_tree_get(map, SL("delete"));
    if ((keep == NULL) == (gone == NULL)) {
        return reading_bad(r, map->at, "the rule needs either keep or delete");
    }
    rule->action_at = keep != NULL ? keep->at : gone->at;
    if (take_match(r, map, rule) < 0 ||
        (keep != NULL ? take_keep(r, keep, rule) : take_delete(r, gone, rule)) < 0) {
        return -1;
    }
    return take_exceptions(r, map, rule);
}

static int take_rules(struct reading *r, const struct pg_tree *list, struct ruleset *rules)
{
    if (list->kind != PG_TREE_LIST || list->nchildren > RULESET_RULES_MAX) {
        return reading_bad(r, list->at, "rules must be a list of at most %d rules",
                           RULESET_RULES_MAX);
    }
    rules->rules = pg_alloc(r->arena, (list->nchildren + 1) * sizeof(*rules->rules));
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        struct ruleset_rule *rule = &rules->rules[rules->nrules];
        if (take_rule(r, t, rule) < 0) {
            return -1;
        }
        for (size_t i = 0; i < rules->nrules; i++) {
            if (sl_eq(rules->rules[i].name, rule->name)) {
                return reading_bad(r, t->at,
                                   "two rules have the name \"%.*s\"; the first is at "
                                   "line %u",
                                   SHOWN(rule->name), rules->rules[i].at.line);
            }
        }
        rules->nrules++;
    }
    return 0;
}

/* ---- pins ---------------------------------------------------------------------------------- */

/* REPOSITORY:TAG, with the colon behind the last slash. */
static bool split_name(struct sl text, struct sl *repo_r, struct sl *tag_r)
{
    const char *slash = text.n > 0 ? memrchr(text.p, '/', text.n) : NULL;
    size_t from = slash != NULL ? (size_t)(slash - text.p) : 0;
    const char *colon = memchr(text.p + from, ':', text.n - from);

    *repo_r = colon != NULL ? (struct sl){text.p, (size_t)(colon - text.p)} : text;
    *tag_r = colon != NULL ? (struct sl){colon + 1, text.n - repo_r->n - 1} : (struct sl){NULL, 0};
    return slash != NULL;
}

static int take_pin_digest(struct reading *r, struct pg_tree_at at, struct sl text,
                           struct ruleset_pin *pin)
{
    const char *sign = memchr(text.p, '@', text.n);
    size_t n = sign != NULL ? (size_t)(sign - text.p) + 1 : 0;

    pin->kind = RULESET_PIN_DIGEST;
    pin->repo = (struct sl){text.p, n > 0 ? n - 1 : 0};
    if (digest_parse((struct sl){text.p + n, text.n - n}, &pin->digest, r->err) < 0) {
        return reading_wrap(r, at);
    }
    return n > 0 ? ruleset_read_check_repository(r, at, pin->repo) : 0;
}

static int take_pinned(struct reading *r, const struct pg_tree *map, struct ruleset_pin *pin)
{
    static const char *const keys[] = {"digest", "tag", "pattern"};
    const struct pg_tree *found = NULL;
    struct sl text = {NULL, 0};

    for (size_t i = 0; i < 3; i++) {
        const struct pg_tree *t = pg_tree_get(map, sl_str(keys[i]));
        if (t != NULL && found != NULL) {
            return reading_bad(r, t->key_at, "a pin has one of digest, tag and pattern");
        }
        if (t == NULL) {
            continue;
        }
        if (reading_text(r, map, keys[i], &text) < 0) {
            return -1;
        }
        pin->kind = (enum ruleset_pin_kind)i;
        found = t;
    }
    if (found == NULL) {
        return reading_bad(r, map->at, "a pin needs one of digest, tag and pattern");
    }
    if (pin->kind == RULESET_PIN_DIGEST) {
        return take_pin_digest(r, found->at, text, pin);
    }
    bool named = split_name(text, &pin->repo, &pin->tag);
    if (pin->kind == RULESET_PIN_TAG &&
        (!named || pin->tag.n == 0 || memchr(text.p, '*', text.n) != NULL)) {
        return reading_bad(r, found->at,
                           "tag must be REGISTRY/REPOSITORY:TAG; what has wildcards is a pattern");
    }
    if (ruleset_read_check_repository(r, found->at, pin->repo) < 0) {
        return -1;
    }
    return pin->tag.n > 0 ? ruleset_read_check_tag(r, found->at, pin->tag) : 0;
}

static int take_pin(struct reading *r, const struct pg_tree *map, struct ruleset_pin *pin)
{
    static const char *const words[] = {"digest", "tag",   "pattern", "owner",
                                        "reason", "until", NULL};
    struct sl until = {NULL, 0};

    pin->at = map->at;
    if (reading_keys(r, map, "a pin", words) < 0 || take_pinned(r, map, pin) < 0 ||
        reading_text(r, map, "owner", &pin->owner) < 0 ||
        reading_text(r, map, "reason", &pin->reason) < 0 ||
        reading_text(r, map, "until", &until) < 0) {
        return -1;
    }
    if (pin->owner.p == NULL || pin->reason.p == NULL || until.p == NULL) {
        return reading_bad(r, map->at,
                           "a pin needs an owner, a reason, and until: a date, or never");
    }
    pin->until_s = RULESET_NEVER;
    if (!sl_eq(until, SL("never")) && reading_parse_date(until, &pin->until_s) < 0) {
        return reading_bad(r, pg_tree_get(map, SL("until"))->at,
                           "until must be a date such as 2027-01-31, or never");
    }
    if (until.n == sizeof("2027-01-31") - 1) {
        pin->until_s += DAY_S - 1; /* that day is the last */
    }
    return 0;
}

static int take_pins(struct reading *r, const struct pg_tree *list, struct ruleset *rules)
{
    if (list->kind != PG_TREE_LIST || list->nchildren > RULESET_PINS_MAX) {
        return reading_bad(r, list->at, "pins must be a list of at most %d pins", RULESET_PINS_MAX);
    }
    rules->pins = pg_alloc(r->arena, (list->nchildren + 1) * sizeof(*rules->pins));
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        if (take_pin(r, t, &rules->pins[rules->npins]) < 0) {
            return -1;
        }
        rules->npins++;
    }
    return 0;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static int take_untagged(struct reading *r, const struct pg_tree *map, struct ruleset *rules)
{
    const struct pg_tree *t = pg_tree_get(map, SL("untagged"));

    rules->untagged_at = t != NULL ? t->at : map->at;
    if (t != NULL && t->kind == PG_TREE_SCALAR && sl_eq(t->text, SL("keep"))) {
        rules->untagged_s = RULESET_NEVER;
        return 0;
    }
    return reading_age(r, map, "untagged", &rules->untagged_s);
}

static int take_schedule(struct reading *r, const struct pg_tree *map, struct ruleset *rules)
{
    if (reading_text(r, map, "schedule", &rules->schedule_text) < 0) {
        return -1;
    }
    rules->has_schedule = rules->schedule_text.p != NULL;
    rules->by_hand_only = rules->has_schedule && sl_eq(rules->schedule_text, SL("never"));
    if (rules->has_schedule && !rules->by_hand_only &&
        cron_read(rules->schedule_text, &rules->schedule, r->err) < 0) {
        return reading_wrap(r, pg_tree_get(map, SL("schedule"))->at);
    }
    if (rules->has_schedule) {
        rules->schedule_at = pg_tree_get(map, SL("schedule"))->at;
    }
    return 0;
}

static int take_window(struct reading *r, const struct pg_tree *map, struct ruleset_window *w)
{
    static const char *const words[] = {"from", "for", NULL};

    if (reading_keys(r, map, "a window", words) < 0 ||
        reading_text(r, map, "from", &w->from_text) < 0 ||
        reading_age(r, map, "for", &w->for_s) < 0) {
        return -1;
    }
    if (w->from_text.p == NULL || w->for_s < WINDOW_MIN_S || w->for_s > WINDOW_MAX_S) {
        return reading_bad(r, map->at, "a window is {from: \"0 1 * * *\", for: 5h}; for 1m to 7d");
    }
    return cron_read(w->from_text, &w->from, r->err) < 0
               ? reading_wrap(r, pg_tree_get(map, SL("from"))->at)
               : 0;
}

static int take_windows(struct reading *r, const struct pg_tree *map, struct ruleset *rules)
{
    const struct pg_tree *list = pg_tree_get(map, SL("windows"));

    if (list == NULL) {
        return 0;
    }
    if (list->kind != PG_TREE_LIST || list->nchildren > RULESET_WINDOWS_MAX) {
        return reading_bad(r, list->at, "windows must be a list of at most %d",
                           RULESET_WINDOWS_MAX);
    }
    rules->windows = pg_alloc(r->arena, (list->nchildren + 1) * sizeof(*rules->windows));
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        rules->windows[rules->nwindows] = (struct ruleset_window){0};
        if (take_window(r, t, &rules->windows[rules->nwindows]) < 0) {
            return -1;
        }
        rules->nwindows++;
    }
    return 0;
}

int ruleset_read_tree(struct reading *r, const struct pg_tree *root, struct ruleset *rules)
{
    static const char *const top[] = {"retention", NULL};
    static const char *const words[] = {"order",  "untagged", "schedule", "windows",
                                        "quotas", "rules",    "pins",     NULL};
    static const char *const orders[] = {"keep_wins", "first_match", NULL};
    unsigned order = RULESET_KEEP_WINS;

    if (reading_keys(r, root, "the file", top) < 0) {
        return -1;
    }
    const struct pg_tree *map = pg_tree_get(root, SL("retention"));
    if (map == NULL || map->kind != PG_TREE_MAP) {
        return reading_bad(r, root->at, "the file needs retention: {rules: [...]}");
    }
    if (reading_keys(r, map, "retention", words) < 0 ||
        reading_word(r, map, "order", orders, &order) < 0 || take_untagged(r, map, rules) < 0 ||
        take_schedule(r, map, rules) < 0 || take_windows(r, map, rules) < 0 ||
        quota_read(r, map, rules) < 0) {
        return -1;
    }
    const struct pg_tree *list = pg_tree_get(map, SL("rules")),
                         *pins = pg_tree_get(map, SL("pins"));
    rules->order = (enum ruleset_order)order;
    if (list == NULL) {
        return reading_bad(r, map->at, "retention needs rules: a list, which may be empty");
    }
    if (take_rules(r, list, rules) < 0) {
        return -1;
    }
    return pins != NULL ? take_pins(r, pins, rules) : 0;
}
