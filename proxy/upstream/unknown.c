/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/unknown.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_MAX 1024 /* a host, a repository and a digest, with room */

/* It is its key, behind the struct: "<upstream> <repo> <kind> <reference> <revision>". */
struct entry {
    struct pg_map_node node;
    struct pg_list order;
    uint64_t until_ms;
    size_t nplace; /* of the key: upstream and repository, with the space behind them */
    char key[];
};

void unknown_open(struct unknown_table *t)
{
    pg_map_init(&t->all);
    pg_list_init(&t->oldest);
}

static void drop(struct unknown_table *t, struct entry *e)
{
    pg_map_remove(&t->all, &e->node);
    pg_list_remove(&e->order);
    free(e);
}

void unknown_close(struct unknown_table *t)
{
    pg_list_each_safe (it, next, &t->oldest) {
        drop(t, pg_container_of(it, struct entry, order));
    }
    pg_map_free(&t->all);
}

static size_t write_place(struct sl upstream, struct sl repo, char out[KEY_MAX])
{
    int n = snprintf(out, KEY_MAX, SL_FMT " " SL_FMT " ", SL_ARG(upstream), SL_ARG(repo));

    PG_CHECK(n > 0 && n < KEY_MAX);
    return (size_t)n;
}

static struct sl write_key(const struct unknown_key *key, char out[KEY_MAX])
{
    size_t place = write_place(key->upstream, key->repo, out);
    int n = snprintf(out + place, KEY_MAX - place, "%d " SL_FMT " %" PRIu64, (int)key->kind,
                     SL_ARG(key->reference), key->revision);

    PG_CHECK(n > 0 && (size_t)n < KEY_MAX - place);
    return (struct sl){out, place + (size_t)n};
}

static struct entry *find(struct unknown_table *t, struct sl key)
{
    struct pg_map_node *node = pg_map_get(&t->all, key);

    return node == NULL ? NULL : pg_container_of(node, struct entry, node);
}

void unknown_note(struct unknown_table *t, const struct unknown_key *key, uint64_t now_ms)
{
    char text[KEY_MAX];
    struct sl s = write_key(key, text);
    struct entry *e = find(t, s);

    if (e != NULL)
        drop(t, e);
    if (t->all.n >= UNKNOWN_MAX)
        drop(t, pg_container_of(t->oldest.next, struct entry, order));
    e = malloc(sizeof(*e) + s.n);
    PG_CHECK(e != NULL);
    *e = (struct entry){.until_ms = now_ms + UNKNOWN_MS,
                        .nplace = key->upstream.n + key->repo.n + 2};
    memcpy(e->key, s.p, s.n);
    pg_list_init(&e->order);
    pg_list_push(&t->oldest, &e->order);
    pg_map_put(&t->all, &e->node, (struct sl){e->key, s.n});
}

bool unknown_has(struct unknown_table *t, const struct unknown_key *key, uint64_t now_ms)
{
    char text[KEY_MAX];
    struct entry *e = find(t, write_key(key, text));

    if (e == NULL)
        return false;
    if (now_ms < e->until_ms)
        return true;
    drop(t, e);
    return false;
}

void unknown_forget(struct unknown_table *t, struct sl upstream, struct sl repo)
{
    char text[KEY_MAX];
    struct sl place = {text, write_place(upstream, repo, text)};

    pg_list_each_safe (it, next, &t->oldest) {
        struct entry *e = pg_container_of(it, struct entry, order);

        if (sl_eq((struct sl){e->key, e->nplace}, place))
            drop(t, e);
    }
}
