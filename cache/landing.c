/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/landing_int.h"

#include <string.h>

#include "base/log.h"
#include "base/metric.h"
#include "cache/age.h"
#include "cache/past.h"
#include "cache/proof.h"

void landing_name(struct landing *l, const struct digest *d, enum index_edge_kind edge,
                  uint64_t size)
{
    struct landing_named *n = &l->named[l->nnamed++];

    n->digest = *d;
    n->edge = edge;
    n->link = edge == INDEX_EDGE_CHILD ? INDEX_LINK_MANIFEST : INDEX_LINK_BLOB;
    n->size = size;
}

static void name(struct landing *l, const struct manifest_desc *d, enum index_edge_kind edge)
{
    landing_name(l, &d->digest, edge, d->size);
}

void landing_of_manifest(struct landing *l, const struct manifest *parsed, struct sl bytes,
                         const struct digest *sha256, struct pg_arena *arena)
{
    size_t most = parsed->nchildren + 2;

    l->named = pg_alloc(arena, most * sizeof(l->named[0]));
    if (parsed->has_config)
        name(l, &parsed->config, INDEX_EDGE_CONFIG);
    for (size_t i = 0; i < parsed->nchildren; i++)
        name(l, &parsed->children[i],
             parsed->kind == MANIFEST_INDEX ? INDEX_EDGE_CHILD : INDEX_EDGE_LAYER);
    if (parsed->has_subject)
        name(l, &parsed->subject, INDEX_EDGE_SUBJECT);
    PG_CHECK(l->nnamed <= most);
    l->has_manifest = true;
    l->manifest = (struct index_manifest){
        .kind = parsed->kind, .sha256 = *sha256, .media_type = parsed->media_type, .bytes = bytes};
    l->has_link = true;
    l->link = (struct index_link){
        .kind = INDEX_LINK_MANIFEST, .first_seen_s = l->steady_s, .size = bytes.n, .landed = true};
}

/* Lazily fetched children count as seen when a stored manifest first named them. */
static struct index_link link_of(const struct landing *l, const struct landing_named *n)
{
    return (struct index_link){
        .kind = n->link, .first_seen_s = l->link.first_seen_s, .size = n->size};
}

static bool is_linked(const struct landing_named *n)
{
    return n->edge != INDEX_EDGE_SUBJECT;
}

static struct index_tag tag_of(const struct landing *l)
{
    return (struct index_tag){
        .digest = l->digest, .validated_s = l->now_s, .first_seen_s = l->steady_s};
}

void landing_show(const struct landing *l, struct pg_bytes *bytes, struct overlay_batch *b)
{
    struct index_tag tag = tag_of(l);

    if (l->was_asked || l->is_fixed)
        return;
    if (l->has_manifest)
        overlay_add_manifest(b, &l->digest, &l->manifest, bytes);
    if (l->has_link)
        overlay_add_link(b, l->repo, &l->digest, &l->link);
    for (size_t i = 0; i < l->nnamed; i++) {
        struct index_link link = link_of(l, &l->named[i]);

        if (is_linked(&l->named[i]))
            overlay_add_link(b, l->repo, &l->named[i].digest, &link);
    }
    if (l->tag_gone)
        overlay_add_tag_gone(b, l->repo, l->tag);
    else if (l->tag.p != NULL)
        overlay_add_tag(b, l->repo, l->tag, &tag);
}

/* ---- in the writer's transaction ---- */

/* A row that cannot be read tells nothing: as if it were not there. */
static bool knows(int found, struct pg_err *err)
{
    if (found < 0)
        pg_err_clear(err);
    return found > 0;
}

static int apply_link(const struct landing *l, struct journal *j, struct index_txn *txn,
                      struct pg_err *err)
{
    bool is_manifest = l->link.kind == INDEX_LINK_MANIFEST;
    struct journal_record r = {
        .kind = JOURNAL_LINK,
        .when_s = l->link.first_seen_s,
        .repo = l->repo,
        .name = l->manifest.media_type,
        .more = is_manifest ? SL("manifest") : SL("blob"),
        .number = l->link.size,
        .has_digest = true,
        .digest = l->digest,
    };
    struct index_view v = index_txn_view(txn);
    struct index_link old;
    bool known = knows(index_get_link(&v, l->repo, &l->digest, &old, err), err) && old.landed &&
                 old.first_seen_s <= l->link.first_seen_s;

    if (!known && j != NULL && journal_append(j, &r, err) < 0)
        return -1;
    return index_put_link(txn, l->repo, &l->digest, &l->link, err);
}

static int apply_manifest(const struct landing *l, struct index_txn *txn, struct pg_err *err)
{
    struct index_view v = index_txn_view(txn);
    struct index_blob blob;

    if (!knows(index_get_blob(&v, &l->digest, &blob, err), err))
        return 0; /* it was evicted meanwhile */
    if (proof_put(txn, l->repo, &l->digest, err) < 0)
        return -1;
    return index_put_manifest(txn, &l->digest, &l->manifest, err);
}

static int apply_named(const struct landing *l, struct index_txn *txn, struct pg_err *err)
{
    for (size_t i = 0; i < l->nnamed; i++) {
        struct index_edge edge = {l->digest, l->named[i].digest, l->named[i].edge};
        struct index_link link = link_of(l, &l->named[i]);

        if (index_put_edge(txn, &edge, err) < 0)
            return -1;
        if (is_linked(&l->named[i]) &&
            index_put_link(txn, l->repo, &l->named[i].digest, &link, err) < 0)
            return -1;
    }
    return 0;
}

static int drop_tag(const struct landing *l, struct sl tag, struct journal *j,
                    struct index_txn *txn, struct pg_err *err)
{
    struct journal_record r = {
        .kind = JOURNAL_TAG_GONE, .when_s = l->now_s, .repo = l->repo, .name = tag};

    if (j != NULL && journal_append(j, &r, err) < 0)
        return -1;
    return index_del_tag(txn, l->repo, tag, err) < 0 ? -1 : past_end(txn, l->repo, tag, err);
}

/* A tag is worth nothing without the link of what it names. */
static int drop_tags(const struct landing *l, struct journal *j, struct index_txn *txn,
                     struct pg_err *err)
{
    struct index_view v = index_txn_view(txn);
    struct sl name = {NULL, 0};
    struct index_tag tag;
    char kept[KEY_TAG_MAX];

    while (knows(index_next_tag_naming(&v, l->repo, &l->digest, &name, &tag, err), err)) {
        memcpy(kept, name.p, name.n); /* it dies with the row */
        name.p = kept;
        if (drop_tag(l, name, j, txn, err) < 0)
            return -1;
    }
    return 0;
}

static int apply_link_gone(const struct landing *l, struct journal *j, struct index_txn *txn,
                           struct pg_err *err)
{
    struct journal_record r = {.kind = JOURNAL_LINK_GONE,
                               .when_s = l->now_s,
                               .repo = l->repo,
                               .has_digest = true,
                               .digest = l->digest};
    struct index_view v = index_txn_view(txn);
    struct index_link old;

    if (knows(index_get_link(&v, l->repo, &l->digest, &old, err), err) && old.landed && j != NULL &&
        journal_append(j, &r, err) < 0)
        return -1;
    if (drop_tags(l, j, txn, err) < 0)
        return -1;
    return index_del_link(txn, l->repo, &l->digest, err) < 0 ? -1 : 0;
}

static int drop_rows(const struct landing *l, struct index_txn *txn, struct pg_err *err)
{
    if (index_del_tag(txn, l->repo, l->tag, err) < 0)
        return -1;
    return l->is_forgotten ? past_forget(txn, l->repo, l->tag, err)
                           : past_end(txn, l->repo, l->tag, err);
}

static int fix_tag(const struct landing *l, struct journal *j, struct index_txn *txn,
                   struct pg_err *err)
{
    struct journal_record r = {.kind = JOURNAL_IMMUTABLE,
                               .when_s = l->steady_s,
                               .repo = l->repo,
                               .name = l->tag,
                               .has_digest = true,
                               .digest = l->digest};
    struct index_tag now = tag_of(l);
    bool is_new = false;

    if (past_fix(txn, l->repo, l->tag, &now, &is_new, err) < 0)
        return -1;
    return is_new && j != NULL ? journal_append(j, &r, err) : 0;
}

/* Before its tag is gone. */
static int free_tag(const struct landing *l, struct journal *j, struct pg_err *err)
{
    struct journal_record r = {
        .kind = JOURNAL_MUTABLE, .when_s = l->steady_s, .repo = l->repo, .name = l->tag};

    return j != NULL ? journal_append(j, &r, err) : 0;
}

/* Who watches over the registry hears of it once, at the first pull that sees it. */
static void alarm_if_moved(const struct landing *l, struct index_txn *txn)
{
    char was[DIGEST_TEXT_MAX], now[DIGEST_TEXT_MAX];
    struct index_view v = index_txn_view(txn);
    struct pg_err ignored = {0};
    struct past past;
    bool known = knows(past_get(&v, l->repo, l->tag, &past, &ignored), &ignored);
    const struct past_spell *fixed = known ? past_fixed(&past) : NULL;

    if (fixed == NULL || digest_eq(&fixed->digest, &l->digest))
        return;
    pg_metric_inc(PG_M_TAGS_MOVED);
    pg_log_say(PG_LOG_ERROR, PG_LOG_SECURITY,
               "the tag " SL_FMT ":" SL_FMT " may not move, and upstream moved it: from " SL_FMT
               " to " SL_FMT,
               SL_ARG(l->repo), SL_ARG(l->tag), SL_ARG(digest_write(&fixed->digest, was)),
               SL_ARG(digest_write(&l->digest, now)));
}

static int64_t last_seen(const struct landing *l, struct index_view *v, const struct index_tag *was)
{
    struct pg_err ignored = {0};
    struct past past;
    bool known = knows(past_get(v, l->repo, l->tag, &past, &ignored), &ignored);

    return known && past.n > 0 && past.spells[0].is_open ? past.spells[0].until_s
                                                         : was->first_seen_s;
}

static int apply_tag(const struct landing *l, struct journal *j, struct index_txn *txn,
                     struct pg_err *err)
{
    struct journal_record r = {
        .kind = l->tag_gone ? JOURNAL_TAG_GONE : JOURNAL_TAG,
        .when_s = l->steady_s,
        .repo = l->repo,
        .name = l->tag,
        .has_digest = !l->tag_gone,
        .digest = l->digest,
    };
    struct index_view v = index_txn_view(txn);
    struct index_tag now = tag_of(l), old;
    bool known = knows(index_get_tag(&v, l->repo, l->tag, &old, err), err);
    bool news = l->tag_gone ? known : !known || !digest_eq(&old.digest, &l->digest);

    if (news && known) /* until when it was what it was: its row in `past` may be lost */
        r.number = (uint64_t)last_seen(l, &v, &old);
    if (l->is_forgotten && free_tag(l, j, err) < 0)
        return -1;
    if (news && j != NULL && journal_append(j, &r, err) < 0)
        return -1;
    if (l->tag_gone)
        return drop_rows(l, txn, err);
    if (index_put_tag(txn, l->repo, l->tag, &now, err) < 0 || (news && age_put(txn, err) < 0))
        return -1;
    if (past_note(txn, l->repo, l->tag, &now, known ? &old : NULL, err) < 0)
        return -1;
    if (news)
        alarm_if_moved(l, txn);
    return 0;
}

/* Of a tag that was only confirmed: the link may have gone meanwhile: 0. One that only a manifest
 * gave is confirmed with it, and journalled: the tag must not be without it when the index is lost.
 */
static int confirm_link(const struct landing *l, struct journal *j, struct index_txn *txn,
                        struct pg_err *err)
{
    struct landing confirmed = *l;
    struct index_view v = index_txn_view(txn);

    if (!knows(index_get_link(&v, l->repo, &l->digest, &confirmed.link, err), err))
        return 0;
    if (confirmed.link.landed)
        return 1;
    confirmed.link.landed = true;
    confirmed.link.kind = INDEX_LINK_MANIFEST;
    if (!knows(index_get_manifest(&v, &l->digest, &confirmed.manifest, err), err))
        confirmed.manifest.media_type = SL("");
    return apply_link(&confirmed, j, txn, err) < 0 ? -1 : 1;
}

int landing_apply(const struct landing *l, struct journal *j, bool with_tag, struct index_txn *txn,
                  struct pg_err *err)
{
    if (l->is_fixed)
        return fix_tag(l, j, txn, err);
    if (l->was_asked)
        return past_asked(txn, l->repo, l->tag, &l->digest, l->is_there ? l->now_s : 0, err);
    if (l->link_gone)
        return apply_link_gone(l, j, txn, err);
    if (l->has_link && apply_link(l, j, txn, err) < 0)
        return -1;
    if (l->has_manifest && apply_manifest(l, txn, err) < 0)
        return -1;
    if (apply_named(l, txn, err) < 0)
        return -1;
    if (!with_tag || l->tag.p == NULL)
        return 0;
    if (!l->tag_gone && !l->has_link) {
        int linked = confirm_link(l, j, txn, err);

        if (linked <= 0)
            return linked;
    }
    return apply_tag(l, j, txn, err);
}
