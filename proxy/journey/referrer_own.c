/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/referrer_own.h"

#include "cache/overlay.h"
#include "cache/subject.h"

static int remove_others(struct store *s, const struct digest *subject, struct referrer_list *l,
                         struct pg_err *err)
{
    pg_list_each_safe (it, next, &l->all) {
        struct referrer *r = pg_container_of(it, struct referrer, node);
        int is_another = subject_is_another(s, subject, &r->digest, err);

        if (is_another < 0)
            return -1;
        if (is_another > 0)
            referrer_list_remove(l, r);
    }
    return 0;
}

/* A manifest that cannot be read any more is none. */
static int add_manifest(struct referrer_list *l, const struct digest *d,
                        const struct overlay_manifest *found, struct pg_arena *arena,
                        struct pg_err *err)
{
    struct pg_err unreadable = {0};
    struct manifest m;

    if (manifest_parse(found->bytes, found->media_type, arena, &m, &unreadable) < 0) {
        pg_err_clear(&unreadable);
        return 0;
    }
    return referrer_list_add_own(l, d, found->bytes.n, &m, err);
}

static int add(struct store *s, struct referrer_list *l, const struct digest *d, struct pg_err *err)
{
    struct overlay_manifest found = {0};
    struct pg_arena arena;
    int added;

    pg_arena_init(&arena, MANIFEST_ARENA_BYTES);
    added = overlay_get_manifest(s, d, &arena, &found, err);
    if (added > 0)
        added = add_manifest(l, d, &found, &arena, err);
    pg_bytes_unref(found.held);
    pg_arena_free(&arena);
    return added;
}

int referrer_own_merge(struct store *s, struct sl repo, const struct digest *subject,
                       struct referrer_list *l, struct pg_err *err)
{
    struct digest d;
    int found;

    if (remove_others(s, subject, l, err) < 0)
        return -1;
    found = subject_next_referrer(s, subject, NULL, &d, err);
    for (unsigned n = 0; found > 0 && n < REFERRER_LIST_MAX; n++) {
        struct index_link link;
        int linked = overlay_get_link(s, repo, &d, &link, err);

        if (linked < 0 ||
            (linked > 0 && link.kind == INDEX_LINK_MANIFEST && add(s, l, &d, err) < 0))
            return -1;
        found = subject_next_referrer(s, subject, &d, &d, err);
    }
    return found < 0 ? -1 : 0;
}
