/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/revoked.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/list.h"
#include "cache/revoked_int.h"
#include "cache/revoked_shared.h"
#include "cache/writer.h"

static const char *const prefixes[REVOKED_KINDS] = {[REVOKED_DIGEST] = "",
                                                    [REVOKED_KEY] = "key:",
                                                    [REVOKED_IDENTITY] = "identity:",
                                                    [REVOKED_REPOSITORY] = ""};

struct revoked *revoked_new(void)
{
    struct revoked *r = calloc(1, sizeof(*r));

    PG_CHECK(r != NULL && pthread_mutex_init(&r->lock, NULL) == 0);
    pg_map_init(&r->local.map);
    return r;
}

void revoked_lock(struct revoked *r)
{
    PG_CHECK(pthread_mutex_lock(&r->lock) == 0);
}

void revoked_unlock(struct revoked *r)
{
    PG_CHECK(pthread_mutex_unlock(&r->lock) == 0);
}

static void forget(struct revoked *r, struct revoked_set *set, struct revoked_node *n)
{
    pg_map_remove(&set->map, &n->in_map);
    (void)atomic_fetch_sub(&r->counts[n->entry.kind], 1);
    free((void *)(uintptr_t)n->entry.what.p);
    free((void *)(uintptr_t)n->entry.reason.p);
    free((void *)(uintptr_t)n->entry.by.p);
    free(n);
}

static void forget_all(struct revoked *r, struct revoked_set *set)
{
    for (struct pg_map_node *n = pg_map_next(&set->map, NULL); n != NULL;) {
        struct pg_map_node *next = pg_map_next(&set->map, n);

        forget(r, set, pg_container_of(n, struct revoked_node, in_map));
        n = next;
    }
    pg_map_free(&set->map);
}

void revoked_free(struct revoked *r)
{
    if (r == NULL)
        return;
    forget_all(r, &r->local);
    for (struct revoked_set *set = r->local.next; set != NULL;) {
        struct revoked_set *next = set->next;

        forget_all(r, set);
        free(set);
        set = next;
    }
    revoked_shared_close(r);
    PG_CHECK(pthread_mutex_destroy(&r->lock) == 0);
    free(r);
}

/* ---- in memory ----------------------------------------------------------------------------- */

struct sl revoked_key(enum revoked_kind kind, struct sl what, char out[REVOKED_KEY_MAX])
{
    if (what.n >= REVOKED_KEY_MAX)
        return (struct sl){NULL, 0};
    out[0] = (char)kind;
    memcpy(out + 1, what.p, what.n);
    return (struct sl){out, 1 + what.n};
}

struct revoked_set *revoked_find_set(struct revoked *r, struct sl feed)
{
    struct revoked_set *set = &r->local;

    while (set != NULL && !sl_eq(sl_str(set->name), feed))
        set = set->next;
    return set;
}

struct revoked_set *revoked_make_set(struct revoked *r, struct sl feed)
{
    struct revoked_set *set = revoked_find_set(r, feed);

    if (set != NULL)
        return set;
    set = calloc(1, sizeof(*set));
    PG_CHECK(set != NULL && feed.n < sizeof(set->name));
    memcpy(set->name, feed.p, feed.n);
    pg_map_init(&set->map);
    set->next = r->local.next;
    r->local.next = set;
    return set;
}

/* "feed NAME": NAME. Anything else is of the set "", the operators'. */
static struct sl feed_of(struct sl by)
{
    struct sl prefix = SL(REVOKED_FEED_BY);

    return sl_starts(by, prefix) && by.n - prefix.n <= REVOKED_FEED_NAME_MAX
               ? (struct sl){by.p + prefix.n, by.n - prefix.n}
               : SL("");
}

static struct sl kept(struct sl s)
{
    return (struct sl){sl_dup(s), s.n};
}

/* Revoked again: the newest reason counts. */
void revoked_put(struct revoked *r, const struct revoked_entry *e)
{
    struct revoked_node *n = calloc(1, sizeof(*n));
    struct revoked_set *set;
    struct pg_map_node *old;
    struct sl key;

    PG_CHECK(n != NULL);
    key = revoked_key(e->kind, e->what, n->key);
    PG_CHECK(key.p != NULL);
    n->entry =
        (struct revoked_entry){e->kind, kept(e->what), kept(e->reason), kept(e->by), e->when_s};
    revoked_lock(r);
    set = revoked_make_set(r, feed_of(e->by));
    old = pg_map_get(&set->map, key);
    if (old != NULL)
        forget(r, set, pg_container_of(old, struct revoked_node, in_map));
    pg_map_put(&set->map, &n->in_map, key);
    (void)atomic_fetch_add(&r->counts[e->kind], 1);
    revoked_unlock(r);
}

void revoked_drop(struct revoked *r, const struct revoked_entry *e)
{
    char text[REVOKED_KEY_MAX];
    struct sl key = revoked_key(e->kind, e->what, text);
    struct revoked_set *set;
    struct pg_map_node *old;

    revoked_lock(r);
    set = revoked_find_set(r, feed_of(e->by));
    old = set != NULL && key.p != NULL ? pg_map_get(&set->map, key) : NULL;
    if (old != NULL)
        forget(r, set, pg_container_of(old, struct revoked_node, in_map));
    revoked_unlock(r);
}

static struct revoked_entry copy(struct pg_map_node *n, struct pg_arena *arena)
{
    const struct revoked_entry *e = &pg_container_of(n, struct revoked_node, in_map)->entry;

    return (struct revoked_entry){e->kind, pg_copy(arena, e->what), pg_copy(arena, e->reason),
                                  pg_copy(arena, e->by), e->when_s};
}

bool revoked_any(const struct store *s, enum revoked_kind kind)
{
    return s->revoked != NULL && atomic_load(&s->revoked->counts[kind]) > 0;
}

/* In any set; under the lock. */
static struct pg_map_node *look(struct revoked *r, struct sl key)
{
    struct pg_map_node *n = NULL;

    for (struct revoked_set *set = &r->local; n == NULL && set != NULL; set = set->next)
        n = pg_map_get(&set->map, key);
    return n;
}

bool revoked_find(struct store *s, enum revoked_kind kind, struct sl what, struct pg_arena *arena,
                  struct revoked_entry *e_r)
{
    char text[REVOKED_KEY_MAX];
    struct sl key;
    struct pg_map_node *n;

    if (!revoked_any(s, kind))
        return false;
    key = revoked_key(kind, what, text);
    revoked_lock(s->revoked);
    n = key.p != NULL ? look(s->revoked, key) : NULL;
    if (n != NULL)
        *e_r = copy(n, arena);
    revoked_unlock(s->revoked);
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
    size_t n = 0, most = 0;

    revoked_lock(r);
    for (const struct revoked_set *set = &r->local; set != NULL; set = set->next)
        most += set->map.n;
    all = pg_alloc(arena, most * sizeof(*all) + 1);
    for (struct revoked_set *set = &r->local; set != NULL; set = set->next)
        for (struct pg_map_node *i = pg_map_next(&set->map, NULL); i != NULL;
             i = pg_map_next(&set->map, i))
            all[n++] = copy(i, arena);
    revoked_unlock(r);
    *all_r = all;
    return n;
}

static size_t add_digests(const struct revoked_set *set, struct digest *all, size_t max, size_t n)
{
    struct pg_err ignored = {0};

    for (struct pg_map_node *i = pg_map_next(&set->map, NULL); i != NULL;
         i = pg_map_next(&set->map, i)) {
        const struct revoked_entry *e = &pg_container_of(i, struct revoked_node, in_map)->entry;

        if (e->kind == REVOKED_DIGEST &&
            (n >= max || digest_parse(e->what, &all[n], &ignored) == 0))
            n++;
        pg_err_clear(&ignored);
    }
    return n;
}

size_t revoked_digests(struct store *s, struct digest *all, size_t max)
{
    size_t n = 0;

    revoked_lock(s->revoked);
    for (const struct revoked_set *set = &s->revoked->local; set != NULL; set = set->next)
        n = add_digests(set, all, max, n);
    revoked_unlock(s->revoked);
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
    if (j->kind == JOURNAL_FEED)
        revoked_feed_take(r, j);
    if ((j->kind != JOURNAL_REVOKE && j->kind != JOURNAL_UNREVOKE) || !read_kind(j, digest, &e))
        return 0;
    read_more(j->more, &e);
    if (j->kind == JOURNAL_REVOKE)
        revoked_put(r, &e);
    else
        revoked_drop(r, &e);
    return 0;
}

static void swap_with(struct revoked *r, struct revoked *read)
{
    struct revoked_set local = read->local;

    revoked_lock(r);
    read->local = r->local;
    r->local = local;
    for (size_t k = 0; k < REVOKED_KINDS; k++)
        atomic_store(&read->counts[k],
                     atomic_exchange(&r->counts[k], atomic_load(&read->counts[k])));
    revoked_unlock(r);
}

int revoked_read(struct revoked *r, struct journal *journal, struct pg_err *err)
{
    struct revoked *read = revoked_new();
    int rc = journal_read(journal, 0, take, read, err);

    if (rc == 0)
        swap_with(r, read);
    revoked_free(read);
    return rc;
}

int revoked_load(struct store *s, struct pg_err *err)
{
    return revoked_read(s->revoked, s->journal, err);
}

struct change {
    struct writer_op op;
    struct store *store;
    const struct revoked_entry *entry;
    bool revoke;
};

static int apply(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct change *c = pg_container_of(op, struct change, op);

    (void)txn;
    return revoked_append(c->store->journal, c->entry, c->revoke, err);
}

/* Durable, and in force before any later operation. */
static void settle(struct writer_op *op)
{
    struct change *c = pg_container_of(op, struct change, op);

    if (c->revoke)
        revoked_put(c->store->revoked, c->entry);
    else
        revoked_drop(c->store->revoked, c->entry);
    revoked_shared_note(c->store->revoked);
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

int revoked_append(struct journal *journal, const struct revoked_entry *e, bool revoke,
                   struct pg_err *err)
{
    char name[JOURNAL_NAME_MAX], more[REVOKED_BY_MAX + 1 + REVOKED_REASON_MAX];
    struct journal_record j = {.kind = revoke ? JOURNAL_REVOKE : JOURNAL_UNREVOKE,
                               .when_s = e->when_s};
    size_t n = join(more, sizeof(more), e->by, SL("\n"));

    n += join(more + n, sizeof(more) - n, e->reason, SL(""));
    j.more = (struct sl){more, n};
    if (e->kind == REVOKED_REPOSITORY) {
        j.repo = e->what;
    } else if (e->kind == REVOKED_DIGEST) {
        j.has_digest = true;
        if (digest_parse(e->what, &j.digest, err) < 0)
            return -1;
    } else {
        n = join(name, sizeof(name), sl_str(prefixes[e->kind]), e->what);
        j.name = (struct sl){name, n};
    }
    return journal_append(journal, &j, err);
}

bool revoked_fits(const struct revoked_entry *e)
{
    size_t max = e->kind == REVOKED_REPOSITORY ? JOURNAL_REPO_MAX : REVOKED_WHAT_MAX;

    return e->what.n > 0 && e->what.n <= max && e->reason.n <= REVOKED_REASON_MAX &&
           e->by.n <= REVOKED_BY_MAX && (e->by.n == 0 || memchr(e->by.p, '\n', e->by.n) == NULL);
}

static int check(struct store *s, const struct revoked_entry *e, bool revoke, struct pg_err *err)
{
    struct revoked *r = s->revoked;
    bool is_there, is_feeds, is_full;
    char text[REVOKED_KEY_MAX];
    struct sl key;

    if (!revoked_fits(e))
        return pg_fail(err, PG_E_NAME_INVALID,
                       "what is revoked has 1 to %d characters, its reason at most %d",
                       e->kind == REVOKED_REPOSITORY ? JOURNAL_REPO_MAX : REVOKED_WHAT_MAX,
                       REVOKED_REASON_MAX);
    key = revoked_key(e->kind, e->what, text);
    revoked_lock(r);
    is_there = pg_map_get(&r->local.map, key) != NULL;
    is_feeds = !is_there && look(r, key) != NULL;
    is_full = r->local.map.n >= REVOKED_MAX;
    revoked_unlock(r);
    if (revoke && !is_there && is_full)
        return pg_fail(err, PG_E_DENIED, "more than %d things are revoked: write a rule instead",
                       REVOKED_MAX);
    if (!revoke && is_feeds)
        return pg_fail(err, PG_E_DENIED,
                       SL_FMT " was revoked by a feed, which alone can give it back: `pullgate "
                              "revocations` shows which",
                       SL_ARG(e->what));
    if (!revoke && !is_there)
        return pg_fail(err, PG_E_NAME_UNKNOWN, SL_FMT " is not revoked", SL_ARG(e->what));
    return 0;
}

int revoked_change(struct store *s, const struct revoked_entry *e, bool revoke, struct pg_err *err)
{
    struct change c = {
        .op = {.apply = apply, .settle = settle}, .store = s, .entry = e, .revoke = revoke};

    return check(s, e, revoke, err) < 0 ? -1 : writer_do(s->writer, &c.op, err);
}
