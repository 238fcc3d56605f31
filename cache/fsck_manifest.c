/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "cache/fsck_int.h"
#include "oci/manifest.h"

#define EDGES_MAX (MANIFEST_CHILDREN_MAX + 2) /* what a manifest may name */

/* A row, copied out of its view. */
struct held {
    struct digest digest, sha256;
    enum manifest_kind kind;
    char *text;
    struct sl media_type, bytes; /* in text */
    bool damaged;
};

static int next_row(struct fsck *k, const struct digest *after, struct held *h_r,
                    struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(k->store->index);
    struct index_manifest_row row;
    int found = index_next_manifest(&v, after, &row, err);
    const struct index_manifest *m = &row.manifest;

    if (found != 1)
        return found;
    *h_r = (struct held){.digest = row.digest, .damaged = row.damaged};
    if (row.damaged)
        return 1;
    h_r->kind = m->kind;
    h_r->sha256 = m->sha256;
    h_r->text = malloc(m->media_type.n + m->bytes.n + 1);
    PG_CHECK(h_r->text != NULL);
    if (m->media_type.n > 0)
        memcpy(h_r->text, m->media_type.p, m->media_type.n);
    if (m->bytes.n > 0)
        memcpy(h_r->text + m->media_type.n, m->bytes.p, m->bytes.n);
    h_r->media_type = (struct sl){h_r->text, m->media_type.n};
    h_r->bytes = (struct sl){h_r->text + m->media_type.n, m->bytes.n};
    return 1;
}

/* ---- the row itself ---- */

struct removal {
    struct writer_op op;
    struct digest digest;
};

static int apply_removal(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct removal *m = pg_container_of(op, struct removal, op);

    return index_del_manifest(txn, &m->digest, err) < 0 ? -1 : 0;
}

static bool remove_row(struct fsck *k, const struct digest *d)
{
    struct removal m = {.op = {.apply = apply_removal}, .digest = *d};

    return fsck_change(k, &m.op);
}

/* True when the row holds what its name says. */
static bool is_sound(struct fsck *k, const struct held *h, const char *path)
{
    struct digest named = digest_of(h->digest.alg, h->bytes);
    struct digest sha256 = digest_of(PG_SHA256, h->bytes);

    if (digest_eq(&named, &h->digest) && digest_eq(&sha256, &h->sha256))
        return true;
    fsck_found(k, FSCK_MANIFEST_DAMAGED, remove_row(k, &h->digest), path,
               "the index has a manifest with this name whose bytes do not have its digest");
    return false;
}

static int look_for_blob(struct fsck *k, const struct held *h, const char *path, struct pg_err *err)
{
    struct index_blob row;
    int found;
    {
        _index_view_ struct index_view v = index_view_begin(k->store->index);

        found = index_get_blob(&v, &h->digest, &row, err);
    }
    if (found < 0)
        return -1;
    if (found == 0 || row.size != h->bytes.n)
        fsck_found(k, FSCK_MANIFEST_NO_BLOB, remove_row(k, &h->digest), path,
                   "the index has a manifest here and %s",
                   found == 0 ? "no blob" : "a blob of another size");
    return 0;
}

/* ---- edges ---- */

static int by_order(const void *a, const void *b)
{
    const struct index_edge *x = a, *y = b;

    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->child.alg != y->child.alg)
        return x->child.alg < y->child.alg ? -1 : 1;
    return memcmp(x->child.bytes, y->child.bytes, sizeof(x->child.bytes));
}

/* What the bytes name, sorted, each once. Returns how many. */
static size_t named_edges(const struct digest *parent, const struct manifest *m,
                          struct index_edge *edges)
{
    enum index_edge_kind kind = m->kind == MANIFEST_INDEX ? INDEX_EDGE_CHILD : INDEX_EDGE_LAYER;
    size_t n = 0, out = 0;

    PG_CHECK(m->nchildren <= MANIFEST_CHILDREN_MAX);
    if (m->has_config)
        edges[n++] = (struct index_edge){*parent, m->config.digest, INDEX_EDGE_CONFIG};
    if (m->has_subject)
        edges[n++] = (struct index_edge){*parent, m->subject.digest, INDEX_EDGE_SUBJECT};
    for (size_t i = 0; i < m->nchildren; i++)
        edges[n++] = (struct index_edge){*parent, m->children[i].digest, kind};
    if (n > 0)
        qsort(edges, n, sizeof(*edges), by_order);
    for (size_t i = 0; i < n; i++)
        if (out == 0 || by_order(&edges[out - 1], &edges[i]) != 0)
            edges[out++] = edges[i];
    return out;
}

struct edge_change {
    struct writer_op op;
    struct index_edge edge;
    bool put;
};

static int apply_edge(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct edge_change *c = pg_container_of(op, struct edge_change, op);

    if (c->put)
        return index_put_edge(txn, &c->edge, err);
    return index_del_edge(txn, &c->edge, err) < 0 ? -1 : 0;
}

static void tell_of_edge(struct fsck *k, const struct index_edge *e, bool missing)
{
    struct edge_change c = {.op = {.apply = apply_edge}, .edge = *e, .put = missing};
    char path[FSCK_PATH_MAX], child[DIGEST_TEXT_MAX];
    struct sl text = digest_write(&e->child, child);

    fsck_found(k, missing ? FSCK_EDGE_MISSING : FSCK_EDGE_WRONG, fsck_change(k, &c.op),
               fsck_path_of(&e->parent, path),
               missing ? "the index does not say that this manifest names " SL_FMT
                       : "the index says that this manifest names " SL_FMT ", and it does not",
               SL_ARG(text));
}

/* The edge from below, found by asking for what follows the digest just before it. */
static int has_reverse(struct fsck *k, const struct index_edge *e, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(k->store->index);
    struct index_edge before = *e, is;
    size_t i = digest_bytes(&e->parent);
    int found;

    while (i > 0 && before.parent.bytes[--i]-- == 0) /* borrows */
        ;
    found = index_next_parent(&v, &e->child, &before, &is, err);
    return found == 1 ? is.kind == e->kind && digest_eq(&is.parent, &e->parent) : found;
}

static int next_edge(struct fsck *k, const struct digest *parent, const struct index_edge *after,
                     struct index_edge *e_r, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(k->store->index);

    return index_next_child(&v, parent, after, e_r, err);
}

/* Both lists are in one order: the bytes' and the index's. */
static int compare_edges(struct fsck *k, const struct digest *parent,
                         const struct index_edge *named, size_t n, struct pg_err *err)
{
    struct index_edge is;
    int found = next_edge(k, parent, NULL, &is, err);
    size_t i = 0;

    while (found == 1 || (found == 0 && i < n)) {
        int order = found == 0 ? 1 : i == n ? -1 : by_order(&is, &named[i]);

        if (order < 0) {
            tell_of_edge(k, &is, false);
        } else if (order > 0) {
            tell_of_edge(k, &named[i++], true);
        } else {
            int both = has_reverse(k, &named[i], err);

            if (both < 0)
                return -1;
            if (both == 0)
                tell_of_edge(k, &named[i], true);
            i++;
        }
        if (order <= 0)
            found = next_edge(k, parent, &is, &is, err);
    }
    return found;
}

static int look_at_edges(struct fsck *k, const struct held *h, const char *path, struct pg_err *err)
{
    struct index_edge *edges = calloc(EDGES_MAX, sizeof(*edges));
    struct pg_err why = {0};
    struct pg_arena arena;
    struct manifest m;
    int r = 0;

    PG_CHECK(edges != NULL);
    pg_arena_init(&arena, MANIFEST_ARENA_BYTES);
    if (manifest_parse(h->bytes, h->media_type, &arena, &m, &why) < 0 || m.kind != h->kind)
        fsck_found(k, FSCK_MANIFEST_DAMAGED, remove_row(k, &h->digest), path,
                   "the index says of this manifest what its bytes do not: %s",
                   why.kind != PG_E_NONE ? why.msg : "another kind");
    else
        r = compare_edges(k, &h->digest, edges, named_edges(&h->digest, &m, edges), err);
    pg_arena_free(&arena);
    pg_err_clear(&why);
    free(edges);
    return r;
}

static int look_at_row(struct fsck *k, const struct held *h, struct pg_err *err)
{
    char path[FSCK_PATH_MAX];

    k->result.manifests++;
    (void)fsck_path_of(&h->digest, path);
    if (!is_sound(k, h, path))
        return 0;
    if (look_for_blob(k, h, path, err) < 0)
        return -1;
    return look_at_edges(k, h, path, err);
}

int fsck_manifest_run(struct fsck *k, struct pg_err *err)
{
    struct digest last;
    bool begun = false;
    struct held h;
    int r = 0;

    while (r == 0 && !fsck_is_stopped(k)) {
        int found = next_row(k, begun ? &last : NULL, &h, err);

        if (found != 1)
            return found;
        last = h.digest;
        begun = true;
        if (!h.damaged)
            r = look_at_row(k, &h, err);
        free(h.text);
    }
    return r;
}
