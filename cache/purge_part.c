/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cache/land.h"
#include "cache/purge_int.h"
#include "cache/writer.h"

#define ROWS_A_VIEW 256
#define TAGS_A_TIME 256

struct part {
    struct purge_plan *plan;
    struct index_link_row row; /* the one looked at last */
    bool begun;
    struct key_repo repo; /* whose tags are done */
    bool has_repo, is_inside;
    char name[CATALOG_REPO_MAX];
};

/* ---- cursors: as catalog's, a link's key in hexadecimal digits ---- */

static int read_cursor(struct part *p, struct pg_err *err)
{
    struct sl text = p->plan->question->cursor;

    if (text.n == 0)
        return 0;
    if (catalog_read_cursor(text, &p->plan->last, err) < 0)
        return -1;
    if (key_read_link(key_sl(&p->plan->last), &p->row.repo, &p->row.digest) < 0)
        return pg_fail(err, PG_E_BAD_FRAMING, "the cursor is none of a purge");
    p->begun = p->has_repo = true;
    p->repo = p->row.repo;
    return 0;
}

/* ---- tags ---- */

struct tags {
    char names[TAGS_A_TIME][KEY_TAG_MAX];
    size_t sizes[TAGS_A_TIME], n;
};

static int read_tags(struct part *p, struct sl after, struct tags *t, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(p->plan->store->index);
    struct sl repo = {p->name, strlen(p->name)};
    int found = 1;

    for (t->n = 0; t->n < TAGS_A_TIME; t->n++) {
        struct index_tag tag;

        found = index_next_tag_of(&v, repo, after, &after, &tag, err);
        if (found <= 0)
            break;
        memcpy(t->names[t->n], after.p, after.n);
        t->sizes[t->n] = after.n;
    }
    return found;
}

/* What was asked for goes through the queue of the writer: the next operation finds it done. */
static int forget_tags(struct part *p, const struct tags *t, struct pg_err *err)
{
    if (p->plan->question->dry_run)
        return 0;
    for (size_t i = 0; i < t->n; i++)
        land_tag_gone(p->plan->store, (struct sl){p->name, strlen(p->name)},
                      (struct sl){t->names[i], t->sizes[i]});
    return writer_catch_up(p->plan->store->writer, err);
}

static int purge_tags(struct part *p, struct pg_err *err)
{
    struct tags t = {.n = 0};
    char last[KEY_TAG_MAX];
    struct sl after = {last, 0};
    int more = 1;

    while (more > 0 && !purge_is_stopped(p->plan)) {
        more = read_tags(p, after, &t, err);
        if (more < 0 || forget_tags(p, &t, err) < 0)
            return -1;
        p->plan->ntags += t.n;
        if (t.n > 0) {
            memcpy(last, t.names[t.n - 1], t.sizes[t.n - 1]);
            after.n = t.sizes[t.n - 1];
        }
    }
    return 0;
}

/* ---- links ---- */

static int next_row(struct part *p, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(p->plan->store->index);
    struct sl only = p->plan->question->scope.repo, name;
    struct key_repo repo;
    int found, named;

    if (only.n > 0) {
        repo = key_repo_of(only);
        found = index_next_link_of(&v, &repo, p->begun ? &p->row.digest : NULL, &p->row, err);
    } else {
        found = index_next_link(&v, p->begun ? &p->row : NULL, &p->row, err);
    }
    if (found <= 0)
        return found;
    p->begun = true;
    if (p->name[0] != '\0' && memcmp(&p->repo, &p->row.repo, sizeof(p->repo)) == 0)
        return 1;
    named = index_get_repo(&v, &p->row.repo, &name, err);
    p->is_inside =
        named > 0 && name.n < sizeof(p->name) && catalog_has(&p->plan->question->scope, name);
    (void)snprintf(p->name, sizeof(p->name), SL_FMT, named > 0 ? (int)name.n : 1,
                   named > 0 ? name.p : "?");
    return named < 0 ? -1 : 1;
}

static int enter(struct part *p, struct pg_err *err)
{
    if (p->has_repo && memcmp(&p->repo, &p->row.repo, sizeof(p->repo)) == 0)
        return 0;
    p->repo = p->row.repo;
    p->has_repo = true;
    return p->is_inside ? purge_tags(p, err) : 0;
}

int purge_part_take(struct purge_plan *plan, struct pg_buf *next, struct pg_err *err)
{
    struct sl only = plan->question->scope.repo;
    struct part p = {.plan = plan};
    size_t most = plan->question->part > 0 ? plan->question->part : PURGE_PART;
    int found = 1;

    if (read_cursor(&p, err) < 0)
        return -1;
    if (only.n > 0 && !p.begun) { /* its tags, whether it has links or not */
        p.repo = key_repo_of(only);
        p.has_repo = true;
        (void)snprintf(p.name, sizeof(p.name), SL_FMT, SL_ARG(only));
        p.is_inside = true;
        if (purge_tags(&p, err) < 0)
            return -1;
    }
    while (plan->nlinks < most && !purge_is_stopped(plan)) {
        found = next_row(&p, err);
        if (found <= 0 || enter(&p, err) < 0)
            break;
        plan->last = key_of_link(&p.row.repo, &p.row.digest);
        if (p.is_inside && !p.row.damaged)
            purge_add_link(plan, &p.row.repo, &p.row.digest);
    }
    if (found > 0 && err->kind == PG_E_NONE)
        catalog_write_cursor(&plan->last, next);
    return err->kind == PG_E_NONE ? 0 : -1;
}
