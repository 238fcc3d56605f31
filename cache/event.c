/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/event_int.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/metric.h"
#include "cache/writer.h"

struct waiting {
    struct waiting *next;
    struct index_event event; /* its texts are in text */
    char text[];
};

struct event_queue {
    struct store *store;
    pthread_mutex_t lock;
    struct waiting *first, **last; /* under the lock, as is the next */
    atomic_size_t n;               /* changed under the lock */
    bool posted;                   /* the operation is under way */
    struct writer_op op;
    struct waiting *writing; /* the writer's: what the operation took, until it is done */
};

static void lock(struct event_queue *q)
{
    PG_CHECK(pthread_mutex_lock(&q->lock) == 0);
}

static void unlock(struct event_queue *q)
{
    PG_CHECK(pthread_mutex_unlock(&q->lock) == 0);
}

static void free_all(struct waiting *w)
{
    while (w != NULL) {
        struct waiting *next = w->next;

        free(w);
        w = next;
    }
}

/* Under the lock. */
static struct waiting *take(struct event_queue *q)
{
    struct waiting *all = q->first;

    q->first = NULL;
    q->last = &q->first;
    q->n = 0;
    return all;
}

/* May be called again for the same events, when its group could not be committed whole. */
static int apply(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct event_queue *q = pg_container_of(op, struct event_queue, op);

    if (q->writing == NULL) {
        lock(q);
        q->writing = take(q);
        unlock(q);
    }
    for (struct waiting *w = q->writing; w != NULL; w = w->next)
        if (index_put_event(txn, &w->event, err) < 0)
            return -1;
    return 0;
}

static void post(struct event_queue *q);

static void done(struct writer_op *op)
{
    struct event_queue *q = pg_container_of(op, struct event_queue, op);
    bool is_canceled = op->err.kind == PG_E_CANCELED, more;

    pg_err_clear(&op->err); /* the writer has logged it */
    free_all(q->writing);
    q->writing = NULL;
    lock(q);
    if (is_canceled) /* and so would be all that follow */
        free_all(take(q));
    more = q->n > 0; /* with posted false, the queue may be freed */
    q->posted = more;
    unlock(q);
    if (more)
        post(q);
}

static void post(struct event_queue *q)
{
    q->op = (struct writer_op){.apply = apply, .done = done, .lazy = true};
    writer_post(q->store->writer, &q->op);
}

struct event_queue *event_new(struct store *s)
{
    struct event_queue *q = calloc(1, sizeof(*q));

    PG_CHECK(q != NULL);
    q->store = s;
    q->last = &q->first;
    PG_CHECK(pthread_mutex_init(&q->lock, NULL) == 0);
    return q;
}

static size_t cut(struct sl s)
{
    return s.n < EVENT_TEXT_MAX ? s.n : EVENT_TEXT_MAX;
}

static struct sl keep(char **at, struct sl s)
{
    struct sl kept = {*at, cut(s)};

    if (kept.n > 0)
        memcpy(*at, s.p, kept.n);
    *at += kept.n;
    return kept;
}

static struct waiting *copy(const struct index_event *e)
{
    struct waiting *w = malloc(sizeof(*w) + cut(e->caller) + cut(e->repo) + cut(e->reference));
    char *at;

    PG_CHECK(w != NULL);
    at = w->text;
    w->next = NULL;
    w->event = (struct index_event){.when_s = e->when_s, .digest = e->digest};
    w->event.caller = keep(&at, e->caller);
    w->event.repo = keep(&at, e->repo);
    w->event.reference = keep(&at, e->reference);
    return w;
}

void event_add(struct event_queue *q, const struct index_event *e)
{
    struct waiting *w;
    bool first;

    if (atomic_load(&q->n) >= EVENT_WAITING_MAX) { /* not under the lock: a few more may slip in */
        pg_metric_inc(PG_M_EVENTS_DROPPED);
        return;
    }
    w = copy(e);
    lock(q);
    *q->last = w;
    q->last = &w->next;
    q->n++;
    first = !q->posted;
    q->posted = true;
    unlock(q);
    if (first)
        post(q);
}

static bool is_posted(struct event_queue *q)
{
    bool posted;

    lock(q);
    posted = q->posted;
    unlock(q);
    return posted;
}

/* A group of the writer takes what is lazy along: its time is not waited for. */
void event_free(struct event_queue *q)
{
    struct pg_err err = {0};

    if (q == NULL)
        return;
    while (is_posted(q))
        if (writer_catch_up(q->store->writer, &err) < 0)
            pg_err_clear(&err);
    PG_CHECK(q->n == 0 && q->writing == NULL);
    PG_CHECK(pthread_mutex_destroy(&q->lock) == 0);
    free(q);
}
