/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/tag_cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"

struct entry {
    struct pg_map_node in_map;
    struct pg_list in_order;
    struct tag_list *list;
    uint64_t put_ms;
    size_t bytes;
    char repo[];
};

struct tag_cache {
    pthread_mutex_t lock;
    struct pg_map map;
    struct pg_list order; /* the longest unused first */
    size_t bytes;
};

struct tag_cache *tag_cache_new(void)
{
    struct tag_cache *c = calloc(1, sizeof(*c));

    PG_CHECK(c != NULL);
    PG_CHECK(pthread_mutex_init(&c->lock, NULL) == 0);
    pg_map_init(&c->map);
    pg_list_init(&c->order);
    return c;
}

static void lock(struct tag_cache *c)
{
    PG_CHECK(pthread_mutex_lock(&c->lock) == 0);
}

static void unlock(struct tag_cache *c)
{
    PG_CHECK(pthread_mutex_unlock(&c->lock) == 0);
}

static struct entry *find(struct tag_cache *c, struct sl repo)
{
    struct pg_map_node *node = pg_map_get(&c->map, repo);

    return node == NULL ? NULL : pg_container_of(node, struct entry, in_map);
}

static void drop(struct tag_cache *c, struct entry *e)
{
    pg_map_remove(&c->map, &e->in_map);
    pg_list_remove(&e->in_order);
    c->bytes -= e->bytes;
    tag_list_unref(e->list);
    free(e);
}

static void drop_oldest(struct tag_cache *c)
{
    drop(c, pg_container_of(c->order.next, struct entry, in_order));
}

void tag_cache_free(struct tag_cache *c)
{
    while (!pg_list_empty(&c->order))
        drop_oldest(c);
    pg_map_free(&c->map);
    PG_CHECK(pthread_mutex_destroy(&c->lock) == 0);
    free(c);
}

struct tag_list *tag_cache_get(struct tag_cache *c, struct sl repo, uint64_t *got_ms_r)
{
    struct tag_list *list = NULL;
    struct entry *e;

    lock(c);
    e = find(c, repo);
    if (e != NULL) {
        pg_list_remove(&e->in_order);
        pg_list_push(&c->order, &e->in_order);
        list = tag_list_ref(e->list);
        *got_ms_r = e->put_ms;
    }
    unlock(c);
    return list;
}

static struct entry *new_entry(struct sl repo, struct tag_list *l, uint64_t now_ms)
{
    struct entry *e = calloc(1, sizeof(*e) + repo.n);

    PG_CHECK(e != NULL);
    memcpy(e->repo, repo.p, repo.n);
    pg_list_init(&e->in_order);
    e->list = tag_list_ref(l);
    e->put_ms = now_ms;
    e->bytes = sizeof(*e) + repo.n + l->names.cap;
    return e;
}

void tag_cache_put(struct tag_cache *c, struct sl repo, struct tag_list *l, uint64_t now_ms)
{
    struct entry *e = new_entry(repo, l, now_ms), *old;

    lock(c);
    old = find(c, repo);
    if (old != NULL)
        drop(c, old);
    pg_map_put(&c->map, &e->in_map, (struct sl){e->repo, repo.n});
    pg_list_push(&c->order, &e->in_order);
    c->bytes += e->bytes;
    while (c->bytes > TAG_CACHE_BYTES || c->map.n > TAG_CACHE_LISTS)
        drop_oldest(c);
    unlock(c);
}

void tag_cache_drop(struct tag_cache *c, struct sl repo)
{
    struct entry *e;

    lock(c);
    e = find(c, repo);
    if (e != NULL)
        drop(c, e);
    unlock(c);
}
