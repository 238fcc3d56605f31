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

struct trace {
    struct purge_plan *plan;
    struct sl repo, besides;
    struct pg_map named;
};

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
        if (!sl_eq(next, t->besides)) {
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

    if (purge_find(t->plan, d) != NULL)
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
        purge_add_link(t->plan, &t->plan->repo, d);
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

/* Until nothing is added any more: what two of them name is needed as long as one of them stays. */
static int spread(struct trace *t, struct pg_err *err)
{
    size_t before;

    do {
        before = t->plan->nlinks;
        for (struct pg_list *it = t->plan->links.next; it != &t->plan->links; it = it->next) {
            const struct digest *d = &pg_container_of(it, struct purge_link, node)->content->digest;

            if (follow(t, d, true, err) < 0 || follow(t, d, false, err) < 0)
                return -1;
        }
    } while (t->plan->nlinks > before && !purge_is_stopped(t->plan));
    return 0;
}

int purge_trace_from(struct purge_plan *p, const struct digest *d, struct sl besides,
                     struct pg_err *err)
{
    struct trace t = {.plan = p, .repo = p->question->scope.repo, .besides = besides};
    int rc;

    p->repo = key_repo_of(t.repo);
    pg_map_init(&t.named);
    rc = note_tags(&t, err);
    if (rc == 0)
        rc = consider(&t, d, err);
    if (rc == 0)
        rc = spread(&t, err);
    free_tags(&t);
    return rc;
}
