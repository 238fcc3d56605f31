/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/parse_demand.h"

#include "policy/parse_scan.h"

/* The demands of one rule as they come. */
struct list {
    struct parse *p;
    struct demand all[DEMAND_MAX];
    size_t n;
};

static struct demand *add(struct list *l, enum demand_kind kind)
{
    PG_CHECK(l->n < DEMAND_MAX);
    l->all[l->n] = (struct demand){.kind = kind};
    return &l->all[l->n++];
}

typedef int check_fn(struct parse *p, const struct pg_tree *t, struct sl *pattern_r);

static int take_patterns(struct list *l, const struct pg_tree *map, const char *key,
                         enum demand_kind kind, check_fn *check)
{
    struct parse *p = l->p;
    const struct pg_tree *t;
    size_t n;

    if (parse_list(p, map, key, &t, &n) < 0) {
        return -1;
    }
    if (n == 0) {
        return 0;
    }
    struct demand *d = add(l, kind);
    struct sl *patterns = pg_alloc(&p->policy->arena, n * sizeof(*patterns));
    for (; t != NULL; t = t->next) {
        struct sl pattern = t->text;
        if (check(p, t, &pattern) < 0) {
            return -1;
        }
        patterns[d->npatterns++] = parse_keep(p, pattern);
    }
    d->patterns = patterns;
    return 0;
}

/* ---- patterns ------------------------------------------------------------------------------ */

static bool is_of(struct sl s, const char *more)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && strchr(more, c) == NULL) {
            return false;
        }
    }
    return s.n > 0 && s.n <= WILDCARD_MAX && memmem(s.p, s.n, "***", 3) == NULL;
}

static int check_platform(struct parse *p, const struct pg_tree *t, struct sl *pattern_r)
{
    size_t nslashes = 0;

    (void)pattern_r;
    for (size_t i = 0; i < t->text.n; i++) {
        nslashes += t->text.p[i] == '/';
    }
    if (!is_of(t->text, "/*._-") || nslashes < 1 || nslashes > 2 || t->text.n > 100) {
        return reading_bad(&p->in, t->at,
                           "\"%.*s\" is no platform; write linux/amd64, linux/* or linux/arm/v7",
                           (int)(t->text.n < 100 ? t->text.n : 100), t->text.p);
    }
    return 0;
}

static int check_type(struct parse *p, const struct pg_tree *t, struct sl *pattern_r)
{
    (void)pattern_r;
    if (sl_eq(t->text, SL("image"))) {
        return 0;
    }
    if (!is_of(t->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ/*.+_-") ||
        memchr(t->text.p, '/', t->text.n) == NULL) {
        return reading_bad(&p->in, t->at,
                           "\"%.*s\" is no media type; write image, or a type such as "
                           "application/vnd.cncf.helm.*",
                           (int)(t->text.n < 100 ? t->text.n : 100), t->text.p);
    }
    return 0;
}

static int check_tag(struct parse *p, const struct pg_tree *t, struct sl *pattern_r)
{
    (void)pattern_r;
    return match_check_tag(t->text, p->in.err) < 0 ? reading_wrap(&p->in, t->at) : 0;
}

static int check_image(struct parse *p, const struct pg_tree *t, struct sl *pattern_r)
{
    return match_canonical(t->text, p->source->host, p->source->context, &p->policy->arena,
                           pattern_r, p->in.err) < 0
               ? reading_wrap(&p->in, t->at)
               : 0;
}

/* ---- labels -------------------------------------------------------------------------------- */

static int take_pairs(struct list *l, const struct pg_tree *labels, const char *key,
                      enum demand_kind kind)
{
    struct parse *p = l->p;
    const struct pg_tree *map = pg_tree_get(labels, sl_str(key));

    if (map == NULL) {
        return 0;
    }
    if (map->kind != PG_TREE_MAP || map->nchildren == 0) {
        return reading_bad(&p->in, map->at,
                           "%s must be a mapping of names to patterns for the value; \"**\" is any",
                           key);
    }
    struct demand *d = add(l, kind);
    struct facts_pair *pairs = pg_alloc(&p->policy->arena, map->nchildren * sizeof(*pairs));
    for (const struct pg_tree *t = map->first; t != NULL; t = t->next) {
        bool is_text = t->kind == PG_TREE_SCALAR && !pg_tree_is_null(t);
        bool star = kind == DEMAND_LABELS && memchr(t->key.p, '*', t->key.n) != NULL;
        if (!is_text || t->text.n > WILDCARD_MAX || t->key.n > WILDCARD_MAX || star) {
            return reading_bad(&p->in, t->at,
                               star ? "a label that is required has one name, without a wildcard"
                                    : "the value of a label must be a text, or a pattern of at "
                                      "most %d characters; \"**\" is any",
                               WILDCARD_MAX);
        }
        pairs[d->npairs++] = (struct facts_pair){parse_keep(p, t->key), parse_keep(p, t->text)};
    }
    d->pairs = pairs;
    return 0;
}

static int take_labels(struct list *l, const struct pg_tree *require)
{
    static const char *const words[] = {"require", "deny", NULL};
    const struct pg_tree *labels = pg_tree_get(require, SL("labels"));

    if (labels == NULL) {
        return 0;
    }
    if (reading_keys(&l->p->in, labels, "labels", words) < 0) {
        return -1;
    }
    if (labels->nchildren == 0) {
        return reading_bad(&l->p->in, labels->at, "labels needs require or deny");
    }
    return take_pairs(l, labels, "require", DEMAND_LABELS) < 0 ||
                   take_pairs(l, labels, "deny", DEMAND_NO_LABELS) < 0
               ? -1
               : 0;
}

/* ---- the rest ------------------------------------------------------------------------------ */

/* A mapping of which one key is known, and has to be there. */
static int take_inner(struct list *l, const struct pg_tree *require, const char *key,
                      const char *inner, const struct pg_tree **map_r)
{
    const char *const words[] = {inner, NULL};
    const struct pg_tree *map = pg_tree_get(require, sl_str(key));

    *map_r = map;
    if (map == NULL) {
        return 0;
    }
    if (reading_keys(&l->p->in, map, key, words) < 0) {
        return -1;
    }
    return map->nchildren == 1 ? 0 : reading_bad(&l->p->in, map->at, "%s needs %s", key, inner);
}

static int take_word_of(struct list *l, const struct pg_tree *require, const char *key,
                        const char *word, bool *is_there)
{
    struct sl text;

    if (reading_text(&l->p->in, require, key, &text) < 0) {
        return -1;
    }
    *is_there = text.p != NULL;
    if (text.p != NULL && !sl_eq(text, sl_str(word))) {
        return reading_bad(&l->p->in, pg_tree_get(require, sl_str(key))->at, "%s can only be: %s",
                           key, word);
    }
    return 0;
}

static int take_age(struct list *l, const struct pg_tree *require)
{
    const struct pg_tree *young = pg_tree_get(require, SL("on_young"));
    int64_t age_s = 0;
    struct sl word;

    if (reading_age(&l->p->in, require, "min_age", &age_s) < 0 ||
        reading_text(&l->p->in, require, "on_young", &word) < 0) {
        return -1;
    }
    if (young != NULL && age_s == 0) {
        return reading_bad(&l->p->in, young->at, "on_young stands with min_age");
    }
    if (young != NULL && !sl_eq(word, SL("deny")) && !sl_eq(word, SL("previous"))) {
        return reading_bad(&l->p->in, young->at,
                           "on_young can only be: deny, or previous (the tag is what it was "
                           "before, until the new one is old enough)");
    }
    if (age_s > 0) {
        struct demand *d = add(l, DEMAND_MIN_AGE);
        d->age_s = age_s;
        d->previous = young != NULL && sl_eq(word, SL("previous"));
    }
    return 0;
}

static int take_tags(struct list *l, const struct pg_tree *require)
{
    static const char *const words[] = {"deny", "immutable", "on_moved", NULL};
    const struct pg_tree *tags = pg_tree_get(require, SL("tags")), *moved;
    size_t before = l->n;
    struct sl word;

    if (tags == NULL) {
        return 0;
    }
    if (reading_keys(&l->p->in, tags, "tags", words) < 0 ||
        take_patterns(l, tags, "deny", DEMAND_NO_TAGS, check_tag) < 0) {
        return -1;
    }
    bool denies = l->n > before;
    moved = pg_tree_get(tags, SL("on_moved"));
    if (take_patterns(l, tags, "immutable", DEMAND_FIXED_TAGS, check_tag) < 0 ||
        reading_text(&l->p->in, tags, "on_moved", &word) < 0) {
        return -1;
    }
    bool fixes = l->n > before + (denies ? 1 : 0);
    if (!denies && !fixes) {
        return reading_bad(&l->p->in, tags->at, "tags needs deny or immutable");
    }
    if (moved != NULL && !fixes) {
        return reading_bad(&l->p->in, moved->at, "on_moved stands with immutable");
    }
    if (moved != NULL && !sl_eq(word, SL("hold")) && !sl_eq(word, SL("deny"))) {
        return reading_bad(&l->p->in, moved->at,
                           "on_moved can only be: hold (the tag stays what it was), or deny");
    }
    if (fixes) {
        l->all[l->n - 1].previous = moved == NULL || sl_eq(word, SL("hold"));
    }
    return 0;
}

int parse_demand_read(struct parse *p, const struct pg_tree *require, struct rule *r)
{
    struct list l = {.p = p};
    const struct pg_tree *base;
    bool secrets;

    if (take_patterns(&l, require, "platforms", DEMAND_PLATFORMS, check_platform) < 0 ||
        take_patterns(&l, require, "artifact_types", DEMAND_TYPES, check_type) < 0 ||
        take_labels(&l, require) < 0 ||
        take_word_of(&l, require, "secrets", "deny", &secrets) < 0 ||
        take_inner(&l, require, "base_images", "allow", &base) < 0 || take_age(&l, require) < 0) {
        return -1;
    }
    if ((base != NULL && take_patterns(&l, base, "allow", DEMAND_BASE_IMAGES, check_image) < 0) ||
        take_tags(&l, require) < 0) {
        return -1;
    }
    if (secrets) {
        (void)add(&l, DEMAND_NO_SECRETS);
    }
    if (pg_tree_get(require, SL("scan")) != NULL) {
        struct demand *d = add(&l, DEMAND_SCAN);
        if (parse_scan_read(p, pg_tree_get(require, SL("scan")), &d->scan) < 0) {
            return -1;
        }
    }
    struct demand *all = pg_alloc(&p->policy->arena, l.n * sizeof(*all) + 1);
    memcpy(all, l.all, l.n * sizeof(*all));
    r->demands = all;
    r->ndemands = l.n;
    return 0;
}
