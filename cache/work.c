/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/work.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"

struct work {
    pthread_mutex_t lock;
    pthread_cond_t idle;
    unsigned n;
};

static void lock(struct work *w)
{
    PG_CHECK(pthread_mutex_lock(&w->lock) == 0);
}

static void unlock(struct work *w)
{
    PG_CHECK(pthread_mutex_unlock(&w->lock) == 0);
}

struct work *work_new(void)
{
    struct work *w = calloc(1, sizeof(*w));

    PG_CHECK(w != NULL);
    PG_CHECK(pthread_mutex_init(&w->lock, NULL) == 0);
    PG_CHECK(pthread_cond_init(&w->idle, NULL) == 0);
    return w;
}

void work_free(struct work *w)
{
    if (w == NULL)
        return;
    PG_CHECK(w->n == 0);
    PG_CHECK(pthread_cond_destroy(&w->idle) == 0);
    PG_CHECK(pthread_mutex_destroy(&w->lock) == 0);
    free(w);
}

void work_hold(struct work *w)
{
    lock(w);
    w->n++;
    unlock(w);
}

/* The waiter may free it as soon as the lock is given back: nothing is touched after that. */
void work_let_go(struct work *w)
{
    lock(w);
    PG_CHECK(w->n > 0);
    if (--w->n == 0)
        PG_CHECK(pthread_cond_broadcast(&w->idle) == 0);
    unlock(w);
}

void work_wait(struct work *w)
{
    lock(w);
    while (w->n > 0)
        PG_CHECK(pthread_cond_wait(&w->idle, &w->lock) == 0);
    unlock(w);
}
