/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Harbor's retention, garbage collection and scanning, as people write them down in YAML:
 *
 *     retention_policy:
 *       - name, description
 *         repository_select: {pattern: "acme/app-*"}
 *         tag_select: {pattern: "{prod,release}-*"}
 *         action: retain | delete
 *         retention_days: 30            none: for ever
 *         retention_count: 10
 *         untagged_only: true
 *     garbage_collection: {schedule: "0 2 * * *", dry_run: true, untagged_only: true}
 *     scanning: ...
 */
#include "retention/import_int.h"
#include "retention/ruleset_int.h"

#define RULES_MAX  100
#define BRACES_MAX 20
#define DAY_S      86400
#define SHOWN(s)   (int)((s).n < 100 ? (s).n : 100), (s).p

#define REMARK                                                                                     \
    "# Made of rules for Harbor. There, what no rule retains is removed; here, what no rule is "   \
    "about\n"                                                                                      \
    "# stays. Days are counted from the last pull.\n"

/* a{b,c}d becomes abd and acd: one pair of braces. */
static int spread_braces(struct reading *r, struct pg_tree_at at, struct sl p,
                         const struct sl **list_r, size_t *n_r)
{
    const char *open = p.n > 0 ? memchr(p.p, '{', p.n) : NULL;
    const char *close = open != NULL ? memchr(open, '}', p.n - (size_t)(open - p.p)) : NULL;
    struct sl *list = pg_alloc(r->arena, (BRACES_MAX + 1) * sizeof(*list));

    *list_r = list;
    *n_r = 1;
    list[0] = p;
    if (memchr(p.p, '?', p.n) != NULL) {
        return reading_bad(r, at,
                           "\"%.*s\": ? stands for one character in Harbor, and for none "
                           "here; write the pattern with *",
                           SHOWN(p));
    }
    if (open == NULL) {
        return 0;
    }
    if (close == NULL) {
        return reading_bad(r, at, "\"%.*s\": the { has no }", SHOWN(p));
    }
    struct sl head = {p.p, (size_t)(open - p.p)};
    struct sl tail = {close + 1, p.n - (size_t)(close + 1 - p.p)};
    struct sl inner = {open + 1, (size_t)(close - open) - 1};
    if (memchr(inner.p, '{', inner.n) != NULL || memchr(tail.p, '{', tail.n) != NULL) {
        return reading_bad(r, at, "\"%.*s\": more than one pair of braces", SHOWN(p));
    }
    *n_r = 0;
    for (size_t from = 0; from <= inner.n;) {
        const char *comma = memchr(inner.p + from, ',', inner.n - from);
        size_t end = comma != NULL ? (size_t)(comma - inner.p) : inner.n;
        if (*n_r == BRACES_MAX) {
            return reading_bad(r, at, "\"%.*s\": more than %d words in braces", SHOWN(p),
                               BRACES_MAX);
        }
        list[(*n_r)++] =
            import_text(r, SL_FMT SL_FMT SL_FMT, SL_ARG(head),
                        SL_ARG(((struct sl){inner.p + from, end - from})), SL_ARG(tail));
        from = end + 1;
    }
    return 0;
}

/* {pattern: ...} of a key; absent: NULL and 0. */
static int take_select(struct reading *r, const struct pg_tree *map, const char *key,
                       const struct sl **list_r, size_t *n_r)
{
    static const char *const words[] = {"pattern", NULL};
    const struct pg_tree *t = pg_tree_get(map, sl_str(key));
    struct sl pattern = {NULL, 0};

    *list_r = NULL;
    *n_r = 0;
    if (t == NULL) {
        return 0;
    }
    if (reading_keys(r, t, key, words) < 0 || reading_text(r, t, "pattern", &pattern) < 0) {
        return -1;
    }
    if (pattern.p == NULL) {
        return reading_bad(r, t->at, "%s needs pattern", key);
    }
    return spread_braces(r, pg_tree_get(t, SL("pattern"))->at, pattern, list_r, n_r);
}

/* Names of Harbor are without a registry: it is put before them as any. */
static int take_repositories(struct reading *r, const struct pg_tree *map, struct ruleset_match *m)
{
    const struct sl *list;
    size_t n;

    if (take_select(r, map, "repository_select", &list, &n) < 0) {
        return -1;
    }
    m->repositories = import_all(r);
    m->nrepositories = 1;
    if (n == 0 || (n == 1 && sl_eq(list[0], SL("**")))) {
        return 0;
    }
    struct sl *patterns = pg_alloc(r->arena, n * sizeof(*patterns));
    for (size_t i = 0; i < n; i++) {
        patterns[i] = import_text(r, "*/" SL_FMT, SL_ARG(list[i]));
        struct pg_tree_at at = pg_tree_get(map, SL("repository_select"))->at;
        if (ruleset_read_check_repository(r, at, patterns[i]) < 0) {
            return -1;
        }
    }
    m->repositories = patterns;
    m->nrepositories = n;
    return 0;
}

static int take_match(struct reading *r, const struct pg_tree *map, struct ruleset_match *m)
{
    const struct pg_tree *select = pg_tree_get(map, SL("tag_select"));

    if (take_repositories(r, map, m) < 0 ||
        take_select(r, map, "tag_select", &m->tags, &m->ntags) < 0 ||
        reading_truth(r, map, "untagged_only", &m->untagged) < 0) {
        return -1;
    }
    for (size_t i = 0; i < m->ntags; i++) {
        if (ruleset_read_check_tag(r, select->at, m->tags[i]) < 0) {
            return -1;
        }
    }
    bool all = m->ntags == 1 && (sl_eq(m->tags[0], SL("**")) || sl_eq(m->tags[0], SL("*")));
    if (m->untagged && m->ntags > 0 && !all) {
        return reading_bad(r, select->at,
                           "the rule can never match: what is untagged matches no pattern");
    }
    m->ntags = all ? 0 : m->ntags;
    return 0;
}

struct harbor_rule {
    const struct pg_tree *map;
    unsigned deletes;
    int64_t days, count;
};

static int read_numbers(struct reading *r, struct harbor_rule *h)
{
    static const char *const actions[] = {"retain", "delete", NULL};
    const struct pg_tree *days = pg_tree_get(h->map, SL("retention_days"));

    if (pg_tree_get(h->map, SL("action")) == NULL) {
        return reading_bad(r, h->map->at, "a rule needs action: retain or delete");
    }
    if (reading_word(r, h->map, "action", actions, &h->deletes) < 0 ||
        reading_count(r, h->map, "retention_days", &h->days) < 0 ||
        reading_count(r, h->map, "retention_count", &h->count) < 0) {
        return -1;
    }
    if (h->days == 0 || h->days > 36500) {
        return reading_bad(r, days->at, "retention_days must be a number from 1 to 36500");
    }
    if (h->deletes == 1 && h->days < 0 && h->count < 0) {
        return reading_bad(r, h->map->at,
                           "a rule that deletes needs retention_days or "
                           "retention_count");
    }
    return 0;
}

/* Retained for some days, or some of them, means that it goes after that: two rules of ours. */
static void make_rules(struct reading *r, const struct harbor_rule *h,
                       const struct ruleset_rule *made, struct ruleset *rules)
{
    int64_t age_s = h->days > 0 ? h->days * DAY_S : -1;
    struct ruleset_rule rule = *made;

    if (h->deletes == 0) {
        rule.forever = h->days < 0 && h->count < 0;
        rule.limits = (struct ruleset_limits){age_s, -1, -1, h->count, RULESET_BY_SEEN};
        rules->rules[rules->nrules++] = rule;
        if (rule.forever) {
            return;
        }
        rule.name = import_text(r, SL_FMT " after that", SL_ARG(made->name));
        rule.description = (struct sl){NULL, 0};
    }
    rule.deletes = true;
    rule.limits = (struct ruleset_limits){age_s, -1, -1, h->count, RULESET_BY_SEEN};
    rules->rules[rules->nrules++] = rule;
}

static int take_rule(struct reading *r, const struct pg_tree *map, struct ruleset *rules)
{
    static const char *const words[] = {
        "name",           "description",     "repository_select", "tag_select", "action",
        "retention_days", "retention_count", "untagged_only",     NULL};
    struct harbor_rule h = {.map = map, .days = -1, .count = -1};
    struct ruleset_rule made = {.at = map->at, .match_at = map->at, .action_at = map->at};

    if (reading_keys(r, map, "a rule", words) < 0 || read_numbers(r, &h) < 0 ||
        reading_text(r, map, "name", &made.name) < 0 ||
        reading_text(r, map, "description", &made.description) < 0 ||
        take_match(r, map, &made.match) < 0) {
        return -1;
    }
    made.action_at = pg_tree_get(map, SL("action"))->at;
    if (made.name.p == NULL) {
        made.name = import_text(r, "harbor-%u", map->at.line);
    }
    if (made.name.n > RULESET_NAME_MAX - 20) {
        return reading_bad(r, map->at, "the name is longer than %d characters",
                           RULESET_NAME_MAX - 20);
    }
    for (size_t i = 0; i < rules->nrules; i++) {
        if (sl_eq(rules->rules[i].name, made.name)) {
            return reading_bad(r, map->at, "two rules have the name \"%.*s\"", SHOWN(made.name));
        }
    }
    make_rules(r, &h, &made, rules);
    return 0;
}

/* ---- what else stands there ---------------------------------------------------------------- */

static int take_collection(struct reading *r, const struct pg_tree *root, struct ruleset *rules)
{
    static const char *const words[] = {"schedule", "dry_run", "untagged_only", NULL};
    const struct pg_tree *map = pg_tree_get(root, SL("garbage_collection"));
    struct sl schedule = {NULL, 0};
    bool dry_run = false, untagged = true;

    if (map == NULL) {
        return 0;
    }
    if (reading_keys(r, map, "garbage_collection", words) < 0 ||
        reading_text(r, map, "schedule", &schedule) < 0 ||
        reading_truth(r, map, "dry_run", &dry_run) < 0 ||
        reading_truth(r, map, "untagged_only", &untagged) < 0) {
        return -1;
    }
    if (schedule.p == NULL) {
        return 0;
    }
    if (cron_read(schedule, &rules->schedule, r->err) < 0) {
        return reading_wrap(r, pg_tree_get(map, SL("schedule"))->at);
    }
    if (dry_run) {
        rules->has_schedule = rules->by_hand_only = true;
        rules->schedule_text = SL("never");
        rules->remark = import_text(r,
                                    SL_FMT "# dry_run was set: nothing is scheduled. To do so: "
                                           "schedule: \"" SL_FMT "\"\n",
                                    SL_ARG(rules->remark), SL_ARG(schedule));
        return 0;
    }
    rules->has_schedule = true;
    rules->schedule_at = pg_tree_get(map, SL("schedule"))->at;
    rules->schedule_text = schedule;
    return 0;
}

int import_harbor_read(struct reading *r, const struct pg_tree *root, struct ruleset *rules)
{
    static const char *const words[] = {"retention_policy", "garbage_collection", "scanning", NULL};
    static const char *const policy[] = {"rules", NULL};

    if (reading_keys(r, root, "the file", words) < 0) {
        return -1;
    }
    const struct pg_tree *list = pg_tree_get(root, SL("retention_policy"));
    if (list->kind == PG_TREE_MAP) {
        if (reading_keys(r, list, "retention_policy", policy) < 0) {
            return -1;
        }
        list = list->first != NULL ? list->first : list;
    }
    if (list->kind != PG_TREE_LIST || list->nchildren > RULES_MAX) {
        return reading_bad(r, list->at, "retention_policy must be a list of at most %d rules",
                           RULES_MAX);
    }
    rules->rules = pg_alloc(r->arena, (2 * list->nchildren + 1) * sizeof(*rules->rules));
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        if (take_rule(r, t, rules) < 0) {
            return -1;
        }
    }
    rules->remark = SL(REMARK);
    rules->untagged_at = list->at;
    if (pg_tree_get(root, SL("scanning")) != NULL) {
        rules->remark = import_text(r, SL_FMT "# scanning is no matter of retention: left out.\n",
                                    SL_ARG(rules->remark));
    }
    return take_collection(r, root, rules);
}
