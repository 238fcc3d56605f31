/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/shelf.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"
#include "oci/ref.h"

#define TAGS_SHARE ((size_t)16) /* of tags there are so many fewer */
#define WAYS       ((size_t)4)  /* places for one hash, of a kind */
#define SCOPE_MAX  16
#define KEY_MAX    (1024 + PG_HASH_BYTES_MAX + SCOPE_MAX)

_Static_assert(REF_TAG_MAX <= 128, "a tag fits");

struct entry {
    struct pg_map_node node; /* key: repository and digest */
    struct pg_list age;
    struct dossier *dossier;
    char key[];
};

struct witness {
    uint64_t of;
    struct digest by;
};

struct tag {
    uint64_t of;
    char name[129];
};

struct shelf {
    pthread_mutex_t lock;
    struct pg_map map;
    struct pg_list by_age; /* the oldest first */
    size_t n, nbytes, nhints;
    struct witness *witnesses, *evidence;
    struct tag *tags;
};

/* FNV-1a over the name. Nobody outside chooses what it collides with to his good: what is found by
 * it is looked at. */
static uint64_t hash_of(struct sl repository, const struct digest *d)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325), other;

    for (size_t i = 0; i < repository.n; i++)
        hash = (hash ^ (uint8_t)repository.p[i]) * UINT64_C(0x100000001b3);
    memcpy(&other, d->bytes, sizeof(other));
    hash ^= other * UINT64_C(0x9e3779b97f4a7c15);
    return (hash ^ hash >> 29) | 1; /* 0 is an empty place */
}

static size_t put_scope(const struct dossier_scope *s, char out[SCOPE_MAX])
{
    const struct policy_wants *w = &s->wants;

    out[0] = (char)(s->as_evidence ? 0x80
                                   : w->signatures << 0 | w->attestations << 1 | w->simple << 2 |
                                         w->bundle << 3 | w->notation << 4 | w->content << 5);
    if (s->as_evidence)
        return 1;
    memcpy(out + 1, &w->trusts, sizeof(w->trusts));
    return 1 + sizeof(w->trusts);
}

/* For other wants other facts: what is known does not depend on what was asked before. */
static struct sl key_of(struct sl repository, const struct digest *d,
                        const struct dossier_scope *scope, char out[KEY_MAX])
{
    size_t n = digest_bytes(d);

    PG_CHECK(repository.n <= KEY_MAX - PG_HASH_BYTES_MAX - SCOPE_MAX);
    memcpy(out, d->bytes, n);
    n += put_scope(scope, out + n);
    memcpy(out + n, repository.p, repository.n);
    return (struct sl){out, n + repository.n};
}

struct shelf *shelf_new(size_t nhints)
{
    struct shelf *s = calloc(1, sizeof(*s));

    PG_CHECK(nhints >= TAGS_SHARE * WAYS && (nhints & (nhints - 1)) == 0);
    PG_CHECK(s != NULL && pthread_mutex_init(&s->lock, NULL) == 0);
    pg_map_init(&s->map);
    pg_list_init(&s->by_age);
    s->nhints = nhints;
    s->witnesses = calloc(nhints, sizeof(*s->witnesses));
    s->evidence = calloc(nhints, sizeof(*s->evidence));
    s->tags = calloc(nhints / TAGS_SHARE, sizeof(*s->tags));
    PG_CHECK(s->witnesses != NULL && s->evidence != NULL && s->tags != NULL);
    return s;
}

static void drop(struct shelf *s, struct entry *e)
{
    pg_map_remove(&s->map, &e->node);
    pg_list_remove(&e->age);
    s->n--;
    s->nbytes -= dossier_memory(e->dossier);
    dossier_unref(e->dossier);
    free(e);
}

void shelf_free(struct shelf *s)
{
    if (s == NULL)
        return;
    pg_list_each_safe (it, tmp, &s->by_age)
        drop(s, pg_container_of(it, struct entry, age));
    pg_map_free(&s->map);
    free(s->witnesses);
    free(s->evidence);
    free(s->tags);
    PG_CHECK(pthread_mutex_destroy(&s->lock) == 0);
    free(s);
}

static void lock(struct shelf *s)
{
    PG_CHECK(pthread_mutex_lock(&s->lock) == 0);
}

static void unlock(struct shelf *s)
{
    PG_CHECK(pthread_mutex_unlock(&s->lock) == 0);
}

/* ---- dossiers ------------------------------------------------------------------------------ */

static struct witness *places(const struct shelf *s, struct witness *all, uint64_t hash)
{
    return &all[(hash >> 1 & (s->nhints - 1)) & ~(uint64_t)(2 * WAYS - 1)];
}

/* Manifests that were admitted have places of their own: no number of others takes them. */
static void note_witness(const struct shelf *s, struct witness *all, const struct dossier *d,
                         const struct digest *named, bool was_admitted)
{
    uint64_t hash = hash_of(d->repository, named);
    struct witness *at = places(s, all, hash) + (was_admitted ? 0 : WAYS);

    for (size_t i = 0; i < WAYS; i++)
        if (at[i].of == hash && digest_eq(&at[i].by, &d->subject))
            return;
    memmove(&at[1], &at[0], (WAYS - 1) * sizeof(*at)); /* the oldest goes */
    at[0] = (struct witness){hash, d->subject};
}

static void put(struct shelf *s, struct dossier *d, struct sl key)
{
    struct pg_map_node *old = pg_map_get(&s->map, key);
    struct entry *e = malloc(sizeof(*e) + key.n);

    PG_CHECK(e != NULL);
    if (old != NULL)
        drop(s, pg_container_of(old, struct entry, node));
    e->dossier = dossier_ref(d);
    memcpy(e->key, key.p, key.n);
    pg_map_put(&s->map, &e->node, (struct sl){e->key, key.n});
    pg_list_init(&e->age);
    pg_list_push(&s->by_age, &e->age);
    s->n++;
    s->nbytes += dossier_memory(d);
    while (s->n > SHELF_DOSSIERS_MAX || (s->nbytes > SHELF_BYTES_MAX && s->n > 1))
        drop(s, pg_container_of(s->by_age.next, struct entry, age));
}

void shelf_put(struct shelf *s, struct dossier *d)
{
    char key[KEY_MAX];

    lock(s);
    if (d->state != FACTS_FAILED && (d->content == NULL || !d->content->is_unknown))
        put(s, d, key_of(d->repository, &d->subject, &d->scope, key));
    for (size_t i = 0; i < d->nnames; i++)
        note_witness(s, d->scope.as_evidence ? s->evidence : s->witnesses, d, &d->names[i], false);
    unlock(s);
}

void shelf_note_admitted(struct shelf *s, const struct dossier *d)
{
    lock(s);
    for (size_t i = 0; i < d->nnames; i++)
        note_witness(s, s->witnesses, d, &d->names[i], true);
    unlock(s);
}

struct dossier *shelf_get(struct shelf *s, struct sl repository, const struct digest *subject,
                          const struct dossier_scope *scope, const uint8_t revision[32])
{
    char key[KEY_MAX];
    struct pg_map_node *node;
    struct dossier *d = NULL;

    lock(s);
    node = pg_map_get(&s->map, key_of(repository, subject, scope, key));
    if (node != NULL)
        d = pg_container_of(node, struct entry, node)->dossier;
    if (d != NULL && memcmp(d->revision, revision, sizeof(d->revision)) != 0)
        d = NULL;
    if (d != NULL)
        d = dossier_ref(d);
    unlock(s);
    return d;
}

/* ---- hints --------------------------------------------------------------------------------- */

static bool look(struct shelf *s, struct witness *all, uint64_t hash, size_t i, struct digest *by_r)
{
    const struct witness *at = places(s, all, hash);
    bool found = false;

    lock(s);
    for (size_t k = 0; k < 2 * WAYS && !found; k++) {
        found = at[k].of == hash && i-- == 0;
        if (found)
            *by_r = at[k].by;
    }
    unlock(s);
    return found;
}

bool shelf_witness(struct shelf *s, struct sl repository, const struct digest *named, size_t i,
                   struct digest *by_r)
{
    return look(s, s->witnesses, hash_of(repository, named), i, by_r);
}

bool shelf_evidence(struct shelf *s, struct sl repository, const struct digest *named, size_t i,
                    struct digest *by_r)
{
    return look(s, s->evidence, hash_of(repository, named), i, by_r);
}

static struct tag *ways(struct shelf *s, uint64_t hash)
{
    return &s->tags[(hash >> 1 & (s->nhints / TAGS_SHARE - 1)) & ~(uint64_t)(WAYS - 1)];
}

void shelf_note_tag(struct shelf *s, struct sl repository, const struct digest *manifest,
                    struct sl tag)
{
    uint64_t hash = hash_of(repository, manifest);
    struct tag *all = ways(s, hash);
    bool known = false;

    if (tag.n > 128)
        return;
    lock(s);
    for (size_t i = 0; i < WAYS; i++)
        known = known || (all[i].of == hash && sl_eq(sl_str(all[i].name), tag));
    if (!known) {
        memmove(&all[1], &all[0], (WAYS - 1) * sizeof(*all));
        all[0].of = hash;
        memcpy(all[0].name, tag.p, tag.n);
        all[0].name[tag.n] = '\0';
    }
    unlock(s);
}

bool shelf_tag(struct shelf *s, struct sl repository, const struct digest *manifest, size_t i,
               char out[129])
{
    uint64_t hash = hash_of(repository, manifest);
    const struct tag *all = ways(s, hash);
    bool found = false;

    lock(s);
    for (size_t k = 0; k < WAYS && !found; k++) {
        if (all[k].of != hash || i-- > 0)
            continue;
        memcpy(out, all[k].name, sizeof(all[k].name));
        found = true;
    }
    unlock(s);
    return found;
}
