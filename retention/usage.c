/* SPDX-License-Identifier: Apache-2.0 */
#include "retention/usage.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"

#define ARENA_BYTES ((size_t)1 << 40) /* what is in the store bounds it */

struct object {
    struct pg_map_node node;
    struct digest digest; /* the key's bytes */
    uint64_t size, times; /* how often it is named */
    int64_t came_s;       /* 0: not known */
};

struct row {
    struct pg_map_node node;
    struct usage_sum sum;
    size_t no;
};

/* One image of a row names an object. */
struct naming {
    struct object *object;
    struct row *row;
};

struct counting {
    struct usage *usage;
    const struct image *images;
    size_t n;
    int64_t now_s;
    struct pg_map objects;
    struct naming *namings; /* of one table: each image's, in their order */
    struct object **named;  /* the objects of all namings; the same for each table */
    size_t nnamed;
};

const char *usage_word(enum usage_by by)
{
    static const char *const words[] = {"upstream", "namespace", "team"};

    PG_CHECK(by < USAGE_TABLES);
    return words[by];
}

/* ---- objects ------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static void name_object(struct counting *c, const struct digest *d, uint64_t size, int64_t came_s)
{
    struct sl key = {(const char *)d->bytes, sizeof(d->bytes)};
    struct pg_map_node *node = pg_map_get(&c->objects, key);
    struct object *o;

    if (node == NULL) {
        o = pg_alloc(&c->usage->arena, sizeof(*o));
        *o = (struct object){.digest = *d, .size = size, .came_s = came_s};
        key.p = (const char *)o->digest.bytes;
        pg_map_put(&c->objects, &o->node, key);
    } else {
        o = pg_container_of(node, struct object, node);
        o->came_s = earlier(o->came_s, came_s);
    }
    o->times++;
    c->named[c->nnamed++] = o;
}

static size_t stored_blobs(const struct image *image)
{
    size_t n = 0;

    for (size_t i = 0; i < image->nblobs; i++) {
        n += image->blobs[i].is_stored;
    }
    return n;
}

/* Each image's manifest, then its stored blobs: the order on which tables rely. */
static void name_objects(struct counting *c)
{
    size_t n = c->n;

    for (size_t i = 0; i < c->n; i++) {
        n += c->images[i].nblobs;
    }
    c->named = calloc(n + 1, sizeof(struct object *));
    PG_CHECK(c->named != NULL);
    for (size_t i = 0; i < c->n; i++) {
        const struct image *image = &c->images[i];
        name_object(c, &image->digest, image->size, image->first_seen_s);
        for (size_t k = 0; k < image->nblobs; k++) {
            const struct image_blob *b = &image->blobs[k];
            if (b->is_stored) {
                name_object(c, &b->digest, b->size, image->first_seen_s);
            }
        }
    }
}

static bool is_new(const struct counting *c, const struct object *o, int64_t weeks)
{
    return o->came_s != 0 && o->came_s > c->now_s - weeks * USAGE_WEEK_S;
}

static void sum_objects(struct counting *c)
{
    struct usage *u = c->usage;

    u->all.manifests = c->n;
    struct pg_map_node *node = NULL;
    while ((node = pg_map_next(&c->objects, node)) != NULL) {
        const struct object *o = pg_container_of(node, struct object, node);
        u->all.objects++;
        u->all.bytes += o->size;
        u->all.apart += o->size * o->times;
        u->oldest_s = earlier(u->oldest_s, o->came_s);
        for (int64_t w = 0; w < USAGE_WEEKS; w++) {
            if (is_new(c, o, w + 1)) {
                u->weeks[w] += o->size;
                break;
            }
        }
    }
    u->all.unique = u->all.bytes;
    u->all.week = u->weeks[0];
    u->all.duplicates = c->nnamed - u->all.objects;
    for (size_t i = 0; i < c->n; i++) {
        u->repositories += i == 0 || !sl_eq(c->images[i].repo, c->images[i - 1].repo);
    }
}

/* ---- tables -------------------------------------------------------------------------------- */

static struct sl value_of(const struct image_pair *pairs, size_t n, struct sl key)
{
    for (size_t i = 0; i < n; i++) {
        if (sl_eq(pairs[i].key, key)) {
            return pairs[i].value;
        }
    }
    return SL("");
}

/* "docker.io/library/nginx" is of "docker.io", and of "docker.io/library". */
static struct sl row_name(const struct image *image, enum usage_by by, struct sl team)
{
    struct sl repo = image->repo;
    size_t first = 0, last;

    if (by == USAGE_TEAM) {
        struct sl label = value_of(image->labels, image->nlabels, team);
        return label.n > 0 ? label : value_of(image->annotations, image->nannotations, team);
    }
    while (first < repo.n && repo.p[first] != '/') {
        first++;
    }
    for (last = repo.n; last > first && repo.p[last - 1] != '/'; last--) {
    }
    return (struct sl){repo.p, by == USAGE_UPSTREAM || last <= first ? first : last - 1};
}

static struct row *find_row(struct counting *c, struct pg_map *rows, struct sl name)
{
    struct pg_map_node *node = pg_map_get(rows, name);

    if (node != NULL) {
        return pg_container_of(node, struct row, node);
    }
    struct row *row = pg_alloc(&c->usage->arena, sizeof(*row));
    *row = (struct row){.sum.name = name, .no = rows->n};
    pg_map_put(rows, &row->node, name);
    return row;
}

static int by_object_and_row(const void *a, const void *b)
{
    const struct naming *x = a, *y = b;

    if (x->object != y->object) {
        return x->object < y->object ? -1 : 1;
    }
    return (x->row->no > y->row->no) - (x->row->no < y->row->no);
}

static int largest_first(const void *a, const void *b)
{
    const struct usage_sum *x = a, *y = b;
    size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;

    if (x->bytes != y->bytes) {
        return x->bytes > y->bytes ? -1 : 1;
    }
    int order = n > 0 ? memcmp(x->name.p, y->name.p, n) : 0;
    return order != 0 ? order : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

/* Sorted, those of one object stand together, and in them those of one row. */
static void sum_rows(struct counting *c)
{
    for (size_t i = 0, next; i < c->nnamed; i = next) {
        struct object *o = c->namings[i].object;
        size_t nrows = 0;
        for (next = i; next < c->nnamed && c->namings[next].object == o; next++) {
            struct usage_sum *s = &c->namings[next].row->sum;
            s->apart += o->size;
            if (next > i && c->namings[next - 1].row == c->namings[next].row) {
                s->duplicates++;
                continue;
            }
            nrows++;
            s->objects++;
            s->bytes += o->size;
            s->week += is_new(c, o, 1) ? o->size : 0;
        }
        c->namings[i].row->sum.unique += nrows == 1 ? o->size : 0;
    }
}

static void make_table(struct counting *c, enum usage_by by, struct sl team)
{
    struct usage_table *t = &c->usage->tables[by];
    struct pg_map_node *node = NULL;
    struct pg_map rows;
    size_t n = 0;

    pg_map_init(&rows);
    for (size_t i = 0; i < c->n; i++) {
        struct row *row = find_row(c, &rows, row_name(&c->images[i], by, team));
        row->sum.manifests++;
        for (size_t k = stored_blobs(&c->images[i]) + 1; k > 0; k--, n++) {
            c->namings[n] = (struct naming){c->named[n], row};
        }
    }
    PG_CHECK(n == c->nnamed);
    if (n > 0) {
        qsort(c->namings, n, sizeof(*c->namings), by_object_and_row);
    }
    sum_rows(c);
    t->rows = pg_alloc(&c->usage->arena, (rows.n + 1) * sizeof(*t->rows));
    while ((node = pg_map_next(&rows, node)) != NULL) {
        t->rows[t->n++] = pg_container_of(node, struct row, node)->sum;
    }
    if (t->n > 0) {
        qsort(t->rows, t->n, sizeof(*t->rows), largest_first);
    }
    pg_map_free(&rows);
}

void usage_make(const struct image *images, size_t n, struct sl team, int64_t now_s,
                struct usage *u_r)
{
    struct counting c = {.usage = u_r, .images = images, .n = n, .now_s = now_s};

    *u_r = (struct usage){0};
    pg_arena_init(&u_r->arena, ARENA_BYTES);
    pg_map_init(&c.objects);
    name_objects(&c);
    c.namings = calloc(c.nnamed + 1, sizeof(*c.namings));
    PG_CHECK(c.namings != NULL);
    sum_objects(&c);
    for (int by = 0; by < USAGE_TABLES; by++) {
        make_table(&c, (enum usage_by)by, team);
    }
    free(c.namings);
    free(c.named);
    pg_map_free(&c.objects);
}

void usage_free(struct usage *u)
{
    pg_arena_free(&u->arena);
}
