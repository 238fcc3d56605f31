/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cache/past.h"
#include "cache/purge_int.h"

#define LINKS_MAX   65536 /* of one trace; what is beyond stays */
#define TAGS_A_VIEW 256

/* What the tags of the repository name. */
struct named {
    struct pg_map_node by_digest;
    struct key key;
};

/* What is to go, and with which tags. */
struct going {
    struct pg_map_node by_digest;
    struct key key;
    const struct purge_image *image;
};

struct trace {
    struct purge_plan *plan;
    struct sl repo;
    struct key_repo hashed;
    struct pg_map named, going;
};

/* ---- what is asked for ---- */

static void note_going(struct trace *t, const struct purge_image *images, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct key key = key_of_digest(&images[i].digest);
        struct going *g;

        if (pg_map_get(&t->going, key_sl(&key)) != NULL)
            continue;
        g = calloc(1, sizeof(*g));
        PG_CHECK(g != NULL);
        g->key = key;
        g->image = &images[i];
        pg_map_put(&t->going, &g->by_digest, key_sl(&g->key));
    }
}

static void free_going(struct trace *t)
{
    struct pg_map_node *node;

    while ((node = pg_map_next(&t->going, NULL)) != NULL) {
        pg_map_remove(&t->going, node);
        free(pg_container_of(node, struct going, by_digest));
    }
    pg_map_free(&t->going);
}

/* The tag, which names d, is one of those that go with it. */
static bool is_going(const struct trace *t, struct sl tag, const struct digest *d)
{
    struct key key = key_of_digest(d);
    struct pg_map_node *node = pg_map_get(&t->going, key_sl(&key));
    const struct purge_image *image;
    bool found = false;

    if (node == NULL)
        return false;
    image = pg_container_of(node, struct going, by_digest)->image;
    for (size_t i = 0; i < image->ntags && !found; i++)
        found = sl_eq(image->tags[i], tag);
    return found;
}

/* ---- tags ---- */

static bool is_named(const struct trace *t, const struct digest *d)
{
    struct key key = key_of_digest(d);

    return pg_map_get(&t->named, key_sl(&key)) != NULL;
}

static void note_tag(struct trace *t, const struct digest *d)
{
    struct named *n;

    if (is_named(t, d))
        return;
    n = calloc(1, sizeof(*n));
    PG_CHECK(n != NULL);
    n->key = key_of_digest(d);
    pg_map_put(&t->named, &n->by_digest, key_sl(&n->key));
}

/* What is given out in a tag's place is needed as what the tag names. */
static void note_past(struct trace *t, struct index_view *v, struct sl tag)
{
    struct pg_err ignored = {0};
    struct past past;

    if (past_get(v, t->repo, tag, &past, &ignored) > 0)
        for (size_t i = 0; i < past.n; i++)
            if (past_is_held(&past.spells[i], pg_clock_wall_s()))
                note_tag(t, &past.spells[i].digest);
    pg_err_clear(&ignored);
}

/* Some tags after *name, in one view. 1: there may be more. */
static int read_tags(struct trace *t, char name[KEY_TAG_MAX], size_t *nname, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(t->plan->store->index);

    for (unsigned i = 0; i < TAGS_A_VIEW; i++) {
        struct index_tag tag;
        struct sl next;
        int found = index_next_tag_of(&v, t->repo, (struct sl){name, *nname}, &next, &tag, err);

        if (found <= 0)
            return found;
        if (!is_going(t, next, &tag.digest)) {
            note_tag(t, &tag.digest);
            note_past(t, &v, next);
        }
        memcpy(name, next.p, next.n);
        *nname = next.n;
    }
    return 1;
}

static int note_tags(struct trace *t, struct pg_err *err)
{
    char name[KEY_TAG_MAX];
    size_t nname = 0;
    int more;

    do {
        more = read_tags(t, name, &nname, err);
    } while (more > 0);
    return more;
}

static void free_tags(struct trace *t)
{
    struct pg_map_node *node;

    while ((node = pg_map_next(&t->named, NULL)) != NULL) {
        pg_map_remove(&t->named, node);
        free(pg_container_of(node, struct named, by_digest));
    }
    pg_map_free(&t->named);
}

/* ---- manifests ---- */

/* Linked in the repository, and not among what is to be forgotten. */
static int stays(struct trace *t, struct index_view *v, const struct digest *d, struct pg_err *err)
{
    struct index_link link;

    if (purge_has_link(t->plan, &t->hashed, d))
        return 0;
    return index_get_link(v, t->repo, d, &link, err);
}

/* Does a tag name it, or a manifest that stays? What refers to it as its subject does not. */
static int is_needed(struct trace *t, const struct digest *d, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(t->plan->store->index);
    struct index_edge edge;
    bool begun = false;
    int found;

    if (is_named(t, d))
        return 1;
    while ((found = index_next_parent(&v, d, begun ? &edge : NULL, &edge, err)) > 0) {
        int staying = edge.kind == INDEX_EDGE_SUBJECT ? 0 : stays(t, &v, &edge.parent, err);

        begun = true;
        if (staying != 0)
            return staying;
    }
    return found;
}

static int is_linked(struct trace *t, const struct digest *d, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(t->plan->store->index);

    return stays(t, &v, d, err);
}

static int consider(struct trace *t, const struct digest *d, struct pg_err *err)
{
    int linked = is_linked(t, d, err), needed;

    if (linked <= 0)
        return linked;
    needed = is_needed(t, d, err);
    if (needed == 0 && t->plan->nlinks < LINKS_MAX)
        purge_add_link(t->plan, &t->hashed, d);
    return needed < 0 ? -1 : 0;
}

static int next_edge(struct trace *t, const struct digest *d, bool down,
                     const struct index_edge *after, struct index_edge *r, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(t->plan->store->index);

    return down ? index_next_child(&v, d, after, r, err) : index_next_parent(&v, d, after, r, err);
}

/* Downwards what it names; upwards what refers to it: signatures and the like. */
static int follow(struct trace *t, const struct digest *d, bool down, struct pg_err *err)
{
    struct index_edge edge;
    bool begun = false;
    int found;

    while ((found = next_edge(t, d, down, begun ? &edge : NULL, &edge, err)) > 0) {
        begun = true;
        if (down == (edge.kind != INDEX_EDGE_SUBJECT) &&
            consider(t, down ? &edge.child : &edge.parent, err) < 0)
            return -1;
    }
    return found;
}

/* From the link after `last` on, until nothing is added any more: what two of them name is needed
 * as long as one of them stays. */
static int spread(struct trace *t, struct pg_list *last, struct pg_err *err)
{
    size_t before;

    do {
        before = t->plan->nlinks;
        for (struct pg_list *it = last->next; it != &t->plan->links; it = it->next) {
            const struct purge_link *l = pg_container_of(it, struct purge_link, node);
            const struct digest *d = &l->content->digest;

            t->plan->image = l->image;
            if (follow(t, d, true, err) < 0 || follow(t, d, false, err) < 0)
                return -1;
        }
    } while (t->plan->nlinks > before && !purge_is_stopped(t->plan));
    return 0;
}

/* What one that goes later names is needed until then: they are looked at again, for as long as
 * that adds something. */
static int trace_all(struct trace *t, const struct purge_image *images, size_t n, size_t number,
                     struct pg_err *err)
{
    struct pg_list *last = t->plan->links.prev;
    size_t before;

    do {
        before = t->plan->nlinks;
        for (size_t i = 0; i < n; i++) {
            t->plan->image = number + i;
            if (consider(t, &images[i].digest, err) < 0)
                return -1;
        }
        if (t->plan->nlinks > before && spread(t, last, err) < 0)
            return -1;
    } while (n > 1 && t->plan->nlinks > before && !purge_is_stopped(t->plan));
    return 0;
}

int purge_trace_from(struct purge_plan *p, const struct purge_image *images, size_t n,
                     size_t number, struct pg_err *err)
{
    struct trace t = {.plan = p, .repo = images[0].repo, .hashed = key_repo_of(images[0].repo)};
    int rc;

    pg_map_init(&t.named);
    pg_map_init(&t.going);
    note_going(&t, images, n);
    rc = note_tags(&t, err);
    if (rc == 0)
        rc = trace_all(&t, images, n, number, err);
    free_going(&t);
    free_tags(&t);
    return rc;
}
