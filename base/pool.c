/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

#define THREADS_MAX     64
#define THREAD_NAME_MAX 16 /* the kernel's, with its NUL */

struct pg_pool {
    pthread_mutex_t lock;
    pthread_cond_t some;
    struct pg_job *first, **last; /* waiting */
    unsigned queued;              /* waiting and running */
    bool ending;
    unsigned nthreads, nnamed;
    char name[THREAD_NAME_MAX - 5]; /* and a number */
    pthread_t threads[THREADS_MAX];
};

static void lock(struct pg_pool *p)
{
    PG_CHECK(pthread_mutex_lock(&p->lock) == 0);
}

static void unlock(struct pg_pool *p)
{
    PG_CHECK(pthread_mutex_unlock(&p->lock) == 0);
}

static void on_delivered(struct pg_mail *mail)
{
    struct pg_job *job = pg_container_of(mail, struct pg_job, mail);

    job->done(job);
}

static struct pg_job *take(struct pg_pool *p)
{
    struct pg_job *job;

    while (p->first == NULL && !p->ending)
        PG_CHECK(pthread_cond_wait(&p->some, &p->lock) == 0);
    job = p->first;
    if (job == NULL)
        return NULL;
    p->first = job->next;
    if (p->first == NULL)
        p->last = &p->first;
    return job;
}

/* Counted out before it is handed back: the asker may look at the count, and free the job. */
static void *work(void *arg)
{
    struct pg_pool *p = arg;
    struct pg_job *job;
    char title[THREAD_NAME_MAX];

    lock(p);
    (void)snprintf(title, sizeof(title), "%s-%u", p->name, p->nnamed++);
    (void)pthread_setname_np(pthread_self(), title); /* for people; no harm if refused */
    while ((job = take(p)) != NULL) {
        unlock(p);
        job->run(job);
        lock(p);
        p->queued--;
        unlock(p);
        if (job->home != NULL)
            pg_mailbox_post(job->home, &job->mail);
        else
            job->done(job);
        lock(p);
    }
    unlock(p);
    return NULL;
}

/* Signals are for the main thread: pool threads block them all. */
struct pg_pool *pg_pool_new(const char *name, unsigned nthreads)
{
    struct pg_pool *p = calloc(1, sizeof(*p));
    sigset_t all, before;

    PG_CHECK(p != NULL);
    PG_CHECK(nthreads > 0 && nthreads <= THREADS_MAX);
    PG_CHECK(strlen(name) <= 10);
    PG_CHECK(pthread_mutex_init(&p->lock, NULL) == 0);
    PG_CHECK(pthread_cond_init(&p->some, NULL) == 0);
    p->last = &p->first;
    p->nthreads = nthreads;
    memcpy(p->name, name, strlen(name) + 1);
    (void)sigfillset(&all);
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    for (unsigned i = 0; i < nthreads; i++) {
        PG_CHECK(pthread_create(&p->threads[i], NULL, work, p) == 0);
    }
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return p;
}

void pg_pool_submit(struct pg_pool *pool, struct pg_job *job)
{
    PG_CHECK(job->run != NULL && job->done != NULL);
    job->mail = (struct pg_mail){.deliver = on_delivered};
    job->next = NULL;
    lock(pool);
    PG_CHECK(!pool->ending);
    *pool->last = job;
    pool->last = &job->next;
    pool->queued++;
    PG_CHECK(pthread_cond_signal(&pool->some) == 0);
    unlock(pool);
}

unsigned pg_pool_queued(struct pg_pool *pool)
{
    unsigned n;

    lock(pool);
    n = pool->queued;
    unlock(pool);
    return n;
}

void pg_pool_free(struct pg_pool *pool)
{
    if (pool == NULL)
        return;
    lock(pool);
    pool->ending = true;
    PG_CHECK(pthread_cond_broadcast(&pool->some) == 0);
    unlock(pool);
    for (unsigned i = 0; i < pool->nthreads; i++)
        PG_CHECK(pthread_join(pool->threads[i], NULL) == 0);
    PG_CHECK(pool->first == NULL && pool->queued == 0);
    PG_CHECK(pthread_cond_destroy(&pool->some) == 0);
    PG_CHECK(pthread_mutex_destroy(&pool->lock) == 0);
    free(pool);
}
