/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/catalog.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cache/index_int.h"
#include "cache/past.h"
#include "cache/use.h"

#define DAY_S        86400
#define LOOKS_A_VIEW 256  /* rows that one view looks at */
#define TREE_MAX     8192 /* objects that are counted of one tag */
#define DEPTH_MAX    4    /* an index may name an index */

struct walk {
    struct store *store;
    const struct catalog_question *q;
    catalog_each *each;
    void *arg;
    struct key_repo only; /* of scope.repo */
    struct key at;        /* the row looked at last; empty: none yet */
    char repo[CATALOG_REPO_MAX];
    struct key_repo named; /* whose name is in repo */
    bool has_name, is_inside;
    unsigned given, looked;
};

bool catalog_has(const struct catalog_scope *scope, struct sl repo)
{
    if (scope->repo.n > 0)
        return sl_eq(scope->repo, repo);
    return scope->upstream.n == 0 ||
           (repo.n > scope->upstream.n && repo.p[scope->upstream.n] == '/' &&
            sl_starts(repo, scope->upstream));
}

/* ---- cursors: the key, in hexadecimal digits ---- */

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int catalog_read_cursor(struct sl text, struct key *key_r, struct pg_err *err)
{
    bool ok = text.n % 2 == 0 && text.n < CATALOG_CURSOR_MAX;

    key_r->n = 0;
    for (size_t i = 0; ok && i < text.n; i += 2) {
        int high = digit(text.p[i]), low = digit(text.p[i + 1]);

        ok = high >= 0 && low >= 0;
        key_r->p[key_r->n++] = (char)(high * 16 + low);
    }
    return ok ? 0 : pg_fail(err, PG_E_BAD_FRAMING, "the cursor is not one that was given");
}

void catalog_write_cursor(const struct key *key, struct pg_buf *out)
{
    for (size_t i = 0; i < key->n; i++)
        (void)pg_buf_printf(out, "%02x", (unsigned)(unsigned char)key->p[i]);
}

static int read_cursor(struct walk *w, struct pg_err *err)
{
    struct key_repo repo;
    struct digest d;
    struct sl tag;

    if (catalog_read_cursor(w->q->cursor, &w->at, err) < 0)
        return -1;
    if (w->at.n == 0 ||
        (w->q->what == CATALOG_TAGS ? key_read_tag(key_sl(&w->at), &repo, &tag) == 0
                                    : key_read_link(key_sl(&w->at), &repo, &d) == 0))
        return 0;
    return pg_fail(err, PG_E_BAD_FRAMING, "the cursor is not one that this list gave");
}

/* ---- what a tag amounts to ---- */

struct tree {
    struct index_view *view;
    uint64_t bytes, missing;
    unsigned left;
};

static uint64_t size_of(struct index_view *v, const struct digest *d, bool *stored_r)
{
    struct pg_err ignored = {0};
    struct index_blob blob;

    *stored_r = index_get_blob(v, d, &blob, &ignored) > 0;
    pg_err_clear(&ignored); /* a damaged row is no blob */
    return *stored_r ? blob.size : 0;
}

/* As deep as DEPTH_MAX. NOLINTNEXTLINE(misc-no-recursion) */
static void measure(struct tree *t, const struct digest *d, unsigned depth)
{
    struct pg_err ignored = {0};
    struct index_edge edge;
    bool stored, begun = false;

    t->bytes += size_of(t->view, d, &stored);
    t->missing += !stored;
    while (depth > 0 && t->left > 0 && stored &&
           index_next_child(t->view, d, begun ? &edge : NULL, &edge, &ignored) > 0) {
        begun = true;
        t->left--;
        if (edge.kind != INDEX_EDGE_SUBJECT)
            measure(t, &edge.child, depth - 1);
    }
    pg_err_clear(&ignored);
}

/* ---- rows ---- */

static void add_media_type(struct index_view *v, struct catalog_row *row)
{
    struct pg_err ignored = {0};
    struct index_manifest m;

    if (index_get_manifest(v, &row->digest, &m, &ignored) > 0)
        row->media_type = m.media_type;
    pg_err_clear(&ignored);
}

static void give(struct walk *w, struct catalog_row *row)
{
    row->repo = (struct sl){w->repo, strlen(w->repo)};
    row->last_pull_s = use_last(w->store->use, &row->digest);
    w->given++;
    w->each(w->arg, row);
}

/* What the tag is for those who pull it, where that is not what it is upstream. */
static void add_past(struct index_view *v, struct sl repo, struct catalog_row *row)
{
    struct pg_err ignored = {0};
    struct past past;
    bool is_known = past_get(v, repo, row->tag, &past, &ignored) > 0;
    const struct past_spell *fixed = is_known ? past_fixed(&past) : NULL;

    row->is_fixed = fixed != NULL;
    if (fixed != NULL)
        row->fixed = fixed->digest;
    for (size_t i = 0; is_known && i < past.n && !row->is_held; i++) {
        const struct past_spell *s = &past.spells[i];

        row->is_held =
            s->asked_s > pg_clock_wall_s() - DAY_S && !digest_eq(&s->digest, &row->digest);
        if (row->is_held)
            row->held = s->digest;
    }
    pg_err_clear(&ignored);
}

static void give_tag(struct walk *w, struct index_view *v, struct sl name,
                     const struct index_tag *t)
{
    struct tree tree = {.view = v, .left = TREE_MAX};
    struct catalog_row row = {.tag = name,
                              .digest = t->digest,
                              .first_seen_s = t->first_seen_s,
                              .validated_s = t->validated_s};

    if (w->q->scope.tag.n > 0 && !sl_eq(w->q->scope.tag, name))
        return;
    if (w->q->scope.has_digest && !digest_eq(&w->q->scope.digest, &t->digest))
        return;
    measure(&tree, &t->digest, DEPTH_MAX);
    row.bytes = tree.bytes;
    row.missing = tree.missing;
    (void)size_of(v, &t->digest, &row.is_stored);
    add_media_type(v, &row);
    add_past(v, (struct sl){w->repo, strlen(w->repo)}, &row);
    give(w, &row);
}

/* What is only named by a manifest, and not here, is not listed. */
static void give_link(struct walk *w, struct index_view *v, const struct index_link_row *l)
{
    bool is_manifest = l->link.kind == INDEX_LINK_MANIFEST;
    struct catalog_row row = {.digest = l->digest, .first_seen_s = l->link.first_seen_s};

    if (is_manifest != (w->q->what == CATALOG_MANIFESTS))
        return;
    if (w->q->scope.has_digest && !digest_eq(&w->q->scope.digest, &l->digest))
        return;
    row.bytes = size_of(v, &l->digest, &row.is_stored);
    if (!row.is_stored)
        return;
    if (is_manifest)
        add_media_type(v, &row);
    give(w, &row);
}

/* 1: the row's repository has a name and is within the scope. */
static int enter(struct walk *w, struct index_view *v, const struct key_repo *repo,
                 struct pg_err *err)
{
    struct sl name;
    int found;

    if (w->has_name && memcmp(&w->named, repo, sizeof(*repo)) == 0)
        return w->is_inside;
    found = index_get_repo(v, repo, &name, err);
    if (found < 0)
        return -1;
    w->named = *repo;
    w->has_name = true;
    w->is_inside = found > 0 && name.n < sizeof(w->repo) && catalog_has(&w->q->scope, name);
    if (w->is_inside)
        (void)snprintf(w->repo, sizeof(w->repo), SL_FMT, SL_ARG(name));
    return w->is_inside;
}

static int next_tag(struct walk *w, struct index_view *v, struct index_tag_row *row,
                    struct pg_err *err)
{
    bool begun = w->at.n > 0;
    struct sl name = {NULL, 0};
    int found;

    if (begun) {
        PG_CHECK(key_read_tag(key_sl(&w->at), &row->repo, &name) == 0);
        row->ntag = name.n;
        memcpy(row->name, name.p, name.n);
    }
    if (w->q->scope.repo.n == 0)
        return index_next_tag(v, begun ? row : NULL, row, err);
    found = index_next_tag_of(v, w->q->scope.repo, name, &name, &row->tag, err);
    if (found > 0) {
        *row = (struct index_tag_row){.repo = w->only, .ntag = name.n, .tag = row->tag};
        memcpy(row->name, name.p, name.n);
    }
    return found;
}

static int step_tag(struct walk *w, struct index_view *v, struct pg_err *err)
{
    struct index_tag_row row = {0};
    int found = next_tag(w, v, &row, err), inside;

    if (found <= 0)
        return found;
    w->at = key_of_tag(&row.repo, (struct sl){row.name, row.ntag});
    inside = row.damaged ? 0 : enter(w, v, &row.repo, err);
    if (inside > 0)
        give_tag(w, v, (struct sl){row.name, row.ntag}, &row.tag);
    return inside < 0 ? -1 : 1;
}

static int step_link(struct walk *w, struct index_view *v, struct pg_err *err)
{
    bool begun = w->at.n > 0, one = w->q->scope.repo.n > 0;
    struct index_link_row row = {0};
    int found, inside;

    if (begun)
        PG_CHECK(key_read_link(key_sl(&w->at), &row.repo, &row.digest) == 0);
    found = one ? index_next_link_of(v, &w->only, begun ? &row.digest : NULL, &row, err)
                : index_next_link(v, begun ? &row : NULL, &row, err);
    if (found <= 0)
        return found;
    w->at = key_of_link(&row.repo, &row.digest);
    inside = row.damaged ? 0 : enter(w, v, &row.repo, err);
    if (inside > 0)
        give_link(w, v, &row);
    return inside < 0 ? -1 : 1;
}

/* 1: there may be more. */
static int look(struct walk *w, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(w->store->index);
    int more = 1;

    for (unsigned i = 0; i < LOOKS_A_VIEW && more > 0 && w->given < w->q->nrows; i++) {
        more = w->q->what == CATALOG_TAGS ? step_tag(w, &v, err) : step_link(w, &v, err);
        w->looked++;
    }
    return more;
}

int catalog_page(struct store *s, const struct catalog_question *q, catalog_each *each, void *arg,
                 struct pg_buf *next, struct pg_err *err)
{
    struct walk w = {.store = s, .q = q, .each = each, .arg = arg};
    int more = 1;

    if (q->scope.repo.n > 0)
        w.only = key_repo_of(q->scope.repo);
    if (read_cursor(&w, err) < 0)
        return -1;
    while (more > 0 && w.given < q->nrows && w.looked < CATALOG_LOOK_MAX) {
        if (q->stop != NULL && atomic_load(q->stop))
            return 0;
        more = look(&w, err);
    }
    if (more > 0)
        catalog_write_cursor(&w.at, next);
    return more < 0 ? -1 : 0;
}
