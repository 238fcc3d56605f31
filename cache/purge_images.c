/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/land.h"
#include "cache/overlay.h"
#include "cache/purge_int.h"

static int trace(struct purge_plan *p, const struct purge_image *images, size_t n,
                 struct pg_err *err)
{
    size_t end;

    for (size_t i = 0; i < n; i = end) {
        end = i + 1;
        while (end < n && sl_eq(images[end].repo, images[i].repo))
            end++;
        if (purge_trace_from(p, &images[i], end - i, i, err) < 0)
            return -1;
    }
    return 0;
}

/* What is not linked any more went before. */
static int say_who_stays(struct purge_plan *p, struct purge_image *images, size_t n,
                         struct pg_err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct key_repo repo = key_repo_of(images[i].repo);
        struct index_link link;
        int found = 0;

        if (!purge_has_link(p, &repo, &images[i].digest))
            found = overlay_get_link(p->store, images[i].repo, &images[i].digest, &link, err);
        if (found < 0)
            return -1;
        images[i].stays = found > 0;
        images[i].bytes = 0;
    }
    return 0;
}

static void count_bytes(const struct purge_plan *p, struct purge_image *images)
{
    struct pg_map_node *node = NULL;

    while ((node = pg_map_next(&p->contents, node)) != NULL) {
        const struct purge_content *c = pg_container_of(node, struct purge_content, by_digest);

        if (c->is_stored && !c->is_kept)
            images[c->image].bytes += c->size;
    }
}

static int forget_tags(struct purge_plan *p, const struct purge_image *image, struct pg_err *err)
{
    for (size_t i = 0; i < image->ntags; i++) {
        struct index_tag tag;
        int found = overlay_get_tag(p->store, image->repo, image->tags[i], &tag, err);

        if (found < 0)
            return -1;
        if (found > 0 && digest_eq(&tag.digest, &image->digest))
            land_tag_gone(p->store, image->repo, image->tags[i]);
    }
    return 0;
}

/* As purge_run() does it, and for the same reason: content first, what names it last. */
static int carry_out(struct purge_plan *p, struct purge_image *images, size_t n, struct pg_err *err)
{
    count_bytes(p, images);
    purge_remove_content(p);
    for (size_t i = 0; i < n; i++)
        if (!images[i].stays && forget_tags(p, &images[i], err) < 0)
            return -1;
    return purge_finish(p, err);
}

int purge_images_run(struct store *s, struct purge_image *images, size_t n, const atomic_bool *stop,
                     struct pg_err *err)
{
    struct purge_question q = {.stop = stop};
    struct purge_plan p = {.store = s, .question = &q};
    struct purge_result r = {0};
    int rc;

    pg_map_init(&p.contents);
    pg_list_init(&p.links);
    rc = trace(&p, images, n, err);
    if (rc == 0)
        rc = say_who_stays(&p, images, n, err);
    if (rc == 0)
        rc = purge_weigh(&p, &r, err);
    if (rc == 0 && purge_is_stopped(&p))
        rc = pg_fail(err, PG_E_CANCELED, "it was ended early");
    q.stop = NULL; /* what is begun is done */
    if (rc == 0)
        rc = carry_out(&p, images, n, err);
    purge_clear(&p);
    return rc;
}
