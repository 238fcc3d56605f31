/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/check.h"
#include "base/random.h"

#define BUCKETS_MIN 16 /* a power of two, as all after it */

/* The whole secret is random and not only a seed: collisions that hold for every seed exist. */
static unsigned char secret[XXH3_SECRET_SIZE_MIN];
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

static void make_secret(void)
{
    pg_random_bytes(secret, sizeof(secret));
}

static uint64_t hash_of(struct sl key)
{
    PG_CHECK(pthread_once(&secret_once, make_secret) == 0);
    return XXH3_64bits_withSecret(key.n > 0 ? key.p : "", key.n, secret, sizeof(secret));
}

static struct pg_map_node **bucket(const struct pg_map *m, uint64_t hash)
{
    return &m->buckets[hash & (m->nbuckets - 1)];
}

static struct pg_map_node *find(const struct pg_map *m, uint64_t hash, struct sl key)
{
    struct pg_map_node *node = m->nbuckets > 0 ? *bucket(m, hash) : NULL;

    while (node != NULL && !(node->hash == hash && sl_eq(node->key, key)))
        node = node->next;
    return node;
}

static void grow(struct pg_map *m)
{
    struct pg_map old = *m;

    m->nbuckets = old.nbuckets > 0 ? old.nbuckets * 2 : BUCKETS_MIN;
    m->buckets = calloc(m->nbuckets, sizeof(struct pg_map_node *));
    PG_CHECK(m->buckets != NULL);
    for (size_t i = 0; i < old.nbuckets; i++) {
        struct pg_map_node *node = old.buckets[i];

        while (node != NULL) {
            struct pg_map_node *next = node->next, **to = bucket(m, node->hash);

            node->next = *to;
            *to = node;
            node = next;
        }
    }
    free(old.buckets);
}

void pg_map_init(struct pg_map *m)
{
    *m = (struct pg_map){0};
}

void pg_map_free(struct pg_map *m)
{
    free(m->buckets);
    pg_map_init(m);
}

struct pg_map_node *pg_map_get(const struct pg_map *m, struct sl key)
{
    return m->n > 0 ? find(m, hash_of(key), key) : NULL;
}

void pg_map_put(struct pg_map *m, struct pg_map_node *node, struct sl key)
{
    struct pg_map_node **to;

    node->hash = hash_of(key);
    node->key = key;
    PG_CHECK(find(m, node->hash, key) == NULL);
    if (m->n == m->nbuckets)
        grow(m);
    to = bucket(m, node->hash);
    node->next = *to;
    *to = node;
    m->n++;
}

void pg_map_remove(struct pg_map *m, struct pg_map_node *node)
{
    struct pg_map_node **at;

    PG_CHECK(m->n > 0);
    at = bucket(m, node->hash);
    while (*at != node) {
        PG_CHECK(*at != NULL); /* it is in the map */
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    m->n--;
}

struct pg_map_node *pg_map_next(const struct pg_map *m, struct pg_map_node *node)
{
    size_t i = 0;

    if (m->nbuckets == 0)
        return NULL;
    if (node != NULL) {
        if (node->next != NULL)
            return node->next;
        i = (size_t)(bucket(m, node->hash) - m->buckets) + 1;
    }
    while (i < m->nbuckets && m->buckets[i] == NULL)
        i++;
    return i < m->nbuckets ? m->buckets[i] : NULL;
}
