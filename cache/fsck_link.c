/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "cache/fsck_int.h"

#define REPO_MAX 1024

/* A repository's name, copied; 1, 0 it has none, -1. */
static int name_of(struct index_view *v, const struct key_repo *repo, char out[REPO_MAX],
                   struct pg_err *err)
{
    struct sl name;
    int found = index_get_repo(v, repo, &name, err);

    if (found == 1)
        (void)snprintf(out, REPO_MAX, SL_FMT, SL_ARG(name));
    return found;
}

struct removal {
    struct writer_op op;
    struct index_raw row;
};

static int apply_removal(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct removal *m = pg_container_of(op, struct removal, op);

    return index_del_raw(txn, &m->row, err) < 0 ? -1 : 0;
}

static bool remove_row(struct fsck *k, const char *table, struct key key)
{
    struct removal m = {.op = {.apply = apply_removal}, .row = {.table = table, .key = key}};

    return fsck_change(k, &m.op);
}

/* ---- links ---- */

static int next_link(struct fsck *k, const struct index_link_row *after, struct index_link_row *r,
                     int *named_r, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(k->store->index);
    char name[REPO_MAX];
    int found = index_next_link(&v, after, r, err);

    if (found == 1 && !r->damaged)
        *named_r = name_of(&v, &r->repo, name, err);
    return found == 1 && *named_r < 0 ? -1 : found;
}

static int look_at_links(struct fsck *k, struct pg_err *err)
{
    struct index_link_row row;
    bool begun = false;

    while (!fsck_is_stopped(k)) {
        char text[DIGEST_TEXT_MAX];
        struct sl d;
        int named = 1, found = next_link(k, begun ? &row : NULL, &row, &named, err);

        if (found != 1)
            return found;
        begun = true;
        k->result.links += !row.damaged;
        if (row.damaged || named == 1)
            continue;
        d = digest_write(&row.digest, text);
        fsck_found(k, FSCK_REPO_NAMELESS,
                   remove_row(k, "link", key_of_link(&row.repo, &row.digest)), "index",
                   "a link to " SL_FMT " is of a repository whose name is lost", SL_ARG(d));
    }
    return 0;
}

/* ---- tags ---- */

struct held_tag {
    struct index_tag_row row;
    char repo[REPO_MAX];
    int named, linked;
};

static int next_tag(struct fsck *k, struct held_tag *t, bool begun, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(k->store->index);
    struct index_link link;
    int found = index_next_tag(&v, begun ? &t->row : NULL, &t->row, err);

    if (found != 1 || t->row.damaged)
        return found;
    t->named = name_of(&v, &t->row.repo, t->repo, err);
    if (t->named == 1)
        t->linked = index_get_link(&v, (struct sl){t->repo, strlen(t->repo)}, &t->row.tag.digest,
                                   &link, err);
    return t->named < 0 || t->linked < 0 ? -1 : 1;
}

static void look_at_tag(struct fsck *k, const struct held_tag *t)
{
    struct key key = key_of_tag(&t->row.repo, (struct sl){t->row.name, t->row.ntag});

    k->result.tags++;
    if (t->named == 0)
        fsck_found(k, FSCK_REPO_NAMELESS, remove_row(k, "tag", key), "index",
                   "the tag %.*s is of a repository whose name is lost", (int)t->row.ntag,
                   t->row.name);
    else if (t->linked == 0)
        fsck_found(k, FSCK_TAG_NO_LINK, remove_row(k, "tag", key), "index",
                   "%s:%.*s is a manifest that the repository is not known to have", t->repo,
                   (int)t->row.ntag, t->row.name);
}

static int look_at_tags(struct fsck *k, struct pg_err *err)
{
    struct held_tag t = {0};

    for (bool begun = false; !fsck_is_stopped(k); begun = true) {
        int found;

        t.named = t.linked = 0;
        found = next_tag(k, &t, begun, err);
        if (found != 1)
            return found;
        if (!t.row.damaged)
            look_at_tag(k, &t);
    }
    return 0;
}

int fsck_link_run(struct fsck *k, struct pg_err *err)
{
    if (look_at_links(k, err) < 0)
        return -1;
    return look_at_tags(k, err);
}
