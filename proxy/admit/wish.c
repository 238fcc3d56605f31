/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/wish.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/list.h"

#define OTHERS_EACH 4

enum turn { WAITED, OTHERS, TURNS };

struct one {
    struct pg_list node;
    struct wish wish;
};

struct wish_list {
    pthread_mutex_t lock;
    struct pg_list turns[TURNS];
    size_t n;
    uint64_t taken;
    void (*ring)(void *context);
    void *context;
};

struct wish_list *wish_list_new(void)
{
    struct wish_list *l = calloc(1, sizeof(*l));

    PG_CHECK(l != NULL && pthread_mutex_init(&l->lock, NULL) == 0);
    for (size_t i = 0; i < TURNS; i++) {
        pg_list_init(&l->turns[i]);
    }
    return l;
}

static void lock(struct wish_list *l)
{
    PG_CHECK(pthread_mutex_lock(&l->lock) == 0);
}

static void unlock(struct wish_list *l)
{
    PG_CHECK(pthread_mutex_unlock(&l->lock) == 0);
}

static void drop(struct wish_list *l, struct one *o)
{
    pg_list_remove(&o->node);
    l->n--;
    free(o);
}

void wish_list_free(struct wish_list *l)
{
    if (l == NULL) {
        return;
    }
    for (size_t i = 0; i < TURNS; i++) {
        pg_list_each_safe (it, tmp, &l->turns[i]) {
            drop(l, pg_container_of(it, struct one, node));
        }
    }
    PG_CHECK(pthread_mutex_destroy(&l->lock) == 0);
    free(l);
}

void wish_list_ring(struct wish_list *l, void (*ring)(void *context), void *context)
{
    l->ring = ring;
    l->context = context;
}

/* It, or NULL; and how many there are of the repository. Under the lock. */
static struct one *find(struct wish_list *l, struct sl repository, const struct digest *d,
                        size_t *share_r)
{
    struct one *found = NULL;

    *share_r = 0;
    for (size_t i = 0; i < TURNS; i++) {
        pg_list_each_safe (it, tmp, &l->turns[i]) {
            struct one *o = pg_container_of(it, struct one, node);
            *share_r += sl_eq(repository, sl_str(o->wish.repository));
            if (digest_eq(&o->wish.digest, d)) {
                found = o;
            }
        }
    }
    return found;
}

static bool note(struct wish_list *l, struct sl repository, const struct digest *d, bool waits)
{
    size_t share;
    struct one *o = find(l, repository, d, &share);

    if (o != NULL && waits && !o->wish.someone_waits) {
        o->wish.someone_waits = true;
        pg_list_remove(&o->node);
        pg_list_push(&l->turns[WAITED], &o->node);
    }
    if (o != NULL) {
        return true;
    }
    if (l->n == WISH_MAX || share >= WISH_SHARE) {
        return false;
    }
    o = calloc(1, sizeof(*o));
    PG_CHECK(o != NULL);
    o->wish = (struct wish){.digest = *d, .someone_waits = waits};
    memcpy(o->wish.repository, repository.p, repository.n);
    pg_list_init(&o->node);
    pg_list_push(&l->turns[waits ? WAITED : OTHERS], &o->node);
    l->n++;
    return true;
}

bool wish_note(struct wish_list *l, struct sl repository, const struct digest *sha256,
               bool someone_waits)
{
    bool noted;

    PG_CHECK(sha256->alg == PG_SHA256);
    if (repository.n >= WISH_REPO_MAX) {
        return false;
    }
    lock(l);
    noted = note(l, repository, sha256, someone_waits);
    unlock(l);
    if (noted && l->ring != NULL) {
        l->ring(l->context);
    }
    return noted;
}

bool wish_take(struct wish_list *l, struct wish *wish_r)
{
    bool others_first, found = false;

    lock(l);
    others_first = l->taken % OTHERS_EACH == OTHERS_EACH - 1;
    for (size_t i = 0; i < TURNS && !found; i++) {
        const struct pg_list *list = &l->turns[others_first ? TURNS - 1 - i : i];
        if (!pg_list_empty(list)) {
            struct one *o = pg_container_of(list->next, struct one, node);
            *wish_r = o->wish;
            drop(l, o);
            l->taken++;
            found = true;
        }
    }
    unlock(l);
    return found;
}

size_t wish_count(struct wish_list *l)
{
    size_t n;

    lock(l);
    n = l->n;
    unlock(l);
    return n;
}
