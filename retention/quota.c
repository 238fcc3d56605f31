/* SPDX-License-Identifier: Apache-2.0 */
#include "retention/quota.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/size.h"
#include "base/wildcard.h"
#include "retention/ruleset_int.h"

#define QUOTAS_MAX 100
#define LOW_SHARE  16

/* ---- read ---------------------------------------------------------------------------------- */

static bool read_mark(struct sl text, struct ruleset_mark *m)
{
    unsigned percent = 0;
    size_t n = 0;

    *m = (struct ruleset_mark){.text = text};
    while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9' && percent <= 100) {
        percent = percent * 10 + (unsigned)(text.p[n++] - '0');
    }
    if (percent > 0 && percent <= 100 && n + 1 == text.n && text.p[n] == '%') {
        m->percent = percent;
        return true;
    }
    return pg_size_read(text, &m->bytes) && m->bytes > 0;
}

static int take_mark(struct reading *r, const struct pg_tree *map, const char *key,
                     struct ruleset_mark *m)
{
    struct sl text = {NULL, 0};

    if (reading_text(r, map, key, &text) < 0) {
        return -1;
    }
    if (text.p == NULL || read_mark(text, m)) {
        return 0;
    }
    return reading_bad(r, pg_tree_get(map, sl_str(key))->at,
                       "%s must be a size such as 20GiB, or 1%% to 100%% of the store", key);
}

static int take_quota(struct reading *r, const struct pg_tree *map, struct ruleset_quota *q)
{
    static const char *const words[] = {"repositories", "high", "low", NULL};

    *q = (struct ruleset_quota){.at = map->at};
    if (reading_keys(r, map, "a quota", words) < 0 ||
        reading_list(r, map, "repositories", &q->repositories, &q->nrepositories) < 0 ||
        take_mark(r, map, "high", &q->high) < 0 || take_mark(r, map, "low", &q->low) < 0) {
        return -1;
    }
    if (q->nrepositories == 0 || q->high.text.p == NULL) {
        return reading_bad(r, map->at,
                           "a quota is {repositories: [\"ghcr.io/acme/**\"], high: 20GiB}");
    }
    for (size_t i = 0; i < q->nrepositories; i++) {
        if (ruleset_read_check_repository(r, map->at, q->repositories[i]) < 0) {
            return -1;
        }
    }
    if (q->low.text.p != NULL &&
        ((q->low.percent > 0) != (q->high.percent > 0) || q->low.percent > q->high.percent ||
         q->low.bytes > q->high.bytes)) {
        return reading_bad(r, pg_tree_get(map, SL("low"))->at,
                           "low must be below high, and both sizes or both percent");
    }
    return 0;
}

int quota_read(struct reading *r, const struct pg_tree *map, struct ruleset *rules)
{
    const struct pg_tree *list = pg_tree_get(map, SL("quotas"));

    if (list == NULL) {
        return 0;
    }
    if (list->kind != PG_TREE_LIST || list->nchildren > QUOTAS_MAX) {
        return reading_bad(r, list->at, "quotas must be a list of at most %d", QUOTAS_MAX);
    }
    rules->quotas = pg_alloc(r->arena, (list->nchildren + 1) * sizeof(*rules->quotas));
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        if (take_quota(r, t, &rules->quotas[rules->nquotas]) < 0) {
            return -1;
        }
        rules->nquotas++;
    }
    return 0;
}

void quota_put(const struct ruleset *rules, struct pg_buf *out)
{
    (void)pg_buf_put(out, rules->nquotas > 0 ? SL("  quotas:\n") : SL(""));
    for (size_t i = 0; i < rules->nquotas; i++) {
        const struct ruleset_quota *q = &rules->quotas[i];
        (void)pg_buf_put(out, SL("    - repositories: ["));
        for (size_t k = 0; k < q->nrepositories; k++) {
            (void)pg_buf_put(out, k > 0 ? SL(", ") : SL(""));
            (void)pg_buf_put_json(out, q->repositories[k]);
        }
        (void)pg_buf_printf(out, "]\n      high: " SL_FMT "\n", SL_ARG(q->high.text));
        if (q->low.text.p != NULL) {
            (void)pg_buf_printf(out, "      low: " SL_FMT "\n", SL_ARG(q->low.text));
        }
    }
}

/* ---- choose -------------------------------------------------------------------------------- */

struct object {
    struct pg_map_node node;
    struct digest digest;
    uint64_t size, named; /* named: by so many that stay */
};

struct candidate {
    int64_t used_s;
    size_t row;
};

struct choosing {
    const struct ruleset_quota *quota;
    const struct plan *plan;
    struct pg_arena arena;
    struct pg_map objects;
    bool *left; /* of each row: is not counted any more */
    uint64_t used;
};

/* 0: not known. */
static uint64_t bytes_of(const struct ruleset *rules, const struct ruleset_mark *m)
{
    return m->percent > 0 ? rules->capacity / 100 * m->percent : m->bytes;
}

static bool is_within(const struct ruleset_quota *q, const struct image *image)
{
    for (size_t i = 0; i < q->nrepositories; i++) {
        if (wildcard_matches(q->repositories[i], image->repo)) {
            return true;
        }
    }
    return false;
}

static void name_object(struct choosing *c, const struct digest *d, uint64_t size, bool more)
{
    struct sl key = {(const char *)d->bytes, digest_bytes(d)};
    struct pg_map_node *found = pg_map_get(&c->objects, key);
    struct object *o = found != NULL ? pg_container_of(found, struct object, node) : NULL;

    if (o == NULL) {
        o = pg_new(&c->arena, struct object);
        *o = (struct object){.digest = *d, .size = size};
        pg_map_put(&c->objects, &o->node,
                   (struct sl){(const char *)o->digest.bytes, digest_bytes(d)});
    }
    if (more) {
        c->used += o->named++ == 0 ? o->size : 0;
    } else {
        PG_CHECK(o->named > 0);
        c->used -= --o->named == 0 ? o->size : 0;
    }
}

static void name_row(struct choosing *c, size_t i, bool more)
{
    const struct image *image = c->plan->rows[i].image;

    c->left[i] = !more;
    name_object(c, &image->digest, image->size, more);
    for (size_t k = 0; k < image->nblobs; k++) {
        if (image->blobs[k].is_stored) {
            name_object(c, &image->blobs[k].digest, image->blobs[k].size, more);
        }
    }
}

/* What goes with it: its children and referrers that nothing else has. */
static void drop_with(struct choosing *c, const struct graph_edge *e)
{
    for (; e != NULL; e = e->next) {
        size_t i = (size_t)(e->to - c->plan->graph.nodes);
        const struct graph_edge *owners = e->to->parents != NULL ? e->to->parents : e->to->subjects;
        bool alone = owners != NULL && owners->next == NULL && e->to->image->ntags == 0;
        if (alone && !c->left[i]) {
            name_row(c, i, false);
        }
    }
}

static int by_use(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->used_s != y->used_s) {
        return x->used_s < y->used_s ? -1 : 1;
    }
    return (x->row > y->row) - (x->row < y->row);
}

/* All that stay of it are counted; those that may go are listed, the longest unused first. */
static size_t count_all(struct choosing *c, const int64_t *used_s, struct candidate *list)
{
    const struct plan *p = c->plan;
    size_t n = 0;

    for (size_t i = 0; i < p->nrows; i++) {
        const struct plan_row *row = &p->rows[i];
        c->left[i] = row->goes || !is_within(c->quota, row->image);
        if (c->left[i]) {
            continue;
        }
        name_row(c, i, true);
        if ((row->why == PLAN_UNNAMED || row->why == PLAN_NOT_YET) && used_s[i] > 0 &&
            !row->image->is_last_copy) {
            list[n++] = (struct candidate){used_s[i], i};
        }
    }
    if (n > 0) {
        qsort(list, n, sizeof(*list), by_use);
    }
    return n;
}

size_t quota_choose(const struct ruleset *rules, const struct ruleset_quota *q,
                    const struct plan *p, const int64_t *used_s, bool *gone)
{
    struct choosing c = {.quota = q, .plan = p};
    uint64_t high = bytes_of(rules, &q->high), low = bytes_of(rules, &q->low);
    size_t chosen = 0;

    if (high == 0) {
        return 0;
    }
    low = low > 0 ? low : high - high / LOW_SHARE;
    pg_arena_init(&c.arena, SIZE_MAX / 2);
    pg_map_init(&c.objects);
    c.left = pg_alloc(&c.arena, p->nrows + 1);
    struct candidate *list = pg_alloc(&c.arena, (p->nrows + 1) * sizeof(*list));
    size_t n = count_all(&c, used_s, list);
    bool over = c.used > high;
    for (size_t i = 0; over && i < n && c.used > low; i++) {
        const struct graph_node *node = &p->graph.nodes[list[i].row];
        if (c.left[list[i].row]) {
            continue;
        }
        name_row(&c, list[i].row, false);
        drop_with(&c, node->children);
        drop_with(&c, node->referrers);
        gone[list[i].row] = true;
        chosen++;
    }
    pg_map_free(&c.objects);
    pg_arena_free(&c.arena);
    return chosen;
}
