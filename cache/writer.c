/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metric.h"
#include "cache/index_int.h"
#include "cache/journal.h"
#include "cache/store.h"

#define DIR_MAX         96
#define READERS_CHECK_S 60

struct queue {
    struct writer_op *first, **last;
    unsigned n;
};

enum mode { RUNS, HOLDS, CANCELS };

struct writer {
    struct store *store;
    struct pg_mailbox posted; /* by any thread */
    sem_t wake;
    atomic_uint posting; /* threads in writer_post(), which touch this after the op is done */
    atomic_bool ending;
    _Atomic enum mode mode;
    atomic_uint holds; /* times that it was asked to hold */
    sem_t held;        /* posted once it does */
    pthread_t thread;
    /* The writer's thread alone: */
    struct queue eager, lazy;
    uint64_t eager_since_us, lazy_since_us;
    uint64_t readers_checked_us;
    unsigned held_times; /* of holds */
    unsigned ndirs;
    bool dirs_over;
    char dirs[WRITER_DIRS_MAX][DIR_MAX];
    unsigned nnamed; /* directories whose own names are durable for sure */
    char named[WRITER_DIRS_MAX][DIR_MAX];
};

static void queue_init(struct queue *q)
{
    q->first = NULL;
    q->last = &q->first;
    q->n = 0;
}

static void queue_push(struct queue *q, struct writer_op *op)
{
    op->next = NULL;
    *q->last = op;
    q->last = &op->next;
    q->n++;
}

static struct writer_op *queue_pop(struct queue *q)
{
    struct writer_op *op = q->first;

    if (op == NULL)
        return NULL;
    q->first = op->next;
    if (q->first == NULL)
        q->last = &q->first;
    q->n--;
    return op;
}

/* ---- posting ---- */

static void wake_writer(struct pg_mailbox *box)
{
    struct writer *w = box->owner;

    PG_CHECK(sem_post(&w->wake) == 0);
}

/* The store is known from the box: an op has no room for its writer. */
static _Thread_local struct writer *draining;

static void deliver_op(struct pg_mail *mail)
{
    struct writer_op *op = pg_container_of(mail, struct writer_op, mail);
    struct writer *w = draining;
    struct queue *q = op->lazy ? &w->lazy : &w->eager;

    if (q->n == 0)
        *(op->lazy ? &w->lazy_since_us : &w->eager_since_us) = pg_clock_mono_us();
    queue_push(q, op);
}

void writer_post(struct writer *w, struct writer_op *op)
{
    PG_CHECK(op->done != NULL && op->err.kind == PG_E_NONE);
    op->mail = (struct pg_mail){.deliver = deliver_op};
    (void)atomic_fetch_add(&w->posting, 1);
    pg_mailbox_post(&w->posted, &op->mail);
    (void)atomic_fetch_sub(&w->posting, 1);
}

/* ---- one group ---- */

void writer_sync_dir(struct writer *w, const char *dir)
{
    PG_CHECK(strlen(dir) < DIR_MAX);
    for (unsigned i = 0; i < w->ndirs; i++)
        if (strcmp(w->dirs[i], dir) == 0)
            return;
    if (w->ndirs == WRITER_DIRS_MAX) {
        w->dirs_over = true;
        return;
    }
    (void)snprintf(w->dirs[w->ndirs++], DIR_MAX, "%s", dir);
}

static int sync_one(struct writer *w, const char *dir, struct pg_err *err)
{
    _fd_ int fd = openat(w->store->blobs_fd, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 || PG_FAULT("writer.syncdir") || fsync(fd) < 0) {
        int code = errno;

        pg_metric_inc(PG_M_STORE_ERRORS);
        (void)pg_fail(err, PG_E_STORE_IO, "the store failed to write");
        return pg_detail(err, "blobs/%s: sync: %s", dir, strerror(code));
    }
    return 0;
}

static bool is_named(const struct writer *w, const char *dir)
{
    for (unsigned i = 0; i < w->nnamed; i++)
        if (strcmp(w->named[i], dir) == 0)
            return true;
    return false;
}

/* Who made a directory may have been killed before its name was durable, or failed to make it so:
 * that is seen to when it is used first. */
static int sync_name(struct writer *w, const char *dir, struct pg_err *err)
{
    char parent[DIR_MAX];

    if (is_named(w, dir))
        return 0;
    PG_CHECK(w->nnamed < WRITER_DIRS_MAX); /* two algorithms, 256 each */
    (void)snprintf(parent, sizeof(parent), "%.*s", (int)strcspn(dir, "/"), dir);
    if (sync_one(w, parent, err) < 0 || sync_one(w, ".", err) < 0)
        return -1;
    memcpy(w->named[w->nnamed++], dir, strlen(dir) + 1); /* below DIR_MAX, as all of w->dirs */
    return 0;
}

static int sync_dirs(struct writer *w, struct pg_err *err)
{
    for (unsigned i = 0; i < w->ndirs; i++)
        if (sync_one(w, w->dirs[i], err) < 0 || sync_name(w, w->dirs[i], err) < 0)
            return -1;
    return 0;
}

static int apply_all(struct writer *w, struct index_txn *txn, struct writer_op *first,
                     struct pg_err *err)
{
    for (struct writer_op *op = first; op != NULL; op = op->next)
        if (op->apply != NULL && op->apply(op, txn, err) < 0)
            return -1;
    if (w->dirs_over) /* then one by one */
        return pg_fail(err, PG_E_STORE_IO, "too many directories in one group");
    return 0;
}

static void take_back_journal(struct writer *w)
{
    if (w->store->journal != NULL)
        journal_take_back(w->store->journal);
}

/* Everything between the rows and the commit; on failure the transaction is aborted. */
static int make_durable(struct writer *w, struct index_txn *txn, uint64_t journal_before,
                        struct pg_err *err)
{
    struct journal *j = w->store->journal;
    struct index_counts counts;

    if (j != NULL && journal_sync(j, err) < 0) {
        index_txn_abort(txn);
        return -1;
    }
    if (sync_dirs(w, err) < 0) {
        index_txn_abort(txn);
        take_back_journal(w);
        return -1;
    }
    if (j != NULL && index_txn_counts(txn).journal == journal_before)
        index_txn_set_journal(txn, journal_seq(j)); /* else the journal is being replayed */
    counts = index_txn_counts(txn);
    if (index_txn_commit(txn, err) < 0) {
        take_back_journal(w);
        return -1;
    }
    atomic_store(&w->store->blobs, counts.blobs);
    atomic_store(&w->store->bytes, counts.bytes);
    pg_metric_set(PG_M_STORE_BLOBS, (int64_t)counts.blobs);
    pg_metric_set(PG_M_STORE_BYTES, (int64_t)counts.bytes);
    return 0;
}

/* 0: all of them are durable. -1: none is; *applied_r says whether the rows could be made. */
static int try_group(struct writer *w, struct writer_op *first, bool *applied_r, struct pg_err *err)
{
    struct index_txn *txn;
    uint64_t journal_before = w->store->journal != NULL ? journal_seq(w->store->journal) : 0;

    *applied_r = true; /* a transaction that cannot begin fails them all alike */
    w->ndirs = 0;
    w->dirs_over = false;
    if (index_is_lost(w->store->index) && index_reopen(w->store->index, err) < 0)
        return -1;
    if (index_txn_begin(w->store->index, &txn, err) < 0)
        return -1;
    if (apply_all(w, txn, first, err) < 0) {
        *applied_r = false;
        index_txn_abort(txn);
        if (w->store->journal != NULL)
            journal_drop(w->store->journal);
        return -1;
    }
    return make_durable(w, txn, journal_before, err);
}

static void on_done(struct pg_mail *mail)
{
    struct writer_op *op = pg_container_of(mail, struct writer_op, mail);

    op->done(op);
}

static void hand_back(struct writer_op *op)
{
    if (op->home == NULL) {
        op->done(op);
        return;
    }
    op->mail = (struct pg_mail){.deliver = on_done};
    pg_mailbox_post(op->home, &op->mail);
}

/* All are settled before any is handed back: done() may free its op, and post another. */
static void end_group(struct writer_op *first, const struct pg_err *why)
{
    struct writer_op *op, *next;

    for (op = first; op != NULL; op = op->next) {
        if (why != NULL)
            pg_err_copy(&op->err, why);
        else if (op->settle != NULL)
            op->settle(op);
    }
    for (op = first; op != NULL; op = next) {
        next = op->next;
        hand_back(op);
    }
}

static void log_failure(const struct pg_err *err)
{
    struct pg_log_line line;

    pg_log_begin(&line, PG_LOG_STORE, PG_LOG_ERROR);
    pg_log_str(&line, "doing", SL("commit"));
    pg_log_err(&line, err);
    pg_log_end(&line);
}

/* False: an operation cannot be applied, and it is to be found out which. */
static bool run_together(struct writer *w, struct writer_op *first)
{
    struct pg_err err = {0};
    bool applied = true;
    int rc = try_group(w, first, &applied, &err);
    bool ended = applied || first->next == NULL;

    if (rc < 0 && ended)
        log_failure(&err);
    if (rc < 0 && applied) /* it is not the operations' fault */
        atomic_store(&w->store->degraded, 1);
    if (ended)
        end_group(first, rc < 0 ? &err : NULL);
    pg_err_clear(&err);
    return ended;
}

static void run_group(struct writer *w, struct writer_op *first)
{
    struct writer_op *next;

    if (run_together(w, first))
        return;
    for (struct writer_op *op = first; op != NULL; op = next) {
        next = op->next;
        op->next = NULL;
        PG_CHECK(run_together(w, op));
    }
}

/* ---- the thread ---- */

static bool is_due(const struct writer *w, uint64_t now_us, bool ending)
{
    if (w->eager.n + w->lazy.n == 0)
        return false;
    if (ending || w->eager.n >= WRITER_GROUP_OPS || w->lazy.n >= WRITER_GROUP_OPS)
        return true;
    if (w->eager.n > 0 && now_us - w->eager_since_us >= (uint64_t)WRITER_GROUP_MS * 1000)
        return true;
    return w->lazy.n > 0 && now_us - w->lazy_since_us >= (uint64_t)WRITER_LAZY_MS * 1000;
}

static uint64_t due_us(const struct writer *w)
{
    uint64_t due = UINT64_MAX;

    if (w->eager.n > 0)
        due = w->eager_since_us + (uint64_t)WRITER_GROUP_MS * 1000;
    if (w->lazy.n > 0 && w->lazy_since_us + (uint64_t)WRITER_LAZY_MS * 1000 < due)
        due = w->lazy_since_us + (uint64_t)WRITER_LAZY_MS * 1000;
    return due;
}

/* Until something is posted, or the group is due. */
static void wait_for_more(struct writer *w)
{
    uint64_t due = due_us(w);
    struct timespec at;

    if (due == UINT64_MAX) {
        PG_CHECK(sem_wait(&w->wake) == 0 || errno == EINTR);
        return;
    }
    at.tv_sec = (time_t)(due / 1000000);
    at.tv_nsec = (long)(due % 1000000) * 1000;
    PG_CHECK(sem_clockwait(&w->wake, CLOCK_MONOTONIC, &at) == 0 || errno == ETIMEDOUT ||
             errno == EINTR);
}

static struct writer_op *take_group(struct writer *w)
{
    struct queue group;

    queue_init(&group);
    while (group.n < WRITER_GROUP_OPS && w->eager.n > 0)
        queue_push(&group, queue_pop(&w->eager));
    while (group.n < WRITER_GROUP_OPS && w->lazy.n > 0)
        queue_push(&group, queue_pop(&w->lazy));
    return group.first;
}

static void check_readers(struct writer *w)
{
    uint64_t now_us = pg_clock_mono_us();

    if (now_us - w->readers_checked_us < (uint64_t)READERS_CHECK_S * 1000000)
        return;
    w->readers_checked_us = now_us;
    index_check_readers(w->store->index);
}

static void cancel_all(struct writer *w)
{
    struct pg_err why = {0};
    struct writer_op *first;

    (void)pg_fail(&why, PG_E_CANCELED, "the store was handed over to another process");
    while ((first = take_group(w)) != NULL)
        end_group(first, &why);
    pg_err_clear(&why);
}

/* True: nothing is to be written now. What came before it was asked to hold is written first. */
static bool is_held(struct writer *w, bool ending)
{
    enum mode mode = atomic_load(&w->mode);

    if (mode == RUNS)
        return false;
    if (mode == HOLDS && w->held_times != atomic_load(&w->holds)) {
        w->held_times = atomic_load(&w->holds);
        (void)pg_mailbox_drain(&w->posted);
        while (w->eager.n + w->lazy.n > 0)
            run_group(w, take_group(w));
        PG_CHECK(sem_post(&w->held) == 0);
    }
    if (mode == CANCELS || ending)
        cancel_all(w);
    return true;
}

static void rest(struct writer *w)
{
    PG_CHECK(sem_wait(&w->wake) == 0 || errno == EINTR);
}

static void *write_groups(void *arg)
{
    struct writer *w = arg;

    (void)pthread_setname_np(pthread_self(), "pg-writer");
    draining = w;
    for (;;) {
        bool ending = atomic_load(&w->ending); /* before the drain: nothing comes after it */
        bool is_news = pg_mailbox_drain(&w->posted);

        if (is_held(w, ending)) {
            if (ending && !is_news)
                return NULL;
            if (!ending)
                rest(w);
        } else if (is_due(w, pg_clock_mono_us(), ending)) {
            run_group(w, take_group(w));
            check_readers(w);
        } else if (ending) {
            return NULL;
        } else {
            wait_for_more(w);
        }
    }
}

/* Signals are for the main thread. */
struct writer *writer_new(struct store *s)
{
    struct writer *w = calloc(1, sizeof(*w));
    sigset_t all, before;

    PG_CHECK(w != NULL);
    w->store = s;
    queue_init(&w->eager);
    queue_init(&w->lazy);
    w->readers_checked_us = pg_clock_mono_us();
    pg_mailbox_init(&w->posted, wake_writer, w);
    PG_CHECK(sem_init(&w->wake, 0, 0) == 0 && sem_init(&w->held, 0, 0) == 0);
    (void)sigfillset(&all);
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    PG_CHECK(pthread_create(&w->thread, NULL, write_groups, w) == 0);
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return w;
}

void writer_free(struct writer *w)
{
    if (w == NULL)
        return;
    atomic_store(&w->ending, true);
    PG_CHECK(sem_post(&w->wake) == 0);
    PG_CHECK(pthread_join(w->thread, NULL) == 0);
    PG_CHECK(w->eager.n + w->lazy.n == 0);
    while (atomic_load(&w->posting) > 0) /* its op is done, it has yet to return from the wake */
        (void)sched_yield();
    PG_CHECK(sem_destroy(&w->wake) == 0 && sem_destroy(&w->held) == 0);
    free(w);
}

static void set_mode(struct writer *w, enum mode mode)
{
    atomic_store(&w->mode, mode);
    PG_CHECK(sem_post(&w->wake) == 0);
}

void writer_hold(struct writer *w)
{
    PG_CHECK(atomic_load(&w->mode) == RUNS);
    (void)atomic_fetch_add(&w->holds, 1);
    set_mode(w, HOLDS);
    while (sem_wait(&w->held) < 0)
        PG_CHECK(errno == EINTR);
}

void writer_go_on(struct writer *w)
{
    PG_CHECK(atomic_load(&w->mode) == HOLDS);
    set_mode(w, RUNS);
}

void writer_cancel(struct writer *w)
{
    PG_CHECK(atomic_load(&w->mode) == HOLDS);
    set_mode(w, CANCELS);
}

/* ---- waiting for one ---- */

struct waiting {
    struct pg_mailbox home;
    sem_t posted;
};

static void wake_waiter(struct pg_mailbox *box)
{
    struct waiting *waiting = box->owner;

    PG_CHECK(sem_post(&waiting->posted) == 0);
}

static void on_waited(struct writer_op *op)
{
    (void)op;
}

/* The semaphore is posted by the mailbox after its last touch of it: the stack may go. */
int writer_do(struct writer *w, struct writer_op *op, struct pg_err *err)
{
    struct waiting waiting;

    PG_CHECK(w != draining);
    pg_mailbox_init(&waiting.home, wake_waiter, &waiting);
    PG_CHECK(sem_init(&waiting.posted, 0, 0) == 0);
    op->home = &waiting.home;
    op->done = on_waited;
    writer_post(w, op);
    while (sem_wait(&waiting.posted) < 0)
        PG_CHECK(errno == EINTR);
    (void)pg_mailbox_drain(&waiting.home);
    PG_CHECK(sem_destroy(&waiting.posted) == 0);
    if (op->err.kind == PG_E_NONE)
        return 0;
    pg_err_move(err, &op->err);
    return -1;
}

int writer_catch_up(struct writer *w, struct pg_err *err)
{
    struct writer_op op = {.apply = NULL};

    return writer_do(w, &op, err);
}
