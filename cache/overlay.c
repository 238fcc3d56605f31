/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/overlay_int.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "cache/access.h"
#include "cache/journal.h"
#include "cache/key.h"

#define MEDIA_TYPE_MAX 256
#define LOOKUP_MAX     (2 + JOURNAL_REPO_MAX + KEY_TAG_MAX)

enum what { WHAT_TAG = 't', WHAT_LINK = 'l', WHAT_MANIFEST = 'm' };

struct entry {
    struct pg_map_node node;
    struct entry *next; /* of its batch */
    struct overlay_batch *batch;
    bool shown;  /* it is in the map */
    bool hidden; /* it was, and a newer one took its place */
    bool gone;   /* of a tag */
    union {
        struct index_tag tag;
        struct index_link link;
        struct {
            enum manifest_kind kind;
            struct digest sha256;
            struct pg_bytes *bytes;
            size_t nmedia;
            char media[MEDIA_TYPE_MAX];
            struct digest digest;
            struct pg_list in_sight;
        } manifest;
    };
    enum what what;
    size_t nkey;
    char key[];
};

struct overlay_batch {
    struct pg_list node; /* among those that failed */
    struct entry *first;
    struct entry *tag; /* one of them, or NULL */
    size_t nentries, nbytes;
    uint64_t until_ms; /* 0: it did not fail */
};

struct overlay {
    pthread_mutex_t lock;
    struct pg_map map;
    struct pg_list failed;    /* the oldest first */
    struct pg_list manifests; /* in the map */
    size_t nentries, nbytes;  /* of all batches shown */
    _Atomic size_t n;         /* in the map */
    struct access_table *access;
};

static void lock(struct overlay *o)
{
    PG_CHECK(pthread_mutex_lock(&o->lock) == 0);
}

static void unlock(struct overlay *o)
{
    PG_CHECK(pthread_mutex_unlock(&o->lock) == 0);
}

struct overlay *overlay_new(void)
{
    struct overlay *o = calloc(1, sizeof(*o));

    PG_CHECK(o != NULL);
    PG_CHECK(pthread_mutex_init(&o->lock, NULL) == 0);
    pg_map_init(&o->map);
    pg_list_init(&o->failed);
    pg_list_init(&o->manifests);
    o->access = access_new();
    return o;
}

/* ---- keys: what, repository, NUL, the rest; a repository has no NUL in it ---- */

struct lookup {
    size_t n;
    char p[LOOKUP_MAX];
};

static void add(struct lookup *l, struct sl s)
{
    PG_CHECK(s.n <= sizeof(l->p) - l->n);
    if (s.n > 0)
        memcpy(l->p + l->n, s.p, s.n);
    l->n += s.n;
}

static struct lookup lookup_of(enum what what, struct sl repo, struct sl rest)
{
    char first = (char)what;
    struct lookup l;

    l.n = 0;
    add(&l, (struct sl){&first, 1});
    add(&l, repo);
    add(&l, (struct sl){"", 1});
    add(&l, rest);
    return l;
}

static struct lookup lookup_of_digest(enum what what, struct sl repo, const struct digest *d)
{
    struct key key = key_of_digest(d);

    return lookup_of(what, repo, key_sl(&key));
}

/* ---- batches ---- */

struct overlay_batch *overlay_batch_new(void)
{
    struct overlay_batch *b = calloc(1, sizeof(*b));

    PG_CHECK(b != NULL);
    pg_list_init(&b->node);
    return b;
}

void overlay_batch_free(struct overlay_batch *b)
{
    struct entry *next;

    if (b == NULL)
        return;
    for (struct entry *e = b->first; e != NULL; e = next) {
        PG_CHECK(!e->shown);
        next = e->next;
        if (e->what == WHAT_MANIFEST)
            pg_bytes_unref(e->manifest.bytes);
        free(e);
    }
    free(b);
}

static struct entry *add_entry(struct overlay_batch *b, const struct lookup *l)
{
    struct entry *e = calloc(1, sizeof(*e) + l->n);

    PG_CHECK(e != NULL);
    e->batch = b;
    e->what = (enum what)l->p[0];
    e->nkey = l->n;
    memcpy(e->key, l->p, l->n);
    e->next = b->first;
    b->first = e;
    b->nentries++;
    b->nbytes += sizeof(*e) + l->n;
    return e;
}

void overlay_add_tag(struct overlay_batch *b, struct sl repo, struct sl tag,
                     const struct index_tag *t)
{
    struct lookup l = lookup_of(WHAT_TAG, repo, tag);

    PG_CHECK(b->tag == NULL);
    b->tag = add_entry(b, &l);
    b->tag->tag = *t;
}

void overlay_add_tag_gone(struct overlay_batch *b, struct sl repo, struct sl tag)
{
    struct index_tag none = {0};

    overlay_add_tag(b, repo, tag, &none);
    b->tag->gone = true;
}

void overlay_add_link(struct overlay_batch *b, struct sl repo, const struct digest *d,
                      const struct index_link *l)
{
    struct lookup key = lookup_of_digest(WHAT_LINK, repo, d);

    add_entry(b, &key)->link = *l;
}

void overlay_add_manifest(struct overlay_batch *b, const struct digest *d,
                          const struct index_manifest *m, struct pg_bytes *bytes)
{
    struct lookup l = lookup_of_digest(WHAT_MANIFEST, (struct sl){NULL, 0}, d);
    struct entry *e = add_entry(b, &l);

    PG_CHECK(m->media_type.n <= MEDIA_TYPE_MAX);
    e->manifest.kind = m->kind;
    e->manifest.digest = *d;
    pg_list_init(&e->manifest.in_sight);
    e->manifest.sha256 = m->sha256;
    e->manifest.bytes = pg_bytes_ref(bytes);
    e->manifest.nmedia = m->media_type.n;
    if (m->media_type.n > 0)
        memcpy(e->manifest.media, m->media_type.p, m->media_type.n);
    b->nbytes += bytes->n;
}

/* ---- in and out of sight; under the lock ---- */

static void remove_entry(struct overlay *o, struct entry *e)
{
    pg_map_remove(&o->map, &e->node);
    if (e->what == WHAT_MANIFEST)
        pg_list_remove(&e->manifest.in_sight);
    e->shown = false;
    (void)atomic_fetch_sub(&o->n, 1);
}

static void hide_batch(struct overlay *o, struct overlay_batch *b)
{
    for (struct entry *e = b->first; e != NULL; e = e->next)
        if (e->shown)
            remove_entry(o, e);
    PG_CHECK(o->nentries >= b->nentries && o->nbytes >= b->nbytes);
    o->nentries -= b->nentries;
    o->nbytes -= b->nbytes;
}

/* Of batches that failed: those whose time is over, and as many more as it takes to have room. */
static void make_room(struct overlay *o, const struct overlay_batch *for_batch, uint64_t now_ms)
{
    while (!pg_list_empty(&o->failed)) {
        struct overlay_batch *b = pg_container_of(o->failed.next, struct overlay_batch, node);
        bool fits = o->nentries + for_batch->nentries <= OVERLAY_ENTRIES_MAX &&
                    o->nbytes + for_batch->nbytes <= OVERLAY_BYTES_MAX;

        if (fits && now_ms < b->until_ms)
            return;
        pg_list_remove(&b->node);
        hide_batch(o, b);
        overlay_batch_free(b);
    }
}

/* What is known of a link is not forgotten because it is named once more. */
static void merge_link(struct index_link *now, const struct index_link *old)
{
    if (old->first_seen_s < now->first_seen_s)
        now->first_seen_s = old->first_seen_s;
    if (now->size == 0)
        now->size = old->size;
    if (old->landed && !now->landed)
        now->kind = old->kind;
    now->landed |= old->landed;
}

static void merge_tag(struct index_tag *now, const struct index_tag *old)
{
    if (digest_eq(&now->digest, &old->digest) && old->first_seen_s < now->first_seen_s)
        now->first_seen_s = old->first_seen_s;
}

static void show_entry(struct overlay *o, struct entry *e)
{
    struct sl key = {e->key, e->nkey};
    struct pg_map_node *node = pg_map_get(&o->map, key);

    if (node != NULL) {
        struct entry *old = pg_container_of(node, struct entry, node);

        if (e->what == WHAT_LINK)
            merge_link(&e->link, &old->link);
        if (e->what == WHAT_TAG && !e->gone && !old->gone)
            merge_tag(&e->tag, &old->tag);
        remove_entry(o, old);
        old->hidden = true;
    }
    pg_map_put(&o->map, &e->node, key);
    if (e->what == WHAT_MANIFEST)
        pg_list_push(&o->manifests, &e->manifest.in_sight);
    e->shown = true;
    (void)atomic_fetch_add(&o->n, 1);
}

bool overlay_show(struct overlay *o, struct overlay_batch *b)
{
    bool fits;

    lock(o);
    make_room(o, b, pg_clock_mono_ms());
    fits = o->nentries + b->nentries <= OVERLAY_ENTRIES_MAX &&
           o->nbytes + b->nbytes <= OVERLAY_BYTES_MAX;
    if (fits) {
        o->nentries += b->nentries;
        o->nbytes += b->nbytes;
        for (struct entry *e = b->first; e != NULL; e = e->next)
            show_entry(o, e);
    }
    unlock(o);
    return fits;
}

void overlay_settle(struct overlay *o, struct overlay_batch *b)
{
    lock(o);
    PG_CHECK(b->until_ms == 0);
    hide_batch(o, b);
    unlock(o);
    overlay_batch_free(b);
}

void overlay_fail(struct overlay *o, struct overlay_batch *b)
{
    lock(o);
    PG_CHECK(b->until_ms == 0);
    b->until_ms = pg_clock_mono_ms() + (uint64_t)OVERLAY_KEEP_S * 1000;
    pg_list_push(&o->failed, &b->node);
    unlock(o);
}

bool overlay_is_hidden(struct overlay *o, const struct overlay_batch *b)
{
    bool hidden;

    lock(o);
    hidden = b->tag != NULL && b->tag->hidden;
    unlock(o);
    return hidden;
}

struct access_table *overlay_access(struct overlay *o)
{
    return o->access;
}

size_t overlay_count(struct overlay *o)
{
    return atomic_load(&o->n);
}

void overlay_free(struct overlay *o)
{
    pg_list_each_safe (it, tmp, &o->failed) {
        struct overlay_batch *b = pg_container_of(it, struct overlay_batch, node);

        pg_list_remove(it);
        hide_batch(o, b);
        overlay_batch_free(b);
    }
    PG_CHECK(o->nentries == 0 && o->nbytes == 0 && overlay_count(o) == 0);
    pg_map_free(&o->map);
    access_free(o->access);
    PG_CHECK(pthread_mutex_destroy(&o->lock) == 0);
    free(o);
}

/* ---- lookups ---- */

/* The entry in sight, or NULL; under the lock. */
static struct entry *find(struct overlay *o, const struct lookup *l)
{
    struct pg_map_node *node = pg_map_get(&o->map, (struct sl){l->p, l->n});
    struct entry *e = node != NULL ? pg_container_of(node, struct entry, node) : NULL;

    if (e != NULL && e->batch->until_ms != 0 && pg_clock_mono_ms() >= e->batch->until_ms)
        return NULL;
    return e;
}

/* Read only, and before the writer runs, there is nothing in it. */
static bool is_empty(struct overlay *o)
{
    return atomic_load(&o->n) == 0;
}

/* What the index knows is asked even then: it may have seen the tag earlier. */
int overlay_get_tag(struct store *s, struct sl repo, struct sl tag, struct index_tag *r,
                    struct pg_err *err)
{
    _index_view_ struct index_view v = {0};
    struct index_tag newer = {0}, older;
    struct entry *e = NULL;
    bool gone = false;
    int found;

    if (!is_empty(s->overlay)) {
        struct lookup l = lookup_of(WHAT_TAG, repo, tag);

        lock(s->overlay);
        e = find(s->overlay, &l);
        if (e != NULL) {
            newer = e->tag;
            gone = e->gone;
        }
        unlock(s->overlay);
    }
    if (gone)
        return 0;
    v = index_view_begin(s->index);
    found = index_get_tag(&v, repo, tag, &older, err);
    if (e == NULL) {
        if (found > 0)
            *r = older;
        return found;
    }
    if (found > 0)
        merge_tag(&newer, &older);
    if (found < 0)
        pg_err_clear(err); /* what is known suffices */
    *r = newer;
    return 1;
}

int overlay_get_link(struct store *s, struct sl repo, const struct digest *d, struct index_link *r,
                     struct pg_err *err)
{
    _index_view_ struct index_view v = {0};
    struct index_link newer = {0}, older;
    struct entry *e = NULL;
    int found;

    if (!is_empty(s->overlay)) {
        struct lookup l = lookup_of_digest(WHAT_LINK, repo, d);

        lock(s->overlay);
        e = find(s->overlay, &l);
        if (e != NULL)
            newer = e->link;
        unlock(s->overlay);
    }
    v = index_view_begin(s->index);
    found = index_get_link(&v, repo, d, &older, err);
    if (e == NULL) {
        if (found > 0)
            *r = older;
        return found;
    }
    if (found > 0)
        merge_link(&newer, &older);
    if (found < 0)
        pg_err_clear(err);
    *r = newer;
    return 1;
}

/* Small ones go with the request, large ones are counted. */
static void give_bytes(struct pg_arena *arena, struct sl bytes, struct overlay_manifest *r)
{
    if (bytes.n <= OVERLAY_INLINE_MAX) {
        r->bytes = pg_copy(arena, bytes);
        return;
    }
    r->held = pg_bytes_new(bytes);
    r->bytes = pg_bytes_sl(r->held);
}

static bool get_shown_manifest(struct overlay *o, const struct digest *d, struct pg_arena *arena,
                               struct overlay_manifest *r)
{
    struct lookup l = lookup_of_digest(WHAT_MANIFEST, (struct sl){NULL, 0}, d);
    struct entry *e;

    lock(o);
    e = find(o, &l);
    if (e != NULL) {
        *r = (struct overlay_manifest){.kind = e->manifest.kind, .sha256 = e->manifest.sha256};
        r->media_type = pg_copy(arena, (struct sl){e->manifest.media, e->manifest.nmedia});
        r->held = pg_bytes_ref(e->manifest.bytes);
        r->bytes = pg_bytes_sl(r->held);
    }
    unlock(o);
    return e != NULL;
}

int overlay_get_manifest(struct store *s, const struct digest *d, struct pg_arena *arena,
                         struct overlay_manifest *r, struct pg_err *err)
{
    _index_view_ struct index_view v = {0};
    struct index_manifest m;
    int found;

    if (!is_empty(s->overlay) && get_shown_manifest(s->overlay, d, arena, r))
        return 1;
    v = index_view_begin(s->index);
    found = index_get_manifest(&v, d, &m, err);
    if (found <= 0)
        return found;
    *r = (struct overlay_manifest){.kind = m.kind, .sha256 = m.sha256};
    r->media_type = pg_copy(arena, m.media_type);
    give_bytes(arena, m.bytes, r);
    return 1;
}

size_t overlay_manifests(struct store *s, enum manifest_kind kind, struct overlay_shown *all,
                         size_t max)
{
    struct overlay *o = s->overlay;
    size_t n = 0;

    if (is_empty(o))
        return 0;
    lock(o);
    pg_list_each_safe (it, tmp, &o->manifests) {
        const struct entry *e = pg_container_of(it, struct entry, manifest.in_sight);

        if (e->manifest.kind != kind)
            continue;
        if (n < max)
            all[n] = (struct overlay_shown){e->manifest.digest, e->manifest.sha256,
                                            pg_bytes_ref(e->manifest.bytes)};
        n++;
    }
    unlock(o);
    return n;
}

int overlay_next_tag(struct store *s, struct sl repo, struct sl after, struct overlay_tag *r,
                     struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    struct sl name;
    int found = index_next_tag_of(&v, repo, after, &name, &r->tag, err);

    if (found <= 0)
        return found;
    PG_CHECK(name.n <= REF_TAG_MAX);
    memcpy(r->name, name.p, name.n);
    r->nname = name.n;
    return 1;
}
