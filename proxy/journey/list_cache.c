/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/list_cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"

struct entry {
    struct pg_map_node in_map;
    struct pg_list in_order;
    struct listing *list;
    uint64_t put_ms;
    size_t bytes;
    char key[];
};

struct list_cache {
    pthread_mutex_t lock;
    struct pg_map map;
    struct pg_list order; /* the longest unused first */
    size_t bytes, bytes_max, lists_max;
};

struct list_cache *list_cache_new(size_t lists_max, size_t bytes_max)
{
    struct list_cache *c = calloc(1, sizeof(*c));

    PG_CHECK(c != NULL);
    PG_CHECK(pthread_mutex_init(&c->lock, NULL) == 0);
    c->lists_max = lists_max;
    c->bytes_max = bytes_max;
    pg_map_init(&c->map);
    pg_list_init(&c->order);
    return c;
}

static void lock(struct list_cache *c)
{
    PG_CHECK(pthread_mutex_lock(&c->lock) == 0);
}

static void unlock(struct list_cache *c)
{
    PG_CHECK(pthread_mutex_unlock(&c->lock) == 0);
}

static struct entry *find(struct list_cache *c, struct sl key)
{
    struct pg_map_node *node = pg_map_get(&c->map, key);

    return node == NULL ? NULL : pg_container_of(node, struct entry, in_map);
}

static void drop(struct list_cache *c, struct entry *e)
{
    pg_map_remove(&c->map, &e->in_map);
    pg_list_remove(&e->in_order);
    c->bytes -= e->bytes;
    listing_unref(e->list);
    free(e);
}

static void drop_oldest(struct list_cache *c)
{
    drop(c, pg_container_of(c->order.next, struct entry, in_order));
}

void list_cache_free(struct list_cache *c)
{
    while (!pg_list_empty(&c->order))
        drop_oldest(c);
    pg_map_free(&c->map);
    PG_CHECK(pthread_mutex_destroy(&c->lock) == 0);
    free(c);
}

struct listing *list_cache_get(struct list_cache *c, struct sl key, uint64_t *got_ms_r)
{
    struct listing *list = NULL;
    struct entry *e;

    lock(c);
    e = find(c, key);
    if (e != NULL) {
        pg_list_remove(&e->in_order);
        pg_list_push(&c->order, &e->in_order);
        list = listing_ref(e->list);
        *got_ms_r = e->put_ms;
    }
    unlock(c);
    return list;
}

static struct entry *new_entry(struct sl key, struct listing *l, size_t bytes, uint64_t now_ms)
{
    struct entry *e = calloc(1, sizeof(*e) + key.n);

    PG_CHECK(e != NULL);
    memcpy(e->key, key.p, key.n);
    pg_list_init(&e->in_order);
    e->list = listing_ref(l);
    e->put_ms = now_ms;
    e->bytes = sizeof(*e) + key.n + bytes;
    return e;
}

void list_cache_put(struct list_cache *c, struct sl key, struct listing *l, size_t bytes,
                    uint64_t now_ms)
{
    struct entry *e = new_entry(key, l, bytes, now_ms), *old;

    lock(c);
    old = find(c, key);
    if (old != NULL)
        drop(c, old);
    pg_map_put(&c->map, &e->in_map, (struct sl){e->key, key.n});
    pg_list_push(&c->order, &e->in_order);
    c->bytes += e->bytes;
    while (c->bytes > c->bytes_max || c->map.n > c->lists_max)
        drop_oldest(c);
    unlock(c);
}

void list_cache_drop(struct list_cache *c, struct sl key)
{
    struct entry *e;

    lock(c);
    e = find(c, key);
    if (e != NULL)
        drop(c, e);
    unlock(c);
}

static bool is_of(struct sl key, struct sl name)
{
    return sl_starts(key, name) &&
           (key.n == name.n || key.p[name.n] == '/' || key.p[name.n] == ' ');
}

void list_cache_drop_of(struct list_cache *c, struct sl name)
{
    lock(c);
    pg_list_each_safe (it, tmp, &c->order) {
        struct entry *e = pg_container_of(it, struct entry, in_order);

        if (is_of(e->in_map.key, name))
            drop(c, e);
    }
    unlock(c);
}
