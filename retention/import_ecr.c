/* SPDX-License-Identifier: Apache-2.0 */
/* Amazon ECR's lifecycle policies: what its documentation says of their properties, and of how they
 * are evaluated. */
#include <inttypes.h>
#include <stdlib.h>

#include "retention/import_int.h"
#include "retention/ruleset_int.h"

#define RULES_MAX 50
#define STARS_MAX 4
#define DAYS_MAX  36500
#define DAY_S     86400

#define REMARK                                                                                     \
    "# Made of a lifecycle policy of Amazon ECR, which is of one repository: put its name in "     \
    "place\n"                                                                                      \
    "# of **. Counts are of each repository. The age there is since the push; here it is since "   \
    "the\n"                                                                                        \
    "# image came to this cache.\n"

struct ecr_rule {
    const struct pg_tree *map, *selection;
    int64_t priority, number;
    unsigned status, count_type;
};

enum { TAGGED, UNTAGGED, ANY };
enum { SINCE_PUSHED, MORE_THAN };

static int need(struct reading *r, const struct pg_tree *map, const char *what,
                const char *const *keys)
{
    for (size_t i = 0; keys[i] != NULL; i++) {
        if (pg_tree_get(map, sl_str(keys[i])) == NULL) {
            return reading_bad(r, map->at, "%s needs %s", what, keys[i]);
        }
    }
    return 0;
}

static int take_count(struct reading *r, const struct pg_tree *selection, bool lenient,
                      struct ecr_rule *e)
{
    static const char *const types[] = {"sinceImagePushed", "imageCountMoreThan", NULL};
    static const char *const units[] = {"days", NULL};
    const struct pg_tree *unit = pg_tree_get(selection, SL("countUnit"));
    unsigned ignored;

    if (reading_word(r, selection, "countType", types, &e->count_type) < 0 ||
        reading_word(r, selection, "countUnit", units, &ignored) < 0 ||
        reading_count(r, selection, "countNumber", &e->number) < 0) {
        return -1;
    }
    if (e->number == 0 && !lenient) {
        return reading_bad(r, pg_tree_get(selection, SL("countNumber"))->at,
                           "countNumber must be a positive number: ECR does not take 0");
    }
    if (e->count_type == SINCE_PUSHED && (e->number == 0 || e->number > DAYS_MAX)) {
        return reading_bad(r, pg_tree_get(selection, SL("countNumber"))->at,
                           "countNumber must be 1 to %d days", DAYS_MAX);
    }
    if (e->count_type == SINCE_PUSHED && unit == NULL) {
        return reading_bad(r, selection->at, "sinceImagePushed needs countUnit: \"days\"");
    }
    if (e->count_type == MORE_THAN && unit != NULL) {
        return reading_bad(r, unit->key_at, "countUnit is for sinceImagePushed alone");
    }
    return 0;
}

static size_t count_stars(struct sl s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        n += s.p[i] == '*';
    }
    return n;
}

/* Prefixes and patterns: an image must have a tag for each of them. */
static int take_tags(struct reading *r, const struct ecr_rule *e, struct ruleset_match *m)
{
    const struct pg_tree *prefixes = pg_tree_get(e->selection, SL("tagPrefixList"));
    const struct pg_tree *patterns = pg_tree_get(e->selection, SL("tagPatternList"));
    const struct pg_tree *list = prefixes != NULL ? prefixes : patterns;
    const struct sl *items;
    size_t n;

    if (e->status != TAGGED && list != NULL) {
        return reading_bad(r, list->key_at,
                           "tagPrefixList and tagPatternList are for tagStatus "
                           "\"tagged\" alone");
    }
    if (prefixes != NULL && patterns != NULL) {
        return reading_bad(r, patterns->key_at, "either tagPrefixList or tagPatternList");
    }
    if (e->status != TAGGED) {
        return 0;
    }
    if (list == NULL) {
        return reading_bad(r, e->selection->at,
                           "tagStatus \"tagged\" needs tagPrefixList or tagPatternList");
    }
    if (reading_list(r, e->selection, prefixes != NULL ? "tagPrefixList" : "tagPatternList", &items,
                     &n) < 0) {
        return -1;
    }
    struct sl *tags = pg_alloc(r->arena, n * sizeof(*tags));
    const struct pg_tree *t = list->first;
    for (size_t i = 0; i < n; i++, t = t->next) {
        size_t stars = count_stars(items[i]);
        if (prefixes != NULL ? stars > 0 : stars > STARS_MAX) {
            return reading_bad(r, t->at,
                               prefixes != NULL ? "a prefix has no wildcard"
                                                : "a pattern has at most 4 wildcards");
        }
        tags[i] = prefixes != NULL ? import_text(r, SL_FMT "*", SL_ARG(items[i])) : items[i];
        if (t->is_plain) {
            return reading_bad(r, t->at, "a tag must be a text, in quotes");
        }
        if (ruleset_read_check_tag(r, t->at, tags[i]) < 0) {
            return -1;
        }
    }
    m->all_tags = tags;
    m->nall_tags = n;
    return 0;
}

static int read_rule(struct reading *r, const struct pg_tree *map, bool lenient, struct ecr_rule *e)
{
    static const char *const words[] = {"rulePriority", "description", "selection", "action", NULL};
    static const char *const selection[] = {"tagStatus", "tagPrefixList", "tagPatternList",
                                            "countType", "countUnit",     "countNumber",
                                            NULL};
    static const char *const needed[] = {"rulePriority", "selection", "action", NULL};
    static const char *const selected[] = {"tagStatus", "countType", "countNumber", NULL};
    static const char *const statuses[] = {"tagged", "untagged", "any", NULL};
    static const char *const action[] = {"type", NULL};
    static const char *const types[] = {"expire", NULL};
    unsigned ignored = 0;

    if (reading_keys(r, map, "a rule", words) < 0 || need(r, map, "a rule", needed) < 0 ||
        reading_count(r, map, "rulePriority", &e->priority) < 0) {
        return -1;
    }
    e->map = map;
    e->selection = pg_tree_get(map, SL("selection"));
    const struct pg_tree *act = pg_tree_get(map, SL("action"));
    if (e->priority == 0) {
        return reading_bad(r, pg_tree_get(map, SL("rulePriority"))->at,
                           "rulePriority is 1 or more");
    }
    if (reading_keys(r, e->selection, "selection", selection) < 0 ||
        need(r, e->selection, "selection", selected) < 0 ||
        reading_word(r, e->selection, "tagStatus", statuses, &e->status) < 0 ||
        reading_keys(r, act, "action", action) < 0 || need(r, act, "action", action) < 0 ||
        reading_word(r, act, "type", types, &ignored) < 0) {
        return -1;
    }
    return take_count(r, e->selection, lenient, e);
}

static int by_priority(const void *a, const void *b)
{
    const struct ecr_rule *x = a, *y = b;

    return (x->priority > y->priority) - (x->priority < y->priority);
}

static int make_rule(struct reading *r, const struct ecr_rule *e, struct ruleset_rule *rule)
{
    int64_t age_s = e->count_type == SINCE_PUSHED ? e->number * DAY_S : -1;

    *rule = (struct ruleset_rule){
        .name = import_text(r, "ecr-%" PRId64, e->priority),
        .at = e->map->at,
        .match_at = e->selection->at,
        .action_at = pg_tree_get(e->selection, SL("countNumber"))->at,
        .deletes = true,
        .limits = {-1, age_s, -1, e->count_type == MORE_THAN ? e->number : -1, RULESET_BY_SEEN}};
    rule->match.repositories = import_all(r);
    rule->match.nrepositories = 1;
    rule->match.untagged = e->status == UNTAGGED;
    if (reading_text(r, e->map, "description", &rule->description) < 0) {
        return -1;
    }
    return take_tags(r, e, &rule->match);
}

static bool same_tags(const struct ruleset_match *a, const struct ruleset_match *b)
{
    if (a->nall_tags == 0 || a->nall_tags != b->nall_tags) {
        return false;
    }
    for (size_t i = 0; i < a->nall_tags; i++) {
        bool found = false;
        for (size_t k = 0; k < b->nall_tags && !found; k++) {
            found = sl_eq(a->all_tags[i], b->all_tags[k]);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

/* In the order of their priorities. */
static int check_together(struct reading *r, const struct ecr_rule *e, size_t n,
                          const struct ruleset *rules)
{
    bool untagged = false;

    for (size_t i = 0; i < n; i++) {
        struct pg_tree_at at = e[i].map->at;
        if (i > 0 && e[i].priority == e[i - 1].priority) {
            return reading_bad(r, at, "two rules have the rulePriority %" PRId64, e[i].priority);
        }
        if (e[i].status == ANY && i + 1 < n) {
            return reading_bad(r, at,
                               "the rule of tagStatus \"any\" must have the highest rulePriority");
        }
        if (e[i].status == UNTAGGED && untagged) {
            return reading_bad(r, at, "only one rule may be about untagged images");
        }
        untagged = untagged || e[i].status == UNTAGGED;
        for (size_t k = 0; k < i; k++) {
            if (same_tags(&rules->rules[i].match, &rules->rules[k].match)) {
                return reading_bad(r, at,
                                   "two rules are about the same tags; the other is at "
                                   "line %u",
                                   e[k].map->at.line);
            }
        }
    }
    return 0;
}

int import_ecr_read(struct reading *r, const struct pg_tree *root, bool lenient,
                    struct ruleset *rules)
{
    static const char *const words[] = {"rules", NULL};
    struct ecr_rule e[RULES_MAX];
    size_t n = 0;

    if (reading_keys(r, root, "a lifecycle policy", words) < 0) {
        return -1;
    }
    const struct pg_tree *list = pg_tree_get(root, SL("rules"));
    if (list->kind != PG_TREE_LIST || list->nchildren == 0 || list->nchildren > RULES_MAX) {
        return reading_bad(r, list->at, "rules must be a list of 1 to %d rules", RULES_MAX);
    }
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        if (read_rule(r, t, lenient, &e[n++]) < 0) {
            return -1;
        }
    }
    qsort(e, n, sizeof(*e), by_priority);
    rules->rules = pg_alloc(r->arena, n * sizeof(*rules->rules));
    for (size_t i = 0; i < n; i++) {
        if (make_rule(r, &e[i], &rules->rules[i]) < 0) {
            return -1;
        }
    }
    rules->nrules = n;
    rules->order = RULESET_FIRST_MATCH;
    rules->untagged_s = RULESET_NEVER;
    rules->untagged_at = list->at;
    rules->remark = SL(REMARK);
    return check_together(r, e, n, rules);
}
