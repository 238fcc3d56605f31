/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/waiver.h"

#include <stdio.h>

#include "base/moment.h"
#include "base/reading.h"
#include "base/wildcard.h"

#define TEXT_MAX 1000

/* ---- reading ------------------------------------------------------------------------------- */

static int take_text(struct reading *r, const struct pg_tree *map, const char *key,
                     struct sl *text_r, struct pg_tree_at *at_r)
{
    const struct pg_tree *t = pg_tree_get(map, sl_str(key));

    if (t == NULL) {
        return reading_bad(
            r, map->at,
            "the waiver has no %s; it needs vulnerability, package, images, owner, reason "
            "and expires",
            key);
    }
    if (t->kind != PG_TREE_SCALAR || pg_tree_is_null(t) || sl_trim(t->text).n == 0 ||
        t->text.n > TEXT_MAX) {
        return reading_bad(r, t->at, "%s must be a text of at most %d bytes, and not empty", key,
                           TEXT_MAX);
    }
    *text_r = pg_copy(r->arena, sl_trim(t->text));
    *at_r = t->at;
    return 0;
}

static int take_names(struct reading *r, const struct pg_tree *map, struct waiver *w)
{
    struct pg_tree_at at = {0, 0};
    struct pg_err err = {0};

    if (take_text(r, map, "vulnerability", &w->vulnerability, &at) < 0) {
        return -1;
    }
    if (!alias_is_name(w->vulnerability) ||
        memchr(w->vulnerability.p, '*', w->vulnerability.n) != NULL) {
        return reading_bad(r, at, "vulnerability must be the name of one, such as CVE-2023-0464");
    }
    if (take_text(r, map, "package", &w->package, &at) < 0) {
        return -1;
    }
    if (memchr(w->package.p, '*', w->package.n) != NULL) {
        return reading_bad(
            r, at, "package must be the name of one, such as libssl3; there are no wildcards");
    }
    if (sl_starts(w->package, SL("pkg:")) && purl_parse(w->package, r->arena, &w->purl, &err) < 0) {
        (void)reading_bad(r, at, "%s", err.msg);
        pg_err_clear(&err);
        return -1;
    }
    return 0;
}

static int take_images(struct reading *r, waiver_canonical_fn *canonical, const struct pg_tree *map,
                       struct waiver *w)
{
    const struct pg_tree *list = pg_tree_get(map, SL("images"));

    if (list == NULL || list->kind != PG_TREE_LIST || list->nchildren == 0 ||
        list->nchildren > WAIVER_IMAGES_MAX) {
        return reading_bad(
            r, list != NULL ? list->at : map->at,
            "images must be a list of 1 to %d patterns, such as [\"ghcr.io/acme/**\"], or "
            "[\"**\"] for all",
            WAIVER_IMAGES_MAX);
    }
    struct sl *images = pg_alloc(r->arena, list->nchildren * sizeof(*images));
    w->images = images;
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        struct pg_err err = {0};
        if (t->kind != PG_TREE_SCALAR || pg_tree_is_null(t)) {
            return reading_bad(r, t->at, "a pattern of images must be a text");
        }
        if (canonical(t->text, r->arena, &images[w->nimages], &err) < 0) {
            (void)reading_bad(r, t->at, "%s", err.msg);
            pg_err_clear(&err);
            return -1;
        }
        images[w->nimages] = pg_copy(r->arena, images[w->nimages]);
        w->nimages++;
    }
    return 0;
}

static int take_end(struct reading *r, const struct pg_tree *map, struct waiver *w)
{
    struct pg_tree_at at = {0, 0};
    struct sl text = {NULL, 0};
    char whole[32];
    int64_t day_s;

    if (take_text(r, map, "expires", &text, &at) < 0) {
        return -1;
    }
    if (moment_parse(text, &w->expires_s)) {
        return 0;
    }
    (void)snprintf(whole, sizeof(whole), "%.20sT00:00:00Z", text.p);
    if (text.n != 10 || !moment_parse(sl_str(whole), &day_s)) {
        return reading_bad(r, at,
                           "expires must be a day such as 2026-12-31, or 2026-12-31T18:00:00Z");
    }
    w->expires_s = day_s + 86400;
    return 0;
}

static int take_waiver(struct reading *r, waiver_canonical_fn *canonical, const struct pg_tree *t,
                       struct waiver *w)
{
    static const char *const words[] = {"vulnerability", "package", "images", "owner",
                                        "reason",        "expires", NULL};
    struct pg_tree_at at;

    w->line = t->at.line;
    if (reading_keys(r, t, "a waiver", words) < 0 || take_names(r, t, w) < 0 ||
        take_images(r, canonical, t, w) < 0 || take_text(r, t, "owner", &w->owner, &at) < 0 ||
        take_text(r, t, "reason", &w->reason, &at) < 0) {
        return -1;
    }
    return take_end(r, t, w);
}

static int take_all(struct reading *r, waiver_canonical_fn *canonical, const struct pg_tree *root,
                    struct waiver_list *list)
{
    static const char *const words[] = {"waivers", NULL};

    if (reading_keys(r, root, "the file", words) < 0) {
        return -1;
    }
    const struct pg_tree *all = pg_tree_get(root, SL("waivers"));
    if (all == NULL || pg_tree_is_null(all)) {
        return 0;
    }
    if (all->kind != PG_TREE_LIST || all->nchildren > WAIVER_LIST_MAX) {
        return reading_bad(r, all->at, "waivers must be a list of at most %d", WAIVER_LIST_MAX);
    }
    struct waiver *waivers = pg_alloc(r->arena, all->nchildren * sizeof(*waivers) + 1);
    list->waivers = waivers;
    for (const struct pg_tree *t = all->first; t != NULL; t = t->next) {
        if (take_waiver(r, canonical, t, &waivers[list->n]) < 0) {
            return -1;
        }
        list->n++;
    }
    return 0;
}

int waiver_read(const char *file, struct sl text, waiver_canonical_fn *canonical,
                struct pg_arena *arena, struct waiver_list *list_r, struct pg_err *err)
{
    struct reading r = {file, arena, err};
    struct waiver_list list = {.waivers = NULL};
    struct pg_tree_fault fault;
    struct pg_tree *root = NULL;

    if (text.n > WAIVER_BYTES_MAX) {
        return pg_fail(err, PG_E_DENIED, "%s:1:1: waivers have at most %zu KiB", file,
                       WAIVER_BYTES_MAX >> 10);
    }
    if (pg_tree_read(arena, text, &root, &fault) < 0) {
        return reading_bad(&r, fault.at, "%s", fault.what);
    }
    if (root != NULL && take_all(&r, canonical, root, &list) < 0) {
        return -1;
    }
    alias_index_init(&list.names);
    for (size_t i = 0; i < list.n; i++) {
        alias_index_add(&list.names, list.waivers[i].vulnerability, &list.waivers[i], arena);
    }
    *list_r = list;
    return 0;
}

void waiver_list_free(struct waiver_list *list)
{
    alias_index_free(&list->names);
}

/* ---- asked --------------------------------------------------------------------------------- */

static bool is_package(const struct waiver *w, const struct waiver_question *q)
{
    if (w->purl.type.n == 0) {
        return sl_eq(w->package, q->finding->package);
    }
    if (q->purl == NULL) {
        return false;
    }
    return w->purl.version.n > 0 ? purl_covers(&w->purl, q->purl) : purl_is_same(&w->purl, q->purl);
}

static bool is_image(const struct waiver *w, struct sl repository)
{
    for (size_t i = 0; i < w->nimages; i++) {
        if (wildcard_matches(w->images[i], repository)) {
            return true;
        }
    }
    return false;
}

static void look(const struct waiver_list *list, struct sl name, const struct waiver_question *q,
                 const struct waiver **best)
{
    const struct alias_entry *e = alias_index_find(&list->names, name);

    for (; e != NULL; e = e->next) {
        const struct waiver *w = e->item;
        if ((*best == NULL || w->expires_s > (*best)->expires_s) && is_package(w, q) &&
            is_image(w, q->repository)) {
            *best = w;
        }
    }
}

const struct waiver *waiver_find(const struct waiver_list *list, const struct waiver_question *q,
                                 bool *has_ended_r)
{
    const struct report_finding *f = q->finding;
    const struct waiver *best = NULL;

    look(list, f->id, q, &best);
    for (size_t i = 0; q->aliases_count && i < f->aliases.n; i++) {
        look(list, f->aliases.names[i], q, &best);
    }
    *has_ended_r = best != NULL && best->expires_s <= q->now_s;
    return best;
}

bool waiver_ends_soon(const struct waiver *w, int64_t now_s)
{
    return w->expires_s > now_s && w->expires_s - now_s <= WAIVER_SOON_S;
}
