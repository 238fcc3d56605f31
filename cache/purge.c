/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/purge.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cache/land.h"
#include "cache/overlay.h"
#include "cache/publish.h"
#include "cache/purge_int.h"

#define ROWS_A_VIEW     256
#define DROPS_AT_A_TIME 64

/* ---- the plan ---- */

bool purge_is_stopped(const struct purge_plan *p)
{
    return p->question->stop != NULL && atomic_load(p->question->stop);
}

struct purge_content *purge_find(const struct purge_plan *p, const struct digest *d)
{
    struct key key = key_of_digest(d);
    struct pg_map_node *node = pg_map_get(&p->contents, key_sl(&key));

    return node != NULL ? pg_container_of(node, struct purge_content, by_digest) : NULL;
}

struct purge_content *purge_add_content(struct purge_plan *p, const struct digest *d)
{
    struct purge_content *c = purge_find(p, d);

    if (c != NULL)
        return c;
    c = calloc(1, sizeof(*c));
    PG_CHECK(c != NULL);
    c->digest = *d;
    c->image = p->image;
    c->key = key_of_digest(d);
    pg_map_put(&p->contents, &c->by_digest, key_sl(&c->key));
    return c;
}

void purge_add_link(struct purge_plan *p, const struct key_repo *repo, const struct digest *d)
{
    struct purge_link *l = calloc(1, sizeof(*l));

    PG_CHECK(l != NULL);
    pg_list_init(&l->node);
    l->repo = *repo;
    l->content = purge_add_content(p, d);
    l->same = l->content->links;
    l->content->links = l;
    l->image = p->image;
    pg_list_push(&p->links, &l->node);
    p->nlinks++;
}

bool purge_has_link(const struct purge_plan *p, const struct key_repo *repo, const struct digest *d)
{
    const struct purge_content *c = purge_find(p, d);
    const struct purge_link *l = c != NULL ? c->links : NULL;

    while (l != NULL && memcmp(&l->repo, repo, sizeof(*repo)) != 0)
        l = l->same;
    return l != NULL;
}

void purge_clear(struct purge_plan *p)
{
    struct pg_map_node *node;

    pg_list_each_safe (it, tmp, &p->links) {
        pg_list_remove(it);
        free(pg_container_of(it, struct purge_link, node));
    }
    while ((node = pg_map_next(&p->contents, NULL)) != NULL) {
        pg_map_remove(&p->contents, node);
        free(pg_container_of(node, struct purge_content, by_digest));
    }
    pg_map_free(&p->contents);
}

/* ---- who else has it ---- */

/* A link beside those of the plan. Of a scope, those before the plan's last are gone, or would be
 * if this were no dry run; those after it still come. */
static bool is_another(const struct purge_plan *p, const struct index_link_row *row, bool inside)
{
    struct key key = key_of_link(&row->repo, &row->digest);
    size_t n = key.n < p->last.n ? key.n : p->last.n;

    if (p->last.n == 0)
        return !purge_has_link(p, &row->repo, &row->digest);
    return !inside || memcmp(key.p, p->last.p, n) > 0;
}

static int is_inside(struct purge_plan *p, struct index_view *v, const struct key_repo *repo,
                     struct pg_err *err)
{
    struct sl name;
    int found = index_get_repo(v, repo, &name, err);

    return found <= 0 ? found : catalog_has(&p->question->scope, name);
}

/* Some rows after *row, in one view. 1: there may be more. */
static int look_at_links(struct purge_plan *p, struct index_link_row *row, bool *begun,
                         struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(p->store->index);

    for (unsigned i = 0; i < ROWS_A_VIEW; i++) {
        struct purge_content *c;
        int found = index_next_link(&v, *begun ? row : NULL, row, err), inside;

        if (found <= 0)
            return found;
        *begun = true;
        c = row->damaged ? NULL : purge_find(p, &row->digest);
        if (c == NULL || c->is_kept)
            continue;
        inside = is_inside(p, &v, &row->repo, err);
        if (inside < 0)
            return -1;
        c->is_kept = is_another(p, row, inside == 1);
    }
    return 1;
}

static int find_keepers(struct purge_plan *p, struct pg_err *err)
{
    struct index_link_row row;
    bool begun = false;
    int more = p->nlinks > 0 ? 1 : 0;

    while (more > 0 && !purge_is_stopped(p))
        more = look_at_links(p, &row, &begun, err);
    return more < 0 ? -1 : 0;
}

/* ---- carrying out ---- */

static void measure(struct purge_plan *p, struct purge_result *r)
{
    struct pg_map_node *node = NULL;

    *r = (struct purge_result){.tags = r->tags, .links = p->nlinks};
    while ((node = pg_map_next(&p->contents, node)) != NULL) {
        struct purge_content *c = pg_container_of(node, struct purge_content, by_digest);
        _index_view_ struct index_view v = index_view_begin(p->store->index);
        struct pg_err ignored = {0};
        struct index_blob blob;

        c->is_stored = index_get_blob(&v, &c->digest, &blob, &ignored) > 0;
        pg_err_clear(&ignored); /* a damaged row is no blob; recovery sees to it */
        if (!c->is_stored)
            continue;
        c->size = blob.size;
        r->kept += c->is_kept;
        r->blobs += !c->is_kept;
        r->bytes += c->is_kept ? 0 : blob.size;
    }
}

/* A few drops at a time, as eviction does. */
struct trickle {
    sem_t room;
};

static void on_dropped(void *owner)
{
    struct trickle *t = owner;

    PG_CHECK(sem_post(&t->room) == 0);
}

static void take_room(struct trickle *t)
{
    int r;

    do {
        r = sem_wait(&t->room);
    } while (r < 0 && errno == EINTR);
    PG_CHECK(r == 0);
}

void purge_remove_content(struct purge_plan *p)
{
    struct pg_map_node *node = NULL;
    struct trickle t;

    PG_CHECK(sem_init(&t.room, 0, DROPS_AT_A_TIME) == 0);
    while ((node = pg_map_next(&p->contents, node)) != NULL) {
        struct purge_content *c = pg_container_of(node, struct purge_content, by_digest);

        if (!c->is_stored || c->is_kept)
            continue;
        take_room(&t);
        publish_drop(p->store, &c->digest, PUBLISH_EVICTED, on_dropped, &t);
    }
    for (unsigned i = 0; i < DROPS_AT_A_TIME; i++)
        take_room(&t);
    PG_CHECK(sem_destroy(&t.room) == 0);
}

int purge_weigh(struct purge_plan *p, struct purge_result *r, struct pg_err *err)
{
    if (find_keepers(p, err) < 0)
        return -1;
    if (!purge_is_stopped(p))
        measure(p, r);
    return 0;
}

int purge_finish(struct purge_plan *p, struct pg_err *err)
{
    struct purge_result again = {0};

    if (purge_forget_links(p, err) < 0)
        return -1;
    measure(p, &again); /* what was pulled meanwhile */
    if (again.blobs > 0)
        purge_remove_content(p);
    return 0;
}

/* Content goes first, and what names it last: after a crash in the middle the same can be asked for
 * once more, and nothing stays on the disk that nobody can name. */
static int carry_out(struct purge_plan *p, struct purge_result *r, struct pg_err *err)
{
    if (purge_weigh(p, r, err) < 0)
        return -1;
    if (purge_is_stopped(p) || p->question->dry_run)
        return 0;
    purge_remove_content(p);
    if (p->question->scope.tag.n > 0)
        (p->question->forgets ? land_tag_forgotten : land_tag_gone)(
            p->store, p->question->scope.repo, p->question->scope.tag);
    return purge_finish(p, err);
}

/* ---- a tag, a digest ---- */

static int unknown(const struct catalog_scope *scope, struct pg_err *err)
{
    char text[DIGEST_TEXT_MAX] = "";

    if (scope->has_digest)
        (void)digest_write(&scope->digest, text);
    return pg_fail(err, PG_E_MANIFEST_UNKNOWN, SL_FMT "%s" SL_FMT "%s%s is not in the store",
                   SL_ARG(scope->repo), scope->tag.n > 0 ? ":" : "", SL_ARG(scope->tag),
                   scope->has_digest && scope->repo.n > 0 ? "@" : "", text);
}

static int purge_tag(struct purge_plan *p, struct purge_result *r, struct pg_err *err)
{
    const struct catalog_scope *scope = &p->question->scope;
    struct index_tag tag;
    int found = overlay_get_tag(p->store, scope->repo, scope->tag, &tag, err);

    if (found <= 0)
        return found < 0 ? -1 : unknown(scope, err);
    if (scope->has_digest && !digest_eq(&scope->digest, &tag.digest))
        return pg_fail(err, PG_E_DENIED, "the tag is another digest by now; nothing was purged");
    r->tags = 1;
    const struct purge_image image = {
        .repo = scope->repo, .digest = tag.digest, .tags = &scope->tag, .ntags = 1};
    if (purge_trace_from(p, &image, 1, 0, err) < 0)
        return -1;
    return carry_out(p, r, err);
}

static int purge_digest(struct purge_plan *p, struct purge_result *r, struct pg_err *err)
{
    const struct catalog_scope *scope = &p->question->scope;
    struct index_link link;
    int found = overlay_get_link(p->store, scope->repo, &scope->digest, &link, err);

    if (found <= 0)
        return found < 0 ? -1 : unknown(scope, err);
    const struct purge_image image = {.repo = scope->repo, .digest = scope->digest};
    if (purge_trace_from(p, &image, 1, 0, err) < 0)
        return -1;
    if (p->nlinks == 0)
        return pg_fail(err, PG_E_DENIED,
                       "a tag or a manifest of this repository names it; purge that, or purge the "
                       "digest alone, without the repository, to have it fetched again");
    return carry_out(p, r, err);
}

static int purge_bare(struct purge_plan *p, struct purge_result *r, struct pg_err *err)
{
    const struct catalog_scope *scope = &p->question->scope;

    (void)purge_add_content(p, &scope->digest);
    measure(p, r);
    if (r->blobs == 0)
        return unknown(scope, err);
    if (!p->question->dry_run)
        purge_remove_content(p);
    return 0;
}

static int purge_scope(struct purge_plan *p, struct purge_result *r, struct pg_buf *next,
                       struct pg_err *err)
{
    const struct catalog_scope *scope = &p->question->scope;

    if (purge_part_take(p, next, err) < 0)
        return -1;
    r->tags = p->ntags;
    if (scope->repo.n > 0 && p->question->cursor.n == 0 && p->nlinks == 0 && r->tags == 0)
        return unknown(scope, err);
    return carry_out(p, r, err);
}

static void say(const struct purge_question *q, const struct purge_result *r)
{
    char text[DIGEST_TEXT_MAX] = "";

    if (q->scope.has_digest)
        (void)digest_write(&q->scope.digest, text);
    pg_log_say(PG_LOG_INFO, PG_LOG_STORE,
               "purged " SL_FMT SL_FMT "%s" SL_FMT
               " %s: %ju tags, %ju links, %ju blobs of %ju bytes",
               SL_ARG(q->scope.upstream), SL_ARG(q->scope.repo), q->scope.tag.n > 0 ? ":" : "",
               SL_ARG(q->scope.tag), text, (uintmax_t)r->tags, (uintmax_t)r->links,
               (uintmax_t)r->blobs, (uintmax_t)r->bytes);
}

int purge_run(struct store *s, const struct purge_question *q, struct purge_result *r,
              struct pg_buf *next, struct pg_err *err)
{
    struct purge_plan p = {.store = s, .question = q};
    int rc;

    *r = (struct purge_result){0};
    pg_map_init(&p.contents);
    pg_list_init(&p.links);
    if (q->scope.tag.n > 0)
        rc = purge_tag(&p, r, err);
    else if (q->scope.has_digest && q->scope.repo.n > 0)
        rc = purge_digest(&p, r, err);
    else if (q->scope.has_digest)
        rc = purge_bare(&p, r, err);
    else
        rc = purge_scope(&p, r, next, err);
    purge_clear(&p);
    if (rc == 0 && !q->dry_run)
        say(q, r);
    return rc;
}
