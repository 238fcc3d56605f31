/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/named.h"

#include "base/steady.h"
#include "cache/overlay.h"
#include "cache/past.h"

/* ---- the tags of a digest (N02) ------------------------------------------------------------ */

static void add_tag(struct named *t, struct pg_arena *arena, struct sl name, int64_t since_s)
{
    if (t->since_s == 0 || since_s < t->since_s)
        t->since_s = since_s;
    for (size_t i = 0; i < t->n; i++)
        if (sl_eq(t->all[i], name))
            return;
    if (t->n == GATE_TAGS_MAX) {
        t->over = true;
        return;
    }
    t->all[t->n++] = pg_copy(arena, name);
}

/* Those that wait for their commit: noted when they were asked for, and true if the overlay says
 * so. */
static void add_noted(const struct gate_question *q, const struct digest *d, struct pg_arena *arena,
                      struct named *t)
{
    char name[129];
    struct index_tag tag;
    struct pg_err ignored = {0};

    for (size_t i = 0; shelf_tag(q->shelf, q->repository, d, i, name); i++) {
        int found = overlay_get_tag(q->store, q->repository, sl_str(name), &tag, &ignored);

        t->failed = t->failed || found < 0;
        if (found > 0 && digest_eq(&tag.digest, d))
            add_tag(t, arena, sl_str(name), tag.first_seen_s);
    }
    pg_err_clear(&ignored);
}

static void add_committed(const struct gate_question *q, const struct digest *d,
                          struct pg_arena *arena, struct named *t)
{
    _index_view_ struct index_view v = index_view_begin(q->store->index);
    struct sl name = {NULL, 0};
    struct index_tag tag;
    struct pg_err ignored = {0};
    int found;

    do {
        found = index_next_tag_naming(&v, q->repository, d, &name, &tag, &ignored);
        if (found > 0)
            add_tag(t, arena, name, tag.first_seen_s);
    } while (found > 0 && !t->over);
    t->failed = t->failed || found < 0;
    pg_err_clear(&ignored);
}

void named_find(const struct gate_question *q, const struct digest *d, struct pg_arena *arena,
                struct named *n)
{
    if (n->all == NULL)
        n->all = pg_alloc(arena, GATE_TAGS_MAX * sizeof(*n->all));
    add_committed(q, d, arena, n);
    add_noted(q, d, arena, n);
}

/* ---- since when, and whether it may ---------------------------------------------------------- */

/* A tag names it for as long as upstream was heard to say so: what it says once, and then nothing,
 * grows no older. */
static int64_t since_by_tag(const struct gate_question *q, const struct index_tag *tag)
{
    int64_t unheard_s = q->now_s - tag->validated_s - (int64_t)(q->tags_ttl_ms / 1000);

    return tag->first_seen_s + (unheard_s > 0 ? unheard_s : 0);
}

/* Since when the first tag named it here, though none may any more; else it was linked. */
static int64_t since_by_digest(const struct gate_question *q, const struct digest *d,
                               const struct named *t, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(q->store->index);
    struct index_link link;
    int64_t since_s = 0;
    int found = past_first(&v, q->repository, d, &since_s, err);

    if (found > 0 && (t->n == 0 || since_s < t->since_s))
        return since_s;
    if (t->n > 0 || found < 0)
        return t->since_s;
    return overlay_get_link(q->store, q->repository, d, &link, err) > 0 ? link.first_seen_s : 0;
}

/* Since when it is what it was asked for as (N08), by the clock that nobody sets; told by the one
 * that says how late it is. What cannot be read is not known. */
int64_t named_since(const struct gate_question *q, struct sl tag, const struct digest *d,
                    const struct named *t)
{
    struct index_tag named;
    struct pg_err ignored = {0};
    int64_t since_s = 0;

    if (q->older != NULL && digest_eq(&q->older->digest, d))
        return q->now_s - (q->older->until_s - q->older->since_s);
    if (tag.p == NULL)
        since_s = since_by_digest(q, d, t, &ignored);
    else if (overlay_get_tag(q->store, q->repository, tag, &named, &ignored) > 0 &&
             digest_eq(&named.digest, d))
        since_s = since_by_tag(q, &named);
    pg_err_clear(&ignored);
    return since_s > 0 ? since_s - pg_steady_ahead_s() : 0;
}

/* What the tag may not move from. */
void named_record(const struct gate_question *q, const struct digest *d, struct facts *f)
{
    _index_view_ struct index_view v = index_view_begin(q->store->index);
    struct pg_err ignored = {0};
    struct past past;
    int found = past_get(&v, q->repository, f->tag, &past, &ignored);
    const struct past_spell *fixed = found > 0 ? past_fixed(&past) : NULL;

    if (fixed != NULL)
        f->recorded = fixed->digest;
    f->record = found < 0                      ? FACTS_RECORD_UNKNOWN
                : fixed == NULL                ? FACTS_NO_RECORD
                : digest_eq(&fixed->digest, d) ? FACTS_AS_RECORDED
                                               : FACTS_MOVED;
    pg_err_clear(&ignored);
}
