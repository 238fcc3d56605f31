/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metric.h"
#include "cache/adopt.h"
#include "cache/blob.h"
#include "cache/damaged.h"
#include "cache/index_int.h"
#include "cache/land.h"
#include "cache/partial.h"
#include "cache/publish.h"
#include "cache/store.h"
#include "cache/writer.h"

#define ROWS_A_VIEW 256
#define DROPS_MAX   64  /* under way at once */
#define ADOPTS_MAX  256 /* the same; their checksums are in memory */

struct recover {
    struct store *store;
    bool index_is_lost;
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool is_over;
    pthread_t thread;
    sem_t places;                         /* for files under way to be adopted */
    atomic_uint adopted, refused, failed; /* by the writer's thread, too */
    uint64_t removed, dropped;            /* the thread's own */
};

static bool is_stopped(struct recover *r)
{
    return atomic_load(&r->stop);
}

/* ---- rows that cannot be read ---- */

static int remove_damaged_rows(struct recover *r, struct pg_err *err)
{
    struct damaged d = {0};

    do {
        int found = damaged_next(r->store, &d, err);

        if (found < 0 || (found == 1 && writer_do(r->store->writer, &d.op, err) < 0))
            return -1;
        r->removed += found == 1;
    } while (d.row.table != NULL && !is_stopped(r));
    return 0;
}

/* ---- rows without their file ---- */

static void on_dropped(void *owner)
{
    PG_CHECK(sem_post((sem_t *)owner) == 0);
}

static void wait_for(sem_t *sem)
{
    while (sem_wait(sem) < 0)
        PG_CHECK(errno == EINTR);
}

static bool has_file(struct store *s, const struct index_blob_row *row)
{
    char path[BLOB_PATH_MAX];
    struct stat st;

    if (PG_FAULT("recover.stat") ||
        fstatat(s->blobs_fd, blob_path(&row->digest, path), &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno != ENOENT && errno != ENOTDIR; /* not known: the row stays */
    return S_ISREG(st.st_mode) && (uint64_t)st.st_size == row->blob.size;
}

/* Some rows after *last. What lacks its file is noted and dropped once the view is over. */
static int look_at_rows(struct recover *r, struct digest *last, bool *begun, struct digest *lacking,
                        size_t *n_r, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(r->store->index);
    int found = 1;

    *n_r = 0;
    for (int i = 0; i < ROWS_A_VIEW; i++) {
        struct index_blob_row row;

        found = index_next_blob(&v, *begun ? last : NULL, &row, err);
        if (found != 1)
            break;
        *last = row.digest;
        *begun = true;
        if (!row.damaged && !has_file(r->store, &row))
            lacking[(*n_r)++] = row.digest;
    }
    return found;
}

static int drop_rows(struct recover *r, struct pg_err *err)
{
    struct digest lacking[ROWS_A_VIEW], last;
    bool begun = false;
    size_t n = 0;
    int more = 1;
    sem_t free_places;

    PG_CHECK(sem_init(&free_places, 0, DROPS_MAX) == 0);
    while (more == 1 && !is_stopped(r)) {
        more = look_at_rows(r, &last, &begun, lacking, &n, err);
        for (size_t i = 0; i < n; i++) {
            wait_for(&free_places);
            publish_drop(r->store, &lacking[i], PUBLISH_MISSING, on_dropped, &free_places);
            pg_metric_inc(PG_M_STORE_RECOVERED);
            r->dropped++;
        }
    }
    for (int i = 0; i < DROPS_MAX; i++)
        wait_for(&free_places);
    PG_CHECK(sem_destroy(&free_places) == 0);
    return more < 0 ? -1 : 0;
}

/* ---- files without a row ---- */

static int has_row(struct store *s, const struct digest *d, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    struct index_blob row;

    return index_get_blob(&v, d, &row, err);
}

static void on_adopted(void *owner, int adopted)
{
    struct recover *r = owner;

    atomic_fetch_add(adopted < 0 ? &r->failed : adopted > 0 ? &r->adopted : &r->refused, 1);
    PG_CHECK(sem_post(&r->places) == 0);
}

/* One that cannot be adopted now is left for the next start; the others are not. */
static int adopt(struct recover *r, const struct digest *d, struct pg_err *err)
{
    wait_for(&r->places);
    if (adopt_post(r->store, d, &r->stop, on_adopted, r, err) == 0)
        return 0;
    PG_CHECK(sem_post(&r->places) == 0);
    if (is_stopped(r))
        return -1;
    if (atomic_fetch_add(&r->failed, 1) == 0)
        pg_log_say(PG_LOG_ERROR, PG_LOG_STORE, "a file is not adopted: %s (%s)", err->msg,
                   err->detail != NULL ? err->detail : "");
    pg_err_clear(err);
    return 0;
}

static int meet_file(void *arg, const struct adopt_file *f, struct pg_err *err)
{
    struct recover *r = arg;
    int found;

    if (is_stopped(r))
        return 1;
    if (!f->is_blob) {
        atomic_fetch_add(&r->refused, 1);
        return adopt_remove_stray(r->store, f->path, err);
    }
    found = has_row(r->store, &f->digest, err);
    if (found != 0)
        return found < 0 ? -1 : 0;
    return adopt(r, &f->digest, err);
}

static int adopt_all(struct recover *r, struct pg_err *err)
{
    int rc = adopt_walk(r->store, meet_file, r, err);

    for (int i = 0; i < ADOPTS_MAX; i++)
        wait_for(&r->places);
    if (atomic_load(&r->adopted) > 0) /* who asked before them began to fetch them again */
        partial_sweep(r->store);
    return rc;
}

/* ---- the thread ---- */

static int work(struct recover *r, struct pg_err *err)
{
    if (remove_damaged_rows(r, err) < 0 || drop_rows(r, err) < 0 || adopt_all(r, err) < 0)
        return -1;
    if (is_stopped(r) || (!r->index_is_lost && r->adopted == 0 && r->removed == 0))
        return 0;
    return land_rebuild(r->store, &r->stop, err);
}

static void report(struct recover *r, int result, const struct pg_err *err, uint64_t ms)
{
    struct pg_log_line line;
    bool is_news = r->removed + r->dropped + r->adopted + r->refused + r->failed > 0 || result < 0;

    pg_log_begin(&line, PG_LOG_STORE, is_news ? PG_LOG_WARN : PG_LOG_INFO);
    pg_log_str(&line, "doing", SL("recovery"));
    pg_log_u64(&line, "rows_removed", r->removed);
    pg_log_u64(&line, "rows_dropped", r->dropped);
    pg_log_u64(&line, "files_adopted", r->adopted);
    pg_log_u64(&line, "files_refused", r->refused);
    pg_log_u64(&line, "files_failed", r->failed);
    pg_log_u64(&line, "ms", ms);
    if (result < 0)
        pg_log_err(&line, err);
    pg_log_end(&line);
}

static void *run(void *arg)
{
    struct recover *r = arg;
    uint64_t began_ms = pg_clock_mono_ms();
    struct pg_err err = {0};
    int result;

    (void)pthread_setname_np(pthread_self(), "pg-recover");
    result = work(r, &err);
    if (!is_stopped(r)) {
        report(r, result, &err, pg_clock_mono_ms() - began_ms);
        atomic_store(&r->store->recovered, true);
    }
    pg_err_clear(&err);
    PG_CHECK(pthread_mutex_lock(&r->lock) == 0);
    r->is_over = true;
    PG_CHECK(pthread_cond_broadcast(&r->over) == 0);
    PG_CHECK(pthread_mutex_unlock(&r->lock) == 0);
    return NULL;
}

/* Signals are for the main thread. */
struct recover *recover_new(struct store *s, bool index_is_lost)
{
    struct recover *r = calloc(1, sizeof(*r));
    sigset_t all, before;

    PG_CHECK(r != NULL);
    r->store = s;
    r->index_is_lost = index_is_lost;
    PG_CHECK(pthread_mutex_init(&r->lock, NULL) == 0);
    PG_CHECK(pthread_cond_init(&r->over, NULL) == 0);
    PG_CHECK(sem_init(&r->places, 0, ADOPTS_MAX) == 0);
    (void)sigfillset(&all);
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    PG_CHECK(pthread_create(&r->thread, NULL, run, r) == 0);
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return r;
}

void recover_wait(struct recover *r)
{
    PG_CHECK(pthread_mutex_lock(&r->lock) == 0);
    while (!r->is_over)
        PG_CHECK(pthread_cond_wait(&r->over, &r->lock) == 0);
    PG_CHECK(pthread_mutex_unlock(&r->lock) == 0);
}

void recover_free(struct recover *r)
{
    if (r == NULL)
        return;
    atomic_store(&r->stop, true);
    PG_CHECK(pthread_join(r->thread, NULL) == 0);
    PG_CHECK(sem_destroy(&r->places) == 0);
    PG_CHECK(pthread_cond_destroy(&r->over) == 0);
    PG_CHECK(pthread_mutex_destroy(&r->lock) == 0);
    free(r);
}
