/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/access.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metric.h"
#include "cache/index_int.h"
#include "cache/overlay_int.h"
#include "cache/writer.h"

#define KIND       SL("access")
#define MEMO_BYTES 9 /* 'W' or 'P', and the time, big endian */

struct entry {
    struct pg_map_node node;
    struct pg_list order;
    struct access access;
    int64_t kept_s; /* at_s of what is in the index; 0: nothing is */
    uint64_t silent_until_ms;
    char repo[];
};

struct access_table {
    pthread_mutex_t lock;
    struct pg_map all;
    struct pg_list order;
};

/* One write to the index. */
struct note {
    struct writer_op op;
    struct digest key;
    char bytes[MEMO_BYTES];
};

struct access_table *access_new(void)
{
    struct access_table *t = calloc(1, sizeof(*t));

    PG_CHECK(t != NULL && pthread_mutex_init(&t->lock, NULL) == 0);
    pg_map_init(&t->all);
    pg_list_init(&t->order);
    return t;
}

static void drop(struct access_table *t, struct entry *e)
{
    pg_map_remove(&t->all, &e->node);
    pg_list_remove(&e->order);
    free(e);
}

void access_free(struct access_table *t)
{
    if (t == NULL)
        return;
    pg_list_each_safe (it, next, &t->order) {
        drop(t, pg_container_of(it, struct entry, order));
    }
    pg_map_free(&t->all);
    PG_CHECK(pthread_mutex_destroy(&t->lock) == 0);
    free(t);
}

static void lock(struct access_table *t)
{
    PG_CHECK(pthread_mutex_lock(&t->lock) == 0);
}

static void unlock(struct access_table *t)
{
    PG_CHECK(pthread_mutex_unlock(&t->lock) == 0);
}

static struct entry *find(struct access_table *t, struct sl repo)
{
    struct pg_map_node *node = pg_map_get(&t->all, repo);

    return node == NULL ? NULL : pg_container_of(node, struct entry, node);
}

/* There is none yet. Under the lock. */
static struct entry *add(struct access_table *t, struct sl repo)
{
    struct entry *e;

    if (t->all.n >= ACCESS_MAX)
        drop(t, pg_container_of(t->order.next, struct entry, order));
    e = calloc(1, sizeof(*e) + repo.n);
    PG_CHECK(e != NULL);
    memcpy(e->repo, repo.p, repo.n);
    pg_list_init(&e->order);
    pg_list_push(&t->order, &e->order);
    pg_map_put(&t->all, &e->node, (struct sl){e->repo, repo.n});
    return e;
}

static struct digest key_of(struct sl repo)
{
    return digest_of(PG_SHA256, repo);
}

/* A row of another form says nothing. */
static int read_memo(struct store *s, struct sl repo, struct access *r, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    struct digest key = key_of(repo);
    struct index_memo memo;
    int found = index_get_memo(&v, &key, KIND, &memo, err);
    uint64_t at = 0;

    *r = (struct access){0};
    if (found <= 0)
        return found;
    if (memo.bytes.n != MEMO_BYTES)
        return 0;
    for (size_t i = 1; i < MEMO_BYTES; i++)
        at = at << 8 | (unsigned char)memo.bytes.p[i];
    *r = (struct access){.withdrawn = memo.bytes.p[0] == 'W', .at_s = (int64_t)at};
    return 1;
}

static struct access seen(const struct entry *e)
{
    struct access a = e->access;

    a.silent = e->silent_until_ms != 0 && pg_clock_mono_ms() < e->silent_until_ms;
    return a;
}

int access_look(struct store *s, struct sl repo, struct access *r, struct pg_err *err)
{
    struct access_table *t = overlay_access(s->overlay);
    struct access kept;
    struct entry *e;

    lock(t);
    e = find(t, repo);
    if (e != NULL)
        *r = seen(e);
    unlock(t);
    if (e != NULL)
        return 0;
    if (read_memo(s, repo, &kept, err) < 0)
        return -1;
    lock(t);
    e = find(t, repo);
    if (e == NULL) {
        e = add(t, repo);
        e->access = kept;
        e->kept_s = kept.at_s;
    }
    *r = seen(e);
    unlock(t);
    return 0;
}

void access_silent(struct store *s, struct sl repo)
{
    struct access_table *t = overlay_access(s->overlay);
    struct entry *e;

    lock(t);
    e = find(t, repo);
    if (e != NULL) /* who asked has looked */
        e->silent_until_ms = pg_clock_mono_ms() + ACCESS_SILENT_MS;
    unlock(t);
}

static int apply(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct note *n = pg_container_of(op, struct note, op);
    struct index_memo memo = {.expires_s = INT64_MAX, .bytes = {n->bytes, MEMO_BYTES}};

    return index_put_memo(txn, &n->key, KIND, &memo, err);
}

static void on_written(struct writer_op *op)
{
    struct note *n = pg_container_of(op, struct note, op);

    if (op->err.kind != PG_E_NONE)
        pg_metric_inc(PG_M_STORE_ERRORS);
    pg_err_clear(&op->err);
    free(n);
}

static void write_memo(struct store *s, struct sl repo, const struct access *a)
{
    struct note *n = calloc(1, sizeof(*n));

    PG_CHECK(n != NULL);
    n->key = key_of(repo);
    n->bytes[0] = a->withdrawn ? 'W' : 'P';
    for (size_t i = 1; i < MEMO_BYTES; i++)
        n->bytes[i] = (char)((uint64_t)a->at_s >> (8 * (MEMO_BYTES - 1 - i)));
    n->op = (struct writer_op){.apply = apply, .done = on_written};
    writer_post(s->writer, &n->op);
}

void access_note(struct store *s, struct sl repo, bool withdrawn, int64_t now_s)
{
    struct access_table *t = overlay_access(s->overlay);
    struct access before = {0}, now = {.withdrawn = withdrawn, .at_s = now_s};
    struct pg_err ignored = {0};
    struct entry *e;
    bool is_news;

    /* what cannot be read is written anew */
    if (access_look(s, repo, &before, &ignored) < 0)
        pg_err_clear(&ignored);
    lock(t);
    e = find(t, repo);
    if (e == NULL)
        e = add(t, repo);
    is_news = e->access.withdrawn != withdrawn || e->kept_s == 0 || now_s < e->kept_s ||
              now_s - e->kept_s >= ACCESS_KEPT_S;
    before = e->access;
    e->access = now;
    e->silent_until_ms = 0;
    if (is_news)
        e->kept_s = now_s;
    unlock(t);
    if (before.withdrawn != withdrawn)
        pg_log_say(PG_LOG_WARN, PG_LOG_UPSTREAM,
                   withdrawn ? "upstream does not let us read " SL_FMT " any more"
                             : "upstream lets us read " SL_FMT " again",
                   SL_ARG(repo));
    if (is_news)
        write_memo(s, repo, &now);
}
