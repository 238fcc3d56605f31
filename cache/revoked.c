/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/revoked.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "cache/journal.h"
#include "cache/writer.h"

#define KEY_MAX (1 + JOURNAL_REPO_MAX + DIGEST_TEXT_MAX)

struct node {
    struct pg_map_node in_map;
    struct revoked_entry entry; /* texts behind it */
    char key[KEY_MAX];
};

struct revoked {
    pthread_mutex_t lock;
    struct pg_map map;
    atomic_uint counts[REVOKED_KINDS];
};

static const char *const prefixes[REVOKED_KINDS] = {[REVOKED_DIGEST] = "",
                                                    [REVOKED_KEY] = "key:",
                                                    [REVOKED_IDENTITY] = "identity:",
                                                    [REVOKED_REPOSITORY] = ""};

struct revoked *revoked_new(void)
{
    struct revoked *r = calloc(1, sizeof(*r));

    PG_CHECK(r != NULL && pthread_mutex_init(&r->lock, NULL) == 0);
    pg_map_init(&r->map);
    return r;
}

static void lock(struct revoked *r)
{
    PG_CHECK(pthread_mutex_lock(&r->lock) == 0);
}

static void unlock(struct revoked *r)
{
    PG_CHECK(pthread_mutex_unlock(&r->lock) == 0);
}

static void forget(struct revoked *r, struct node *n)
{
    pg_map_remove(&r->map, &n->in_map);
    (void)atomic_fetch_sub(&r->counts[n->entry.kind], 1);
    free((void *)(uintptr_t)n->entry.what.p);
    free((void *)(uintptr_t)n->entry.reason.p);
    free((void *)(uintptr_t)n->entry.by.p);
    free(n);
}

static void forget_all(struct revoked *r)
{
    for (struct pg_map_node *n = pg_map_next(&r->map, NULL); n != NULL;) {
        struct pg_map_node *next = pg_map_next(&r->map, n);

        forget(r, pg_container_of(n, struct node, in_map));
        n = next;
    }
}

void revoked_free(struct revoked *r)
{
    if (r == NULL)
        return;
    forget_all(r);
    pg_map_free(&r->map);
    PG_CHECK(pthread_mutex_destroy(&r->lock) == 0);
    free(r);
}

/* ---- in memory ----------------------------------------------------------------------------- */

static struct sl key_of(enum revoked_kind kind, struct sl what, char out[KEY_MAX])
{
    if (what.n >= KEY_MAX)
        return (struct sl){NULL, 0};
    out[0] = (char)kind;
    memcpy(out + 1, what.p, what.n);
    return (struct sl){out, 1 + what.n};
}

static struct sl kept(struct sl s)
{
    return (struct sl){sl_dup(s), s.n};
}

/* Revoked again: the newest reason counts. */
static void put(struct revoked *r, const struct revoked_entry *e)
{
    struct node *n = calloc(1, sizeof(*n));
    struct pg_map_node *old;
    struct sl key;

    PG_CHECK(n != NULL);
    key = key_of(e->kind, e->what, n->key);
    PG_CHECK(key.p != NULL);
    n->entry =
        (struct revoked_entry){e->kind, kept(e->what), kept(e->reason), kept(e->by), e->when_s};
    lock(r);
    old = pg_map_get(&r->map, key);
    if (old != NULL)
        forget(r, pg_container_of(old, struct node, in_map));
    pg_map_put(&r->map, &n->in_map, key);
    (void)atomic_fetch_add(&r->counts[e->kind], 1);
    unlock(r);
}

static void drop(struct revoked *r, enum revoked_kind kind, struct sl what)
{
    char text[KEY_MAX];
    struct sl key = key_of(kind, what, text);
    struct pg_map_node *old;

    lock(r);
    old = key.p != NULL ? pg_map_get(&r->map, key) : NULL;
    if (old != NULL)
        forget(r, pg_container_of(old, struct node, in_map));
    unlock(r);
}

static struct revoked_entry copy(const struct revoked_entry *e, struct pg_arena *arena)
{
    return (struct revoked_entry){e->kind, pg_copy(arena, e->what), pg_copy(arena, e->reason),
                                  pg_copy(arena, e->by), e->when_s};
}

bool revoked_any(const struct store *s, enum revoked_kind kind)
{
    return s->revoked != NULL && atomic_load(&s->revoked->counts[kind]) > 0;
}

bool revoked_find(struct store *s, enum revoked_kind kind, struct sl what, struct pg_arena *arena,
                  struct revoked_entry *e_r)
{
    char text[KEY_MAX];
    struct sl key;
    struct pg_map_node *n;

    if (!revoked_any(s, kind))
        return false;
    key = key_of(kind, what, text);
    lock(s->revoked);
    n = key.p != NULL ? pg_map_get(&s->revoked->map, key) : NULL;
    if (n != NULL)
        *e_r = copy(&pg_container_of(n, struct node, in_map)->entry, arena);
    unlock(s->revoked);
    return n != NULL;
}

bool revoked_find_digest(struct store *s, const struct digest *sha256, struct pg_arena *arena,
                         struct revoked_entry *e_r)
{
    char text[DIGEST_TEXT_MAX];

    return revoked_any(s, REVOKED_DIGEST) &&
           revoked_find(s, REVOKED_DIGEST, digest_write(sha256, text), arena, e_r);
}

size_t revoked_list(struct store *s, struct pg_arena *arena, const struct revoked_entry **all_r)
{
    struct revoked *r = s->revoked;
    struct revoked_entry *all;
    size_t n = 0;

    lock(r);
    all = pg_alloc(arena, r->map.n * sizeof(*all) + 1);
    for (struct pg_map_node *i = pg_map_next(&r->map, NULL); i != NULL; i = pg_map_next(&r->map, i))
        all[n++] = copy(&pg_container_of(i, struct node, in_map)->entry, arena);
    unlock(r);
    *all_r = all;
    return n;
}

size_t revoked_digests(struct store *s, struct digest *all, size_t max)
{
    struct revoked *r = s->revoked;
    struct pg_err ignored = {0};
    size_t n = 0;

    lock(r);
    for (struct pg_map_node *i = pg_map_next(&r->map, NULL); i != NULL;
         i = pg_map_next(&r->map, i)) {
        const struct revoked_entry *e = &pg_container_of(i, struct node, in_map)->entry;

        if (e->kind == REVOKED_DIGEST &&
            (n >= max || digest_parse(e->what, &all[n], &ignored) == 0))
            n++;
        pg_err_clear(&ignored);
    }
    unlock(r);
    return n;
}

/* ---- in the journal ------------------------------------------------------------------------ */

/* "who\nwhy" */
static void read_more(struct sl more, struct revoked_entry *e)
{
    const char *end = more.n > 0 ? memchr(more.p, '\n', more.n) : NULL;
    size_t n = end != NULL ? (size_t)(end - more.p) : 0;

    e->by = (struct sl){more.p, n};
    e->reason = end != NULL ? (struct sl){end + 1, more.n - n - 1} : more;
}

static bool read_kind(const struct journal_record *j, char digest[DIGEST_TEXT_MAX],
                      struct revoked_entry *e)
{
    for (enum revoked_kind k = REVOKED_KEY; k <= REVOKED_IDENTITY; k++) {
        struct sl prefix = sl_str(prefixes[k]);

        if (sl_starts(j->name, prefix) && j->name.n > prefix.n) {
            e->kind = k;
            e->what = (struct sl){j->name.p + prefix.n, j->name.n - prefix.n};
            return true;
        }
    }
    if (j->has_digest) {
        e->kind = REVOKED_DIGEST;
        e->what = digest_write(&j->digest, digest);
        return true;
    }
    e->kind = REVOKED_REPOSITORY;
    e->what = j->repo;
    return j->repo.n > 0;
}

static int take(void *arg, const struct journal_record *j, struct pg_err *err)
{
    struct revoked *r = arg;
    struct revoked_entry e = {.when_s = j->when_s};
    char digest[DIGEST_TEXT_MAX];

    (void)err;
    if ((j->kind != JOURNAL_REVOKE && j->kind != JOURNAL_UNREVOKE) || !read_kind(j, digest, &e))
        return 0;
    read_more(j->more, &e);
    if (j->kind == JOURNAL_REVOKE)
        put(r, &e);
    else
        drop(r, e.kind, e.what);
    return 0;
}

static void swap_with(struct revoked *r, struct revoked *read)
{
    struct pg_map map = read->map;

    lock(r);
    read->map = r->map;
    r->map = map;
    for (size_t k = 0; k < REVOKED_KINDS; k++)
        atomic_store(&read->counts[k],
                     atomic_exchange(&r->counts[k], atomic_load(&read->counts[k])));
    unlock(r);
}

int revoked_load(struct store *s, struct pg_err *err)
{
    struct revoked *read = revoked_new();
    int rc = journal_read(s->journal, 0, take, read, err);

    if (rc == 0)
        swap_with(s->revoked, read);
    revoked_free(read);
    return rc;
}

struct change {
    struct writer_op op;
    struct store *store;
    const struct revoked_entry *entry;
    bool revoke;
    char name[JOURNAL_NAME_MAX], more[REVOKED_BY_MAX + 1 + REVOKED_REASON_MAX];
    struct journal_record record;
};

static int apply(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct change *c = pg_container_of(op, struct change, op);

    (void)txn;
    return journal_append(c->store->journal, &c->record, err);
}

/* Durable, and in force before any later operation. */
static void settle(struct writer_op *op)
{
    struct change *c = pg_container_of(op, struct change, op);

    if (c->revoke)
        put(c->store->revoked, c->entry);
    else
        drop(c->store->revoked, c->entry->kind, c->entry->what);
}

static size_t join(char *out, size_t max, struct sl a, struct sl b)
{
    PG_CHECK(a.n + b.n <= max);
    if (a.n > 0)
        memcpy(out, a.p, a.n);
    if (b.n > 0)
        memcpy(out + a.n, b.p, b.n);
    return a.n + b.n;
}

static int write_record(struct change *c, struct pg_err *err)
{
    const struct revoked_entry *e = c->entry;
    struct journal_record *j = &c->record;
    size_t n;

    *j = (struct journal_record){.kind = c->revoke ? JOURNAL_REVOKE : JOURNAL_UNREVOKE,
                                 .when_s = e->when_s};
    n = join(c->more, sizeof(c->more), e->by, SL("\n"));
    n += join(c->more + n, sizeof(c->more) - n, e->reason, SL(""));
    j->more = (struct sl){c->more, n};
    if (e->kind == REVOKED_REPOSITORY) {
        j->repo = e->what;
        return 0;
    }
    if (e->kind == REVOKED_DIGEST) {
        j->has_digest = true;
        return digest_parse(e->what, &j->digest, err);
    }
    n = join(c->name, sizeof(c->name), sl_str(prefixes[e->kind]), e->what);
    j->name = (struct sl){c->name, n};
    return 0;
}

static int check(struct store *s, const struct revoked_entry *e, bool revoke, struct pg_err *err)
{
    size_t max = e->kind == REVOKED_REPOSITORY ? JOURNAL_REPO_MAX : REVOKED_WHAT_MAX;
    bool is_there, is_full;
    char text[KEY_MAX];

    if (e->what.n == 0 || e->what.n > max || e->reason.n > REVOKED_REASON_MAX ||
        e->by.n > REVOKED_BY_MAX || (e->by.n > 0 && memchr(e->by.p, '\n', e->by.n) != NULL))
        return pg_fail(err, PG_E_NAME_INVALID,
                       "what is revoked has 1 to %zu characters, its reason at most %d", max,
                       REVOKED_REASON_MAX);
    lock(s->revoked);
    is_there = pg_map_get(&s->revoked->map, key_of(e->kind, e->what, text)) != NULL;
    is_full = s->revoked->map.n >= REVOKED_MAX;
    unlock(s->revoked);
    if (revoke && !is_there && is_full)
        return pg_fail(err, PG_E_DENIED, "more than %d things are revoked: write a rule instead",
                       REVOKED_MAX);
    if (!revoke && !is_there)
        return pg_fail(err, PG_E_NAME_UNKNOWN, SL_FMT " is not revoked", SL_ARG(e->what));
    return 0;
}

int revoked_change(struct store *s, const struct revoked_entry *e, bool revoke, struct pg_err *err)
{
    struct change *c;
    int rc;

    if (check(s, e, revoke, err) < 0)
        return -1;
    c = calloc(1, sizeof(*c));
    PG_CHECK(c != NULL);
    c->store = s;
    c->entry = e;
    c->revoke = revoke;
    c->op = (struct writer_op){.apply = apply, .settle = settle};
    rc = write_record(c, err);
    if (rc == 0)
        rc = writer_do(s->writer, &c->op, err);
    free(c);
    return rc;
}
