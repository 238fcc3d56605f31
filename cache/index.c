/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metric.h"
#include "cache/index_check_int.h"
#include "cache/index_row_int.h"

#define REOPEN_WAIT_US ((uint64_t)2 * 1000 * 1000) /* views are short: far more than any takes */
#define NO_SLOT        UINT_MAX                    /* a view of a write transaction */
#define TAGGED_SEQ     SL(".tagged")               /* the journal's number that `tagged` is of */

static _Thread_local unsigned open_views;
static bool forked; /* an environment must not be used across fork() */

static void on_fork_child(void)
{
    forked = true;
}

static void watch_forks(void)
{
    PG_CHECK(pthread_atfork(NULL, NULL, on_fork_child) == 0);
}

/* ---- open, close ---- */

int index_check(const struct index_config *config, enum index_health *health_r, struct pg_err *err)
{
    struct stat st;
    char file[4096];
    pid_t child;
    int status;

    if (snprintf(file, sizeof(file), "%s/data.mdb", config->path) >= (int)sizeof(file))
        return pg_fail(err, PG_E_STORE_IO, "the path of the index is too long");
    if (lstat(file, &st) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        *health_r = INDEX_ABSENT;
        return 0;
    }
    child = fork();
    if (child < 0)
        return pg_fail(err, PG_E_STORE_IO,
                       "the index could not be checked: no process to do it in");
    if (child == 0) {
        (void)close_range(3, UINT_MAX, 0); /* the store's lock must not outlive its holder */
        _exit(index_check_child(config));
    }
    while (waitpid(child, &status, 0) < 0)
        PG_CHECK(errno == EINTR);
    if (WIFEXITED(status) && WEXITSTATUS(status) == INDEX_CHECK_NEWER)
        return pg_fail(err, PG_E_STORE_IO,
                       "the index %s is of a newer version of pullgate: use that version, or move "
                       "the directory away to have it rebuilt",
                       config->path);
    if (WIFEXITED(status) && WEXITSTATUS(status) == INDEX_CHECK_DENIED)
        return pg_fail(err, PG_E_STORE_IO, "the index %s cannot be opened: permission denied",
                       config->path);
    *health_r =
        WIFEXITED(status) && WEXITSTATUS(status) == INDEX_CHECK_FINE ? INDEX_SOUND : INDEX_DAMAGED;
    if (*health_r == INDEX_DAMAGED)
        pg_log_say(PG_LOG_WARN, PG_LOG_STORE, "the index %s is damaged (%s %d)", config->path,
                   WIFSIGNALED(status) ? "its reader died of signal" : "its reader found",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return 0;
}

static int open_env(struct index *index, struct pg_err *err)
{
    struct index_config config = {
        .path = index->path, .map_bytes = index->map_bytes, .read_only = index->read_only};
    int rc = index_row_env_open(&config, &index->env, index->tables);

    if (rc != 0) {
        index->env = NULL;
        return index_row_fail(index, rc, "open", err);
    }
    return 0;
}

/* ---- which tags name a digest ---- */

static int tag_by_digest(struct index_txn *txn, struct pg_err *err)
{
    struct index_view v = index_txn_view(txn);
    struct index_tag_row row;
    bool begun = false;
    int found;

    while ((found = index_next_tag(&v, begun ? &row : NULL, &row, err)) > 0) {
        begun = true;
        if (!row.damaged && index_row_put_tagged(txn, &row.repo, &row.tag.digest,
                                                 (struct sl){row.name, row.ntag}, err) < 0)
            return -1;
    }
    return found;
}

static int tag_by_past(struct index_txn *txn, struct pg_err *err)
{
    struct index_view v = index_txn_view(txn);
    struct key at = {0};
    struct index_row row;
    int found;

    while ((found = index_row_next(&v, INDEX_TABLE_PAST, &at, &row, err)) > 0) {
        struct key_repo repo;
        struct past past;
        struct sl body, tag;
        bool is_read = key_read_tag(row.key, &repo, &tag) == 0 &&
                       index_value_open(row.value, INDEX_TABLE_PAST, row.key, &body) == 0 &&
                       index_value_read_past(body, &past) == 0;

        at.n = row.key.n;
        memcpy(at.p, row.key.p, row.key.n);
        tag = (struct sl){at.p + KEY_REPO, at.n - KEY_REPO}; /* the row dies with the next change */
        for (size_t i = 0; is_read && i < past.n; i++)
            if (index_row_put_tagged(txn, &repo, &past.spells[i].digest, tag, err) < 0)
                return -1;
    }
    return found;
}

/* 1: it was made anew. An older release writes tags and knows nothing of this table. It leaves a
 * trace: the journal's number in the index has gone on, and TAGGED_SEQ has not. */
static int settle_tagged(struct index_txn *txn, struct pg_err *err)
{
    struct index_view v = index_txn_view(txn);
    uint64_t seq = 0;
    int found = index_get_meta(&v, TAGGED_SEQ, &seq, err), rc;

    if (found < 0 || (found > 0 && seq == txn->counts.journal))
        return found < 0 ? -1 : 0;
    rc = mdb_drop(txn->txn, txn->index->tables[INDEX_TABLE_TAGGED], 0);
    if (rc != 0)
        return index_row_fail(txn->index, rc, "empty", err);
    if (tag_by_digest(txn, err) < 0 || tag_by_past(txn, err) < 0)
        return -1;
    return index_put_meta(txn, TAGGED_SEQ, txn->counts.journal, err) < 0 ? -1 : 1;
}

/* The first time: says of what version the tables are. */
static int check_schema(struct index *index, struct pg_err *err)
{
    struct index_txn *txn;
    struct index_view v;
    uint64_t schema = 0;
    int found;

    if (index->read_only)
        return 0; /* index_check() has looked */
    if (index_txn_begin(index, &txn, err) < 0)
        return -1;
    v = index_txn_view(txn);
    found = index_get_meta(&v, SL(".schema"), &schema, err);
    if (found > 0 && schema != INDEX_SCHEMA)
        found = pg_fail(err, PG_E_STORE_IO, "the index %s is of version %" PRIu64 ", not %d",
                        index->path, schema, INDEX_SCHEMA);
    if (found == 0)
        found = index_put_meta(txn, SL(".schema"), INDEX_SCHEMA, err);
    if (found >= 0)
        found = settle_tagged(txn, err);
    if (found > 0)
        return index_txn_commit(txn, err);
    index_txn_abort(txn);
    return found;
}

int index_copy(struct index *index, const char *path, struct pg_err *err)
{
    int rc = PG_FAULT("index.copy") ? errno : mdb_env_copy2(index->env, path, MDB_CP_COMPACT);

    return rc == 0 ? 0 : index_row_fail(index, rc, "copy", err);
}

bool index_is_in_place(struct index *index)
{
    struct stat here, there;
    char file[4096];
    int fd = -1;

    return index->env != NULL && mdb_env_get_fd(index->env, &fd) == 0 && fstat(fd, &here) == 0 &&
           snprintf(file, sizeof(file), "%s/data.mdb", index->path) < (int)sizeof(file) &&
           lstat(file, &there) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

int index_open(const struct index_config *config, struct index **index_r, struct pg_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct index *index = aligned_alloc(_Alignof(struct index), sizeof(*index));

    PG_CHECK(pthread_once(&once, watch_forks) == 0);
    PG_CHECK(index != NULL);
    memset(index, 0, sizeof(*index));
    index->path = strdup(config->path);
    PG_CHECK(index->path != NULL);
    index->map_bytes = config->map_bytes;
    index->read_only = config->read_only;
    index->pid = getpid();
    if (!config->read_only && mkdir(config->path, 0700) < 0 && errno != EEXIST) {
        (void)index_row_fail(index, errno, "mkdir", err);
        index_close(index);
        return -1;
    }
    if (open_env(index, err) < 0 || check_schema(index, err) < 0) {
        index_close(index);
        return -1;
    }
    index_check_readers(index);
    *index_r = index;
    return 0;
}

static void close_env(struct index *index)
{
    for (unsigned i = 0; i < INDEX_ROW_SLOTS; i++) {
        MDB_txn *txn = atomic_exchange(&index->slots[i].txn, NULL);

        PG_CHECK(atomic_load(&index->slots[i].active) == 0);
        if (txn != NULL)
            mdb_txn_abort(txn);
    }
    if (index->env != NULL)
        mdb_env_close(index->env);
    index->env = NULL;
}

void index_close(struct index *index)
{
    if (index == NULL)
        return;
    PG_CHECK(index->pid == getpid());
    close_env(index);
    free(index->path);
    free(index);
}

void index_check_readers(struct index *index)
{
    int dead = 0;

    if (index->env != NULL && mdb_reader_check(index->env, &dead) == 0 && dead > 0)
        pg_log_say(PG_LOG_INFO, PG_LOG_STORE, "the index: %d readers that died were cleared", dead);
}

bool index_is_lost(struct index *index)
{
    return atomic_load(&index->lost) || index->env == NULL;
}

static unsigned views_active(struct index *index)
{
    unsigned n = 0;

    for (unsigned i = 0; i < INDEX_ROW_SLOTS; i++)
        n += atomic_load(&index->slots[i].active);
    return n;
}

/* A beginning view says "I am here" and then looks at closing; this sets closing and then looks
 * who is here: one of the two sees the other. */
int index_reopen(struct index *index, struct pg_err *err)
{
    uint64_t give_up_us = pg_clock_mono_us() + REOPEN_WAIT_US;
    int rc = 0;

    PG_CHECK(open_views == 0);
    atomic_store(&index->closing, true);
    while (views_active(index) > 0 && pg_clock_mono_us() < give_up_us)
        (void)sched_yield();
    if (views_active(index) > 0) {
        atomic_store(&index->closing, false);
        return pg_fail(err, PG_E_STORE_IO, "the index is in use and cannot be opened again yet");
    }
    close_env(index);
    rc = open_env(index, err);
    if (rc == 0)
        atomic_store(&index->lost, false);
    atomic_store(&index->closing, false);
    return rc;
}

/* ---- views ---- */

static unsigned slot_of_thread(void)
{
    static atomic_uint threads;
    static _Thread_local unsigned number; /* from 1 on */

    if (number == 0)
        number = 1 + atomic_fetch_add(&threads, 1) % INDEX_ROW_SLOTS;
    return number - 1;
}

static MDB_txn *begin_read(struct index *index, struct index_row_slot *slot)
{
    MDB_txn *txn = atomic_exchange(&slot->txn, NULL);
    int rc;

    if (index->env == NULL) /* a reopen failed; no transaction is left from before */
        return NULL;
    if (txn != NULL)
        rc = mdb_txn_renew(txn);
    else
        rc = mdb_txn_begin(index->env, NULL, MDB_RDONLY, &txn);
    if (rc == 0)
        return txn;
    if (rc == MDB_PANIC)
        atomic_store(&index->lost, true);
    if (txn != NULL)
        mdb_txn_abort(txn);
    return NULL;
}

struct index_view index_view_begin(struct index *index)
{
    struct index_view v = {.index = index, .slot = slot_of_thread()};
    struct index_row_slot *slot = &index->slots[v.slot];

    PG_CHECK(!forked);
    open_views++;
    (void)atomic_fetch_add(&slot->active, 1);
    v.began_us = pg_clock_mono_us();
    if (!atomic_load(&index->closing))
        v.txn = begin_read(index, slot);
    return v;
}

static void note_age(struct index *index, uint64_t age_us)
{
    uint64_t max = atomic_load_explicit(&index->txn_max_us, memory_order_relaxed);

    while (age_us > max)
        if (atomic_compare_exchange_weak(&index->txn_max_us, &max, age_us)) {
            pg_metric_set(PG_M_STORE_TXN_MAX_US, (int64_t)age_us);
            return;
        }
}

void index_view_end(struct index_view *v)
{
    struct index_row_slot *slot;
    MDB_txn *none = NULL;

    if (v->index == NULL)
        return;
    PG_CHECK(v->slot != NO_SLOT && open_views > 0);
    slot = &v->index->slots[v->slot];
    if (v->txn != NULL) {
        mdb_txn_reset(v->txn);
        note_age(v->index, pg_clock_mono_us() - v->began_us);
        if (!atomic_compare_exchange_strong(&slot->txn, &none, v->txn))
            mdb_txn_abort(v->txn);
    }
    (void)atomic_fetch_sub(&slot->active, 1);
    open_views--;
    *v = (struct index_view){0};
}

unsigned index_open_views(void)
{
    return open_views;
}

/* ---- write transactions ---- */

static int load_counts(struct index_txn *txn, struct pg_err *err)
{
    struct index_view v = index_txn_view(txn);

    if (index_get_counts(&v, &txn->counts, err) < 0)
        return -1;
    txn->before = txn->counts;
    return 0;
}

int index_txn_begin(struct index *index, struct index_txn **txn_r, struct pg_err *err)
{
    struct index_txn *txn;
    int rc;

    PG_CHECK(!forked && !index->read_only);
    if (index->env == NULL) {
        (void)index_row_fail(index, MDB_PANIC, "begin", err);
        return -1;
    }
    txn = calloc(1, sizeof(*txn));
    PG_CHECK(txn != NULL);
    txn->index = index;
    pg_buf_init(&txn->value, INDEX_VALUE_MAX);
    rc = PG_FAULT("index.begin") ? MDB_PANIC : mdb_txn_begin(index->env, NULL, 0, &txn->txn);
    if (rc != 0) {
        txn->txn = NULL;
        index_txn_abort(txn);
        (void)index_row_fail(index, rc, "begin", err);
        return -1;
    }
    if (load_counts(txn, err) < 0) {
        index_txn_abort(txn);
        return -1;
    }
    *txn_r = txn;
    return 0;
}

static int store_count(struct index_txn *txn, struct sl name, uint64_t now, uint64_t before,
                       struct pg_err *err)
{
    return now == before ? 0 : index_put_meta(txn, name, now, err);
}

static int store_counts(struct index_txn *txn, struct pg_err *err)
{
    const struct index_counts *now = &txn->counts, *was = &txn->before;

    if (store_count(txn, SL(".blobs"), now->blobs, was->blobs, err) < 0 ||
        store_count(txn, SL(".bytes"), now->bytes, was->bytes, err) < 0 ||
        store_count(txn, SL(".events"), now->events, was->events, err) < 0)
        return -1;
    if (store_count(txn, TAGGED_SEQ, now->journal, was->journal, err) < 0)
        return -1;
    return store_count(txn, SL(".journal"), now->journal, was->journal, err);
}

int index_txn_commit(struct index_txn *txn, struct pg_err *err)
{
    struct index *index = txn->index;
    int rc = 0;

    if (store_counts(txn, err) < 0) {
        index_txn_abort(txn);
        return -1;
    }
    if (PG_FAULT("index.commit"))
        rc = errno;
    if (rc == 0) {
        rc = mdb_txn_commit(txn->txn);
        txn->txn = NULL; /* gone, whatever it said */
    }
    index_txn_abort(txn);
    if (rc != 0)
        return index_row_fail(index, rc, "commit", err);
    pg_metric_inc(PG_M_STORE_COMMITS);
    return 0;
}

void index_txn_abort(struct index_txn *txn)
{
    if (txn->txn != NULL)
        mdb_txn_abort(txn->txn);
    pg_buf_free(&txn->value);
    free(txn);
}

struct index_view index_txn_view(struct index_txn *txn)
{
    return (struct index_view){.index = txn->index, .txn = txn->txn, .slot = NO_SLOT};
}

struct index_counts index_txn_counts(const struct index_txn *txn)
{
    return txn->counts;
}

void index_txn_set_journal(struct index_txn *txn, uint64_t seq)
{
    txn->counts.journal = seq;
}

void index_txn_set_blobs(struct index_txn *txn, uint64_t blobs, uint64_t bytes)
{
    txn->counts.blobs = blobs;
    txn->counts.bytes = bytes;
}

/* ---- lookups ---- */

/* A row whose checksum is right and whose fields are not was made by another program. */
static int got(struct index_view *v, int read, struct pg_err *err)
{
    return read == 0 ? 1 : index_row_fail(v->index, MDB_CORRUPTED, "a row of a wrong form", err);
}

int index_get_blob(struct index_view *v, const struct digest *d, struct index_blob *r,
                   struct pg_err *err)
{
    struct key key = key_of_digest(d);
    struct sl body;
    int found = index_row_get(v, INDEX_TABLE_BLOB, &key, &body, err);

    return found > 0 ? got(v, index_value_read_blob(body, r), err) : found;
}

int index_get_manifest(struct index_view *v, const struct digest *d, struct index_manifest *r,
                       struct pg_err *err)
{
    struct key key = key_of_digest(d);
    struct sl body;
    int found = index_row_get(v, INDEX_TABLE_MANIFEST, &key, &body, err);

    return found > 0 ? got(v, index_value_read_manifest(body, r), err) : found;
}

int index_get_link(struct index_view *v, struct sl repo, const struct digest *d,
                   struct index_link *r, struct pg_err *err)
{
    struct key_repo hashed = key_repo_of(repo);
    struct key key = key_of_link(&hashed, d);
    struct sl body;
    int found = index_row_get(v, INDEX_TABLE_LINK, &key, &body, err);

    return found > 0 ? got(v, index_value_read_link(body, r), err) : found;
}

int index_get_tag(struct index_view *v, struct sl repo, struct sl tag, struct index_tag *r,
                  struct pg_err *err)
{
    struct key_repo hashed = key_repo_of(repo);
    struct key key = key_of_tag(&hashed, tag);
    struct sl body;
    int found = index_row_get(v, INDEX_TABLE_TAG, &key, &body, err);

    return found > 0 ? got(v, index_value_read_tag(body, r), err) : found;
}

int index_get_edge(struct index_view *v, const struct index_edge *e, struct pg_err *err)
{
    struct key key = key_of_edge(&e->parent, (uint8_t)e->kind, &e->child);
    struct sl body;

    return index_row_get(v, INDEX_TABLE_EDGE, &key, &body, err);
}

int index_get_memo(struct index_view *v, const struct digest *d, struct sl kind,
                   struct index_memo *r, struct pg_err *err)
{
    struct key key = key_of_memo(d, kind);
    struct sl body;
    int found = index_row_get(v, INDEX_TABLE_MEMO, &key, &body, err);

    return found > 0 ? got(v, index_value_read_memo(body, r), err) : found;
}

int index_next_memo(struct index_view *v, const struct digest *d, struct sl after,
                    struct sl *kind_r, struct index_memo *r, struct pg_err *err)
{
    struct key at = key_of_memo(d, after);
    struct index_row row;
    struct digest of;
    int found = index_row_next(v, INDEX_TABLE_MEMO, &at, &row, err);

    if (found <= 0)
        return found;
    if (key_read_memo(row.key, &of, kind_r) < 0 || !digest_eq(&of, d))
        return 0;
    return index_get_memo(v, d, *kind_r, r, err);
}

int index_get_repo(struct index_view *v, const struct key_repo *repo, struct sl *name_r,
                   struct pg_err *err)
{
    struct key key = key_of_repo(repo);

    return index_row_get(v, INDEX_TABLE_REPO, &key, name_r, err);
}

int index_get_meta(struct index_view *v, struct sl name, uint64_t *value_r, struct pg_err *err)
{
    struct key key = key_of_name(name);
    struct sl body;
    int found = index_row_get(v, INDEX_TABLE_META, &key, &body, err);

    return found > 0 ? got(v, index_value_read_u64(body, value_r), err) : found;
}

int index_get_counts(struct index_view *v, struct index_counts *r, struct pg_err *err)
{
    struct index_counts c = {0};

    if (index_get_meta(v, SL(".blobs"), &c.blobs, err) < 0 ||
        index_get_meta(v, SL(".bytes"), &c.bytes, err) < 0 ||
        index_get_meta(v, SL(".events"), &c.events, err) < 0 ||
        index_get_meta(v, SL(".journal"), &c.journal, err) < 0)
        return -1;
    *r = c;
    return 0;
}
