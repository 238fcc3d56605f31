/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/roster.h"

#include <string.h>

#include "cache/index_int.h"

#define STEP 512 /* rows in one view */

int roster_next_manifest(struct index_view *v, const struct digest *after,
                         struct roster_manifest *r, struct pg_err *err)
{
    struct index_manifest_row row;
    int found = index_next_manifest(v, after, &row, err);

    if (found > 0)
        *r = (struct roster_manifest){row.digest, row.manifest, row.damaged};
    return found;
}

static bool is_stopped(const atomic_bool *stop)
{
    return stop != NULL && atomic_load(stop);
}

/* ---- places -------------------------------------------------------------------------------- */

struct places {
    struct index_link_row row;
    bool begun;
    roster_place_fn *each;
    void *arg;
};

static int tell_place(const struct places *p, struct index_view *v, struct pg_err *err)
{
    struct sl name;
    int found;

    if (p->row.damaged || p->row.link.kind != INDEX_LINK_MANIFEST)
        return 0;
    found = index_get_repo(v, &p->row.repo, &name, err);
    if (found <= 0)
        return found;
    p->each(p->arg, &(struct roster_place){name, p->row.digest, p->row.link.first_seen_s});
    return 0;
}

/* 1: there may be more; 0, -1. */
static int step_places(struct store *s, struct places *p, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    for (int i = 0; i < STEP; i++) {
        int found = index_next_link(&v, p->begun ? &p->row : NULL, &p->row, err);

        if (found <= 0)
            return found;
        p->begun = true;
        if (tell_place(p, &v, err) < 0)
            return -1;
    }
    return 1;
}

int roster_places(struct store *s, const atomic_bool *stop, roster_place_fn *each, void *arg,
                  struct pg_err *err)
{
    struct places p = {.each = each, .arg = arg};
    int more = 1;

    while (more > 0 && !is_stopped(stop))
        more = step_places(s, &p, err);
    return more < 0 ? -1 : 0;
}

/* ---- pulls --------------------------------------------------------------------------------- */

struct pulls {
    struct index_event_row row;
    bool begun;
    roster_pull_fn *each;
    void *arg;
};

static int step_pulls(struct store *s, struct pulls *p, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    for (int i = 0; i < STEP; i++) {
        int found = index_next_event(&v, p->begun ? &p->row : NULL, &p->row, err);
        const struct index_event *e = &p->row.event;

        if (found <= 0)
            return found;
        p->begun = true;
        if (!p->row.damaged)
            p->each(p->arg,
                    &(struct roster_pull){e->when_s, e->caller, e->repo, e->reference, e->digest});
    }
    return 1;
}

int roster_pulls(struct store *s, const atomic_bool *stop, roster_pull_fn *each, void *arg,
                 struct pg_err *err)
{
    struct pulls p = {.each = each, .arg = arg};
    int more = 1;

    while (more > 0 && !is_stopped(stop))
        more = step_pulls(s, &p, err);
    return more < 0 ? -1 : 0;
}
