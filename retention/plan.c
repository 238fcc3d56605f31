/* SPDX-License-Identifier: Apache-2.0 */
#include "retention/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "retention/quota.h"

#define QUOTA_PASSES   4
#define PUSHED_FIRST_S INT64_C(1356998400) /* 2013: what is told to be older is a made-up time */

enum fate { OPEN, STAYS, GOES };

/* What is found out of one image; beside its node and its row. */
struct standing {
    enum fate fate;
    bool judged;    /* rules are asked about it */
    bool claimed;   /* FIRST_MATCH: a rule has it to itself */
    bool busy;      /* seen by the walk under way */
    int64_t used_s; /* the last pull of it or of its children, or when it was seen; 0: not known */
    const struct ruleset_rule *keeps, *deletes, *fits;
};

struct making {
    const struct ruleset *rules;
    struct plan *plan;
    struct standing *standings;
    const struct ruleset_quota **over; /* of each: the quota that wants it gone */
    struct graph_node **queue;         /* what stays, and whose needs are not seen to yet */
    size_t nqueue, done;
    int64_t now_s;
};

static size_t number_of(const struct making *m, const struct graph_node *node)
{
    return (size_t)(node - m->plan->graph.nodes);
}

/* ---- times --------------------------------------------------------------------------------- */

struct ranked {
    struct graph_node *node;
    int64_t when_s;
    struct semver version;
    bool has_version;
};

static int64_t pushed(const struct image *image)
{
    bool known = image->pushed_s >= PUSHED_FIRST_S && image->pushed_s <= image->first_seen_s;

    return known ? image->pushed_s : image->first_seen_s;
}

static int64_t own_use(const struct image *image)
{
    if (image->first_seen_s == 0) {
        return 0;
    }
    return image->pulled_s > image->first_seen_s ? image->pulled_s : image->first_seen_s;
}

static int by_use(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    return (x->when_s < y->when_s) - (x->when_s > y->when_s);
}

/* Whatever is above the node in indexes, and was not reached from one that was used later. */
static void spread_use(struct making *m, struct graph_node *node, int64_t used_s)
{
    size_t n = 0;

    m->queue[n++] = node;
    m->standings[number_of(m, node)].busy = true;
    while (n > 0) {
        const struct graph_node *at = m->queue[--n];
        struct standing *s = &m->standings[number_of(m, at)];
        s->used_s = own_use(at->image) == 0 ? 0 : used_s;
        for (const struct graph_edge *e = at->parents; e != NULL; e = e->next) {
            struct standing *above = &m->standings[number_of(m, e->to)];
            if (!above->busy) {
                above->busy = true;
                m->queue[n++] = e->to;
            }
        }
    }
}

/* A child's pull is its index's. */
static void find_uses(struct making *m, struct ranked *ranked)
{
    struct graph *g = &m->plan->graph;

    for (size_t i = 0; i < g->nnodes; i++) {
        ranked[i] = (struct ranked){.node = &g->nodes[i], .when_s = own_use(g->nodes[i].image)};
    }
    if (g->nnodes > 0) {
        qsort(ranked, g->nnodes, sizeof(*ranked), by_use);
    }
    for (size_t i = 0; i < g->nnodes; i++) {
        if (!m->standings[number_of(m, ranked[i].node)].busy) {
            spread_use(m, ranked[i].node, ranked[i].when_s);
        }
    }
    for (size_t i = 0; i < g->nnodes; i++) {
        m->standings[i].busy = false;
    }
}

/* -1: not known. */
static int64_t age(const struct making *m, int64_t when_s)
{
    if (when_s == 0) {
        return -1;
    }
    return m->now_s > when_s ? m->now_s - when_s : 0;
}

static bool is_over(const struct making *m, int64_t limit_s, int64_t when_s)
{
    return limit_s < 0 || age(m, when_s) > limit_s;
}

static bool is_within(const struct making *m, int64_t limit_s, int64_t when_s)
{
    return limit_s >= 0 && age(m, when_s) <= limit_s;
}

/* ---- one rule, all images ------------------------------------------------------------------ */

static int by_repository(const struct ranked *a, const struct ranked *b)
{
    struct sl x = a->node->image->repo, y = b->node->image->repo;
    int c = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);

    return c != 0 ? c : (x.n > y.n) - (x.n < y.n);
}

/* By repository, the newest first; equals in the order of their digests, for ever the same. */
static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int c = by_repository(x, y);

    if (c == 0 && x->has_version != y->has_version) {
        c = x->has_version ? -1 : 1;
    }
    if (c == 0 && x->has_version) {
        c = -semver_compare(&x->version, &y->version);
    }
    if (c == 0) {
        c = (x->when_s < y->when_s) - (x->when_s > y->when_s);
    }
    return c != 0 ? c
                  : memcmp(x->node->image->digest.bytes, y->node->image->digest.bytes,
                           sizeof(x->node->image->digest.bytes));
}

/* The highest version among the tags that the rule is about. */
static void take_version(const struct ruleset_rule *rule, struct ranked *r)
{
    const struct image *image = r->node->image;

    for (size_t i = 0; i < image->ntags; i++) {
        struct semver v;
        if (!semver_read(image->tags[i], &v) ||
            (rule->match.versions != NULL && !semver_range_has(rule->match.versions, &v))) {
            continue;
        }
        if (!r->has_version || semver_compare(&v, &r->version) > 0) {
            r->version = v;
            r->has_version = true;
        }
    }
}

static struct ranked rank_of(const struct making *m, const struct ruleset_rule *rule,
                             struct graph_node *node)
{
    struct ranked r = {.node = node, .when_s = node->image->first_seen_s};

    if (rule->limits.by == RULESET_BY_PULLED) {
        r.when_s = m->standings[number_of(m, node)].used_s;
    } else if (rule->limits.by == RULESET_BY_PUSHED) {
        r.when_s = pushed(node->image);
    } else if (rule->limits.by == RULESET_BY_VERSION) {
        take_version(rule, &r);
    }
    return r;
}

/* place: how many of its repository come before it. */
static bool holds(const struct making *m, const struct ruleset_rule *rule,
                  const struct graph_node *node, int64_t place)
{
    const struct ruleset_limits *l = &rule->limits;
    const struct image *image = node->image;
    int64_t used_s = m->standings[number_of(m, node)].used_s;

    if (rule->forever) {
        return true;
    }
    if (rule->deletes) {
        return is_over(m, l->pulled_s, used_s) && is_over(m, l->seen_s, image->first_seen_s) &&
               is_over(m, l->pushed_s, pushed(image)) && (l->count < 0 || place >= l->count);
    }
    return is_within(m, l->pulled_s, used_s) || is_within(m, l->seen_s, image->first_seen_s) ||
           (l->count >= 0 && place < l->count);
}

static void judge(const struct making *m, const struct ruleset_rule *rule,
                  const struct graph_node *node, int64_t place)
{
    struct standing *s = &m->standings[number_of(m, node)];

    if (s->claimed) {
        return;
    }
    bool does = holds(m, rule, node, place);
    s->fits = s->fits == NULL ? rule : s->fits;
    if (does && rule->deletes && s->deletes == NULL) {
        s->deletes = rule;
    } else if (does && !rule->deletes && s->keeps == NULL) {
        s->keeps = rule;
    }
    s->claimed = m->rules->order == RULESET_FIRST_MATCH && (does || rule->deletes);
    if (s->claimed) {
        s->fits = rule;
    }
}

static void apply_rule(const struct making *m, const struct ruleset_rule *rule,
                       struct ranked *ranked)
{
    struct graph *g = &m->plan->graph;
    size_t n = 0;

    for (size_t i = 0; i < g->nnodes; i++) {
        if (m->standings[i].judged && ruleset_fits(rule, g->nodes[i].image)) {
            ranked[n++] = rank_of(m, rule, &g->nodes[i]);
        }
    }
    if (rule->limits.count >= 0 && n > 0) {
        qsort(ranked, n, sizeof(*ranked), by_rank);
    }
    for (size_t i = 0, from = 0; i < n; i++) {
        from = i > 0 && by_repository(&ranked[i - 1], &ranked[i]) != 0 ? i : from;
        judge(m, rule, ranked[i].node, (int64_t)(i - from));
    }
}

/* ---- what is said of each ------------------------------------------------------------------ */

static void stay(struct making *m, struct graph_node *node, enum plan_why why,
                 const struct image *other)
{
    size_t i = number_of(m, node);

    if (m->standings[i].fate == STAYS) {
        return;
    }
    m->standings[i].fate = STAYS;
    m->plan->rows[i].goes = false;
    m->plan->rows[i].why = why;
    m->plan->rows[i].other = other;
    m->queue[m->nqueue++] = node;
}

static void go(const struct making *m, const struct graph_node *node, enum plan_why why,
               const struct image *other)
{
    size_t i = number_of(m, node);

    m->standings[i].fate = GOES;
    m->plan->rows[i].goes = true;
    m->plan->rows[i].why = why;
    m->plan->rows[i].other = other;
}

static void settle_unnamed(struct making *m, struct graph_node *node)
{
    const struct standing *s = &m->standings[number_of(m, node)];

    if (node->image->ntags == 0 && m->rules->untagged_s != RULESET_NEVER &&
        is_over(m, m->rules->untagged_s, s->used_s)) {
        if (node->image->is_last_copy) {
            stay(m, node, PLAN_LAST_COPY, NULL);
        } else {
            go(m, node, PLAN_UNTAGGED, NULL);
        }
        return;
    }
    stay(m, node, PLAN_UNNAMED, NULL);
}

static void settle(struct making *m, struct graph_node *node)
{
    struct standing *s = &m->standings[number_of(m, node)];
    struct plan_row *row = &m->plan->rows[number_of(m, node)];

    if (s->keeps != NULL) {
        row->rule = s->keeps;
        stay(m, node, PLAN_RULE, NULL);
    } else if (s->deletes != NULL) {
        row->rule = s->deletes;
        if (node->image->is_last_copy && !s->deletes->last_copy_too) {
            stay(m, node, PLAN_LAST_COPY, NULL);
        } else {
            go(m, node, PLAN_RULE, NULL);
        }
    } else if (m->over[number_of(m, node)] != NULL) {
        row->quota = m->over[number_of(m, node)];
        go(m, node, PLAN_QUOTA, NULL);
    } else if (s->fits != NULL) {
        row->rule = s->fits;
        stay(m, node, PLAN_NOT_YET, NULL);
    } else {
        settle_unnamed(m, node);
    }
}

static bool take_pins(struct making *m, struct graph_node *node)
{
    for (size_t i = 0; i < m->rules->npins; i++) {
        if (ruleset_pins(&m->rules->pins[i], node->image, m->now_s)) {
            m->plan->rows[number_of(m, node)].pin = &m->rules->pins[i];
            stay(m, node, PLAN_PIN, NULL);
            return true;
        }
    }
    return false;
}

/* ---- what hangs together ------------------------------------------------------------------- */

static bool may_lose_base(const struct making *m, const struct graph_node *base)
{
    const struct standing *s = &m->standings[number_of(m, base)];

    return s->fate == GOES && s->deletes != NULL && s->deletes->bases_too;
}

static void follow(struct making *m)
{
    while (m->done < m->nqueue) {
        const struct graph_node *node = m->queue[m->done++];

        enum plan_why why = m->plan->rows[number_of(m, node)].why;

        for (const struct graph_edge *e = node->parents;
             e != NULL && node->image->ntags == 0 && (why == PLAN_PIN || why == PLAN_BASE);
             e = e->next) {
            stay(m, e->to, PLAN_PARENT, node->image); /* with it the image would go */
        }
        for (const struct graph_edge *e = node->children; e != NULL; e = e->next) {
            stay(m, e->to, PLAN_CHILD, node->image);
        }
        for (const struct graph_edge *e = node->referrers; e != NULL; e = e->next) {
            stay(m, e->to, PLAN_REFERRER, node->image);
        }
        for (const struct graph_edge *e = node->bases; e != NULL; e = e->next) {
            if (!may_lose_base(m, e->to)) {
                stay(m, e->to, PLAN_BASE, node->image);
            }
        }
    }
}

/* Nobody that stays needs it: it goes with whom it belonged to. What belongs to each other in a
 * circle, which tags alone can make, belongs to nobody. */
static void close_open(struct making *m)
{
    struct graph *g = &m->plan->graph;

    for (size_t i = 0; i < g->nnodes; i++) {
        const struct graph_node *node = &g->nodes[i];
        if (m->standings[i].fate != OPEN) {
            continue;
        }
        const struct graph_edge *owner = node->parents != NULL ? node->parents : node->subjects;
        PG_CHECK(owner != NULL);
        go(m, node, node->parents != NULL ? PLAN_CHILD : PLAN_REFERRER, owner->to->image);
    }
}

static size_t push_new(struct making *m, const struct graph_edge *e, size_t n)
{
    for (; e != NULL; e = e->next) {
        struct standing *s = &m->standings[number_of(m, e->to)];
        if (!s->busy) {
            s->busy = true;
            m->queue[n++] = e->to;
        }
    }
    return n;
}

/* Who belongs, step by step, to nobody that is judged, is judged itself. */
static void free_circles(struct making *m)
{
    struct graph *g = &m->plan->graph;
    size_t n = 0, at = 0;

    for (size_t i = 0; i < g->nnodes; i++) {
        if (m->standings[i].judged) {
            m->queue[n++] = &g->nodes[i];
            m->standings[i].busy = true;
        }
    }
    for (; at < n; at++) {
        n = push_new(m, m->queue[at]->children, n);
        n = push_new(m, m->queue[at]->referrers, n);
    }
    for (size_t i = 0; i < g->nnodes; i++) {
        m->standings[i].judged = m->standings[i].judged || !m->standings[i].busy;
        m->standings[i].busy = false;
    }
}

/* ---- bytes --------------------------------------------------------------------------------- */

struct object {
    struct pg_map_node node;
    struct digest digest;
    bool stays, counted;
};

static struct object *object_of(struct graph *g, struct pg_map *objects, const struct digest *d)
{
    struct sl key = {(const char *)d->bytes, digest_bytes(d)};
    struct pg_map_node *found = pg_map_get(objects, key);

    if (found != NULL) {
        return pg_container_of(found, struct object, node);
    }
    struct object *o = pg_new(&g->arena, struct object);
    o->digest = *d;
    pg_map_put(objects, &o->node, (struct sl){(const char *)o->digest.bytes, digest_bytes(d)});
    return o;
}

static void count_object(struct plan *p, struct plan_row *row, struct object *o, uint64_t size)
{
    row->bytes += size;
    if (o->counted) {
        return;
    }
    o->counted = true;
    p->stored += size;
    if (!o->stays) {
        row->frees += size;
        p->freed += size;
    }
}

/* First what stays is marked, then all is counted. */
static void measure_row(struct plan *p, struct pg_map *objects, struct plan_row *row, bool counts)
{
    struct object *o = object_of(&p->graph, objects, &row->image->digest);

    o->stays = o->stays || !row->goes;
    if (counts) {
        count_object(p, row, o, row->image->size);
    }
    for (size_t i = 0; i < row->image->nblobs; i++) {
        const struct image_blob *blob = &row->image->blobs[i];
        o = object_of(&p->graph, objects, &blob->digest);
        o->stays = o->stays || !row->goes;
        if (counts && blob->is_stored) {
            count_object(p, row, o, blob->size);
        }
    }
}

static void measure(struct plan *p)
{
    struct pg_map objects;

    pg_map_init(&objects);
    for (size_t i = 0; i < p->nrows; i++) {
        measure_row(p, &objects, &p->rows[i], false);
    }
    for (size_t i = 0; i < p->nrows; i++) {
        measure_row(p, &objects, &p->rows[i], true);
    }
    pg_map_free(&objects);
}

/* ---- all ----------------------------------------------------------------------------------- */

/* Rules are about images of their own: not about what hangs on another, unless it has a tag; a
 * signature's tag is no such tag. */
static void choose(struct making *m)
{
    struct graph *g = &m->plan->graph;

    for (size_t i = 0; i < g->nnodes; i++) {
        const struct graph_node *node = &g->nodes[i];
        bool owned = node->subjects != NULL || (node->parents != NULL && node->image->ntags == 0);
        m->standings[i].judged = !owned;
    }
    free_circles(m);
}

/* From the beginning, but with what quotas want gone. */
static void decide(struct making *m, struct ranked *ranked)
{
    struct plan *p = m->plan;

    m->nqueue = m->done = 0;
    for (size_t i = 0; i < p->nrows; i++) {
        m->standings[i] = (struct standing){0};
        p->rows[i] = (struct plan_row){.image = p->graph.nodes[i].image};
    }
    find_uses(m, ranked);
    choose(m);
    for (size_t i = 0; i < m->rules->nrules; i++) {
        apply_rule(m, &m->rules->rules[i], ranked);
    }
    for (size_t i = 0; i < p->nrows; i++) {
        if (!take_pins(m, &p->graph.nodes[i]) && m->standings[i].judged) {
            settle(m, &p->graph.nodes[i]);
        }
    }
    follow(m);
    close_open(m);
}

/* True: something more is to go. What one quota takes, the next does not count. */
static bool choose_by_quota(struct making *m, int64_t *used_s, bool *gone)
{
    bool more = false;

    for (size_t i = 0; i < m->plan->nrows; i++) {
        used_s[i] = m->standings[i].used_s;
    }
    for (size_t i = 0; i < m->rules->nquotas && !more; i++) {
        const struct ruleset_quota *q = &m->rules->quotas[i];
        memset(gone, 0, m->plan->nrows * sizeof(*gone));
        more = quota_choose(m->rules, q, m->plan, used_s, gone) > 0;
        for (size_t k = 0; k < m->plan->nrows; k++) {
            m->over[k] = gone[k] ? q : m->over[k];
        }
    }
    return more;
}

/* A base that is chosen may be needed all the same: then more has to go, a few times. */
static void keep_quotas(struct making *m, struct ranked *ranked)
{
    struct pg_arena *arena = &m->plan->graph.arena;
    size_t n = m->plan->nrows;
    int64_t *used_s = pg_alloc(arena, (n + 1) * sizeof(*used_s));
    bool *gone = pg_alloc(arena, (n + 1) * sizeof(*gone));

    for (size_t pass = 0; pass < QUOTA_PASSES + m->rules->nquotas; pass++) {
        if (!choose_by_quota(m, used_s, gone)) {
            return;
        }
        decide(m, ranked);
    }
}

void plan_make(const struct ruleset *rules, const struct image *images, size_t n, int64_t now_s,
               struct plan *plan_r)
{
    struct making m = {.rules = rules, .plan = plan_r, .now_s = now_s};
    struct plan *p = plan_r;

    *p = (struct plan){.nrows = n};
    graph_make(images, n, &p->graph);
    p->rows = pg_alloc(&p->graph.arena, (n + 1) * sizeof(*p->rows));
    m.standings = pg_alloc(&p->graph.arena, (n + 1) * sizeof(*m.standings));
    m.over = pg_alloc(&p->graph.arena, (n + 1) * sizeof(struct ruleset_quota *));
    m.queue = pg_alloc(&p->graph.arena, (n + 1) * sizeof(struct graph_node *));
    struct ranked *ranked = pg_alloc(&p->graph.arena, (n + 1) * sizeof(*ranked));
    decide(&m, ranked);
    if (rules->nquotas > 0 && n > 0) {
        keep_quotas(&m, ranked);
    }
    measure(p);
    for (size_t i = 0; i < n; i++) {
        p->ngo += p->rows[i].goes;
    }
}

void plan_free(struct plan *p)
{
    graph_free(&p->graph);
}
