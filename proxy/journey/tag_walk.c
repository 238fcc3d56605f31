/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/tag_walk.h"

#include <stdlib.h>

#include "base/clock.h"
#include "cache/overlay.h"
#include "proxy/journey/aside.h"

/* What distribution and others take at most; whoever has less in a page says so with a Link. */
#define FIRST_QUERY "n=1000"

/* One page that is read. Its list is nobody else's meanwhile. */
struct tag_page {
    struct aside aside;
    struct tag_walk *walk; /* the loop's */
    struct tag_list *list;
    struct pg_bytes *body; /* or, where there is none: */
    struct tag_own {
        struct store *store;
        struct sl repo;  /* in `arena` */
        int64_t since_s; /* validated since then */
        struct pg_arena arena;
    } own;
    bool is_last; /* then the list is sorted, too */
    struct pg_err err;
};

static void on_page(struct fetch_ask *got);

static void ask(struct tag_walk *w)
{
    struct journey *j = w->journey;
    struct fetch_question q = {.kind = FETCH_TAGS,
                               .snapshot = j->snapshot,
                               .upstream = j->target.upstream,
                               .repo = j->target.repo,
                               .caller = journey_caller(j),
                               .reference = SL(""),
                               .query = pager_query(&w->pager),
                               .trace = j->trace.of};

    w->ask = fetch_ask(j->home->fetch, &q, &j->home->loop->mail, on_page, w);
}

static void end_ask(struct tag_walk *w)
{
    if (w->ask != NULL)
        fetch_ask_free(w->ask);
    w->ask = NULL;
}

static void end(struct tag_walk *w)
{
    w->over = true;
    w->done(w);
}

static void free_page(struct aside *a)
{
    struct tag_page *page = pg_container_of(a, struct tag_page, aside);

    tag_list_unref(page->list);
    pg_bytes_unref(page->body);
    pg_arena_free(&page->own.arena);
    pg_err_clear(&page->err);
    free(page);
}

static int read_own(struct tag_page *page)
{
    const struct tag_own *own = &page->own;
    struct sl name = {NULL, 0};
    struct overlay_tag t;
    int found;

    while ((found = overlay_next_tag(own->store, own->repo, name, &t, &page->err)) > 0) {
        name = (struct sl){t.name, t.nname};
        if (t.tag.validated_s >= own->since_s && tag_list_add_one(page->list, name, &page->err) < 0)
            return -1;
    }
    return found;
}

static void read_page(struct aside *a)
{
    struct tag_page *page = pg_container_of(a, struct tag_page, aside);
    int got = page->body == NULL ? read_own(page)
                                 : tag_list_add(page->list, pg_bytes_sl(page->body), &page->err);

    if (got == 0 && page->is_last)
        tag_list_sort(page->list);
}

static void end_page(struct tag_walk *w)
{
    if (w->page != NULL)
        aside_leave(&w->page->aside);
    w->page = NULL;
}

static void on_read(struct aside *a)
{
    struct tag_walk *w = pg_container_of(a, struct tag_page, aside)->walk;
    bool is_last = w->page->is_last;

    pg_err_move(&w->err, &w->page->err);
    end_page(w);
    if (is_last || w->err.kind != PG_E_NONE)
        end(w);
    else
        ask(w);
}

static struct tag_page *new_page(struct tag_walk *w, struct pg_bytes *body, bool is_last)
{
    struct tag_page *page = calloc(1, sizeof(*page));

    PG_CHECK(page != NULL);
    page->aside = (struct aside){.run = read_page, .done = on_read, .free = free_page};
    page->walk = w;
    page->list = tag_list_ref(w->list);
    page->body = body != NULL ? pg_bytes_ref(body) : NULL;
    page->is_last = is_last;
    pg_arena_init(&page->own.arena, RQ_ARENA_BYTES);
    return page;
}

static bool is_long(const struct tag_page *page)
{
    return page->body->n + (page->is_last ? page->list->names.n : 0) > ASIDE_BYTES;
}

static void go_on(struct tag_walk *w, struct fetch_ask *got)
{
    int more = -1;

    w->retry_after_s = got->retry_after_s;
    if (got->err.kind != PG_E_NONE)
        pg_err_move(&w->err, &got->err);
    else
        more = pager_next(&w->pager, got->answer.link, &w->err);
    if (more >= 0)
        w->page = new_page(w, got->answer.body, more == 0);
    end_ask(w);
    if (more < 0)
        end(w);
    else if (is_long(w->page))
        aside_start(&w->page->aside, w->journey->home->loop);
    else
        aside_at_once(&w->page->aside);
}

static void on_page(struct fetch_ask *got)
{
    go_on(got->owner, got);
}

void tag_walk_start(struct tag_walk *w, struct journey *j, void (*done)(struct tag_walk *w))
{
    w->journey = j;
    w->done = done;
    w->list = tag_list_new();
    pager_init(&w->pager, "tags", TAG_WALK_PAGES_MAX, SL(FIRST_QUERY));
    ask(w);
}

void tag_walk_own(struct tag_walk *w, struct journey *j, void (*done)(struct tag_walk *w))
{
    struct tag_own *own;

    tag_walk_stop(w);
    *w = (struct tag_walk){.journey = j, .done = done, .list = tag_list_new()};
    w->page = new_page(w, NULL, true);
    own = &w->page->own;
    own->store = j->home->store;
    own->repo = pg_copy(&own->arena, j->target.canonical);
    own->since_s = pg_clock_wall_s() - (int64_t)(j->snapshot->config.tags_max_stale / 1000);
    aside_start(&w->page->aside, j->home->loop);
}

void tag_walk_stop(struct tag_walk *w)
{
    end_ask(w);
    end_page(w);
    tag_list_unref(w->list);
    w->list = NULL;
    pg_err_clear(&w->err);
}
