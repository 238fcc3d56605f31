/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "cache/revoked_int.h"
#include "cache/revoked_shared.h"
#include "cache/writer.h"

#define CHUNK 500 /* entries of one operation: a group of the journal is bounded */

/* ---- what is known of it ------------------------------------------------------------------- */

bool revoked_feed_get(struct store *s, const char *name, struct revoked_feed *f_r)
{
    const struct revoked_set *set;
    bool found;

    revoked_lock(s->revoked);
    set = revoked_find_set(s->revoked, sl_str(name));
    found = set != NULL && set->has_feed;
    if (found)
        *f_r = set->feed;
    revoked_unlock(s->revoked);
    return found;
}

static void set_feed(struct revoked *r, struct sl name, const struct revoked_feed *f)
{
    struct revoked_set *set;

    revoked_lock(r);
    set = revoked_make_set(r, name);
    set->has_feed = true;
    set->feed = *f;
    revoked_unlock(r);
}

/* The number in front, which is taken off with what is behind it. */
static bool read_number(struct sl *text, uint64_t *n_r)
{
    size_t i = 0;

    *n_r = 0;
    for (; i < text->n && i < 19 && text->p[i] >= '0' && text->p[i] <= '9'; i++)
        *n_r = *n_r * 10 + (uint64_t)(text->p[i] - '0');
    *text = i < text->n ? (struct sl){text->p + i + 1, text->n - i - 1} : (struct sl){text->p, 0};
    return i > 0;
}

/* "EPOCH EXPIRES " and the hash. */
void revoked_feed_take(struct revoked *r, const struct journal_record *j)
{
    struct revoked_feed f = {.serial = j->number, .when_s = j->when_s};
    struct sl text = j->more;
    uint64_t expires;

    if (j->name.n == 0 || j->name.n > REVOKED_FEED_NAME_MAX || !read_number(&text, &f.epoch) ||
        !read_number(&text, &expires) || expires > INT64_MAX || text.n != sizeof(f.sha256))
        return;
    f.expires_s = (int64_t)expires;
    memcpy(f.sha256, text.p, sizeof(f.sha256));
    set_feed(r, j->name, &f);
}

void revoked_feed_set_stale(struct store *s, bool is_stale)
{
    atomic_store(&s->revoked->is_stale, is_stale);
}

bool revoked_feed_is_stale(const struct store *s)
{
    return s->revoked != NULL && atomic_load(&s->revoked->is_stale);
}

/* ---- what it says now ---------------------------------------------------------------------- */

struct part {
    struct writer_op op;
    struct store *store;
    const struct revoked_entry *entries;
    size_t n;
    bool revoke;
    const char *name;
    const struct revoked_feed *feed; /* NULL: there is more to come */
};

static int append_feed(struct part *p, struct pg_err *err)
{
    char more[96];
    struct journal_record j = {.kind = JOURNAL_FEED,
                               .when_s = p->feed->when_s,
                               .name = sl_str(p->name),
                               .number = p->feed->serial};
    int n = snprintf(more, sizeof(more), "%" PRIu64 " %" PRId64 " ", p->feed->epoch,
                     p->feed->expires_s);

    PG_CHECK(n > 0 && (size_t)n + sizeof(p->feed->sha256) <= sizeof(more));
    memcpy(more + n, p->feed->sha256, sizeof(p->feed->sha256));
    j.more = (struct sl){more, (size_t)n + sizeof(p->feed->sha256)};
    return journal_append(p->store->journal, &j, err);
}

static int apply(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct part *p = pg_container_of(op, struct part, op);

    (void)txn;
    for (size_t i = 0; i < p->n; i++)
        if (revoked_append(p->store->journal, &p->entries[i], p->revoke, err) < 0)
            return -1;
    return p->feed != NULL ? append_feed(p, err) : 0;
}

static void settle(struct writer_op *op)
{
    struct part *p = pg_container_of(op, struct part, op);

    for (size_t i = 0; i < p->n; i++)
        if (p->revoke)
            revoked_put(p->store->revoked, &p->entries[i]);
        else
            revoked_drop(p->store->revoked, &p->entries[i]);
    if (p->feed != NULL)
        set_feed(p->store->revoked, sl_str(p->name), p->feed);
    revoked_shared_note(p->store->revoked);
}

static int write_part(const struct part *from, size_t at, size_t n, struct pg_err *err)
{
    struct part p = *from;

    p.op = (struct writer_op){.apply = apply, .settle = settle};
    p.entries = n > 0 ? from->entries + at : NULL;
    p.n = n;
    return writer_do(p.store->writer, &p.op, err);
}

static int write_all(const struct part *from, struct pg_err *err)
{
    for (size_t at = 0; at < from->n; at += CHUNK)
        if (write_part(from, at, from->n - at < CHUNK ? from->n - at : CHUNK, err) < 0)
            return -1;
    return 0;
}

/* ---- what differs -------------------------------------------------------------------------- */

struct contrast {
    struct pg_map wanted; /* by key */
    struct revoked_node *nodes;
    struct revoked_entry *new, *gone;
    size_t nnew, ngone;
};

static void list_new(struct contrast *c, const struct revoked_set *set)
{
    for (struct pg_map_node *i = pg_map_next(&c->wanted, NULL); i != NULL;
         i = pg_map_next(&c->wanted, i)) {
        const struct revoked_node *w = pg_container_of(i, struct revoked_node, in_map);
        char text[REVOKED_KEY_MAX];
        struct sl key = revoked_key(w->entry.kind, w->entry.what, text);
        struct pg_map_node *old = set != NULL ? pg_map_get(&set->map, key) : NULL;

        if (old == NULL || !sl_eq(pg_container_of(old, struct revoked_node, in_map)->entry.reason,
                                  w->entry.reason))
            c->new[c->nnew++] = w->entry;
    }
}

static void list_gone(struct contrast *c, struct revoked_set *set, struct pg_arena *arena)
{
    for (struct pg_map_node *i = pg_map_next(&set->map, NULL); i != NULL;
         i = pg_map_next(&set->map, i)) {
        const struct revoked_entry *e = &pg_container_of(i, struct revoked_node, in_map)->entry;
        char text[REVOKED_KEY_MAX];

        if (pg_map_get(&c->wanted, revoked_key(e->kind, e->what, text)) == NULL)
            c->gone[c->ngone++] = (struct revoked_entry){e->kind, pg_copy(arena, e->what), SL(""),
                                                         pg_copy(arena, e->by), e->when_s};
    }
}

static void compare(struct contrast *c, struct revoked *r, struct sl name, struct pg_arena *arena)
{
    struct revoked_set *set;

    revoked_lock(r);
    set = revoked_find_set(r, name);
    c->new = pg_alloc(arena, c->wanted.n * sizeof(*c->new) + 1);
    c->gone = pg_alloc(arena, (set != NULL ? set->map.n : 0) * sizeof(*c->gone) + 1);
    list_new(c, set);
    if (set != NULL)
        list_gone(c, set, arena);
    revoked_unlock(r);
}

static int want(struct contrast *c, const struct revoked_entry *all, size_t n,
                const struct revoked_entry *like, struct pg_err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct revoked_node *w = &c->nodes[i];
        struct sl key;

        w->entry =
            (struct revoked_entry){all[i].kind, all[i].what, all[i].reason, like->by, like->when_s};
        if (!revoked_fits(&w->entry))
            return pg_fail(err, PG_E_NAME_INVALID, "entry %zu of the feed is too long", i + 1);
        key = revoked_key(w->entry.kind, w->entry.what, w->key);
        if (pg_map_get(&c->wanted, key) == NULL)
            pg_map_put(&c->wanted, &w->in_map, key);
    }
    return 0;
}

static int put_feed(struct part *p, struct contrast *c, const struct revoked_feed *f,
                    struct pg_err *err)
{
    p->entries = c->new;
    p->n = c->nnew;
    p->revoke = true;
    if (write_all(p, err) < 0)
        return -1;
    p->entries = c->gone;
    p->n = c->ngone;
    p->revoke = false;
    if (write_all(p, err) < 0)
        return -1;
    p->feed = f;
    return write_part(p, 0, 0, err);
}

int revoked_feed_put(struct store *s, const char *name, const struct revoked_feed *f,
                     const struct revoked_entry *all, size_t n, struct pg_err *err)
{
    char by[REVOKED_BY_MAX];
    struct part p = {.store = s, .name = name};
    struct contrast c = {.ngone = 0};
    struct pg_arena arena;
    int rc;

    PG_CHECK(n <= REVOKED_FEED_ENTRIES && strlen(name) <= REVOKED_FEED_NAME_MAX);
    (void)snprintf(by, sizeof(by), REVOKED_FEED_BY "%s", name);
    pg_arena_init(&arena, (size_t)64 << 20);
    pg_map_init(&c.wanted);
    c.nodes = calloc(n + 1, sizeof(*c.nodes));
    PG_CHECK(c.nodes != NULL);
    rc = want(&c, all, n, &(struct revoked_entry){.by = sl_str(by), .when_s = f->when_s}, err);
    if (rc == 0) {
        compare(&c, s->revoked, sl_str(name), &arena);
        rc = put_feed(&p, &c, f, err);
    }
    pg_map_free(&c.wanted);
    free(c.nodes);
    pg_arena_free(&arena);
    return rc;
}
