/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/referrer_walk.h"

#include <stdlib.h>

#include "cache/subject.h"
#include "oci/media.h"
#include "oci/ref.h"
#include "proxy/journey/aside.h"
#include "proxy/journey/list_cache.h"
#include "proxy/journey/referrer_own.h"

/* One page that is read. Its list is nobody else's meanwhile. */
struct referrer_page {
    struct aside aside;
    struct referrer_walk *walk; /* the loop's */
    struct referrer_list *list;
    struct pg_bytes *body; /* NULL: there is none */
    bool is_last;          /* then what the store knows is added, too */
    struct store *store;
    struct sl repo; /* in the arena */
    struct digest subject;
    struct pg_arena arena;
    struct pg_err err;
};

static void on_api(struct fetch_ask *got);
static void on_tag(struct fetch_ask *got);

/* ---- where the referrers of a repository are ----------------------------------------------- */

static void free_note(struct listing *l)
{
    free(l);
}

static void note_tag(struct journey *j)
{
    struct listing *note = malloc(sizeof(*note));

    PG_CHECK(note != NULL);
    listing_init(note, free_note);
    list_cache_put(j->home->referrers, j->target.canonical, note, sizeof(*note),
                   j->rq.queue->now_ms);
    listing_unref(note);
}

static bool had_tag(struct journey *j)
{
    uint64_t noted_ms = 0;
    struct listing *note = list_cache_get(j->home->referrers, j->target.canonical, &noted_ms);
    uint64_t now_ms = j->rq.queue->now_ms;
    bool had = note != NULL && now_ms - noted_ms < REFERRER_WALK_TAG_MS;

    listing_unref(note);
    return had;
}

/* ---- asking -------------------------------------------------------------------------------- */

static void ask(struct referrer_walk *w, enum fetch_kind kind, struct sl reference, struct sl query,
                void (*done)(struct fetch_ask *got))
{
    struct journey *j = w->journey;
    struct fetch_question q = {.kind = kind,
                               .snapshot = j->snapshot,
                               .upstream = j->target.upstream,
                               .repo = j->target.repo,
                               .caller = journey_caller(j),
                               .reference = reference,
                               .query = query,
                               .trace = j->trace.of};

    w->ask = fetch_ask(j->home->fetch, &q, &j->home->loop->mail, done, w);
}

static void ask_api(struct referrer_walk *w)
{
    w->asked_api = true;
    ask(w, FETCH_REFERRERS, w->journey->want.reference, pager_query(&w->pager), on_api);
}

/* sha256:abc -> sha256-abc, at most a tag's length ("Referrers Tag Schema"). */
static void ask_tag(struct referrer_walk *w)
{
    char tag[DIGEST_TEXT_MAX];
    struct sl digest = digest_write(&w->journey->want.digest, tag);

    w->asked_tag = true;
    *(char *)memchr(tag, ':', digest.n) = '-';
    ask(w, FETCH_MANIFEST, (struct sl){tag, digest.n < REF_TAG_MAX ? digest.n : REF_TAG_MAX},
        SL(""), on_tag);
}

static void end_ask(struct referrer_walk *w)
{
    if (w->ask != NULL)
        fetch_ask_free(w->ask);
    w->ask = NULL;
}

static void end(struct referrer_walk *w)
{
    w->over = true;
    w->done(w);
}

/* ---- reading ------------------------------------------------------------------------------- */

static void free_page(struct aside *a)
{
    struct referrer_page *page = pg_container_of(a, struct referrer_page, aside);

    referrer_list_unref(page->list);
    pg_bytes_unref(page->body);
    pg_err_clear(&page->err);
    pg_arena_free(&page->arena);
    free(page);
}

static void read_page(struct aside *a)
{
    struct referrer_page *page = pg_container_of(a, struct referrer_page, aside);

    int added = 0;

    if (page->body != NULL)
        added = referrer_list_add(page->list, pg_bytes_sl(page->body), &page->err);
    if (added == 0 && page->is_last)
        added = referrer_own_merge(page->store, page->repo, &page->subject, page->list, &page->err);
    PG_CHECK((added == 0) == (page->err.kind == PG_E_NONE));
}

static void end_page(struct referrer_walk *w)
{
    if (w->page != NULL)
        aside_leave(&w->page->aside);
    w->page = NULL;
}

static void on_read(struct aside *a)
{
    struct referrer_walk *w = pg_container_of(a, struct referrer_page, aside)->walk;
    bool is_last = w->page->is_last;

    pg_err_move(&w->err, &w->page->err);
    end_page(w);
    if (is_last || w->err.kind != PG_E_NONE)
        end(w);
    else
        ask_api(w);
}

/* A long document, or manifests of the store that have to be read. */
static bool is_long(const struct referrer_page *page)
{
    struct pg_err ignored = {0};
    struct digest first;
    int found;

    if (page->body != NULL && page->body->n > ASIDE_BYTES)
        return true;
    if (!page->is_last)
        return false;
    found = subject_next_referrer(page->store, &page->subject, NULL, &first, &ignored);
    pg_err_clear(&ignored);
    return found != 0;
}

/* body NULL: nothing of upstream's. */
static void take(struct referrer_walk *w, struct pg_bytes *body, bool is_last)
{
    struct referrer_page *page = calloc(1, sizeof(*page));
    struct journey *j = w->journey;

    PG_CHECK(page != NULL);
    page->aside = (struct aside){.run = read_page, .done = on_read, .free = free_page};
    page->walk = w;
    page->list = referrer_list_ref(w->list);
    page->body = body != NULL ? pg_bytes_ref(body) : NULL;
    page->is_last = is_last;
    page->store = j->home->store;
    pg_arena_init(&page->arena, RQ_ARENA_BYTES);
    page->repo = pg_copy(&page->arena, j->target.canonical);
    page->subject = j->want.digest;
    w->page = page;
    end_ask(w);
    if (is_long(page))
        aside_start(&page->aside, j->home->loop);
    else
        aside_at_once(&page->aside);
}

/* ---- answers ------------------------------------------------------------------------------- */

static bool is_absent(const struct fetch_ask *got)
{
    return got->err.kind == PG_E_MANIFEST_UNKNOWN || got->err.kind == PG_E_BLOB_UNKNOWN ||
           got->err.kind == PG_E_NAME_UNKNOWN;
}

static void fail(struct referrer_walk *w, struct fetch_ask *got)
{
    w->retry_after_s = got->retry_after_s;
    pg_err_move(&w->err, &got->err);
    end_ask(w);
    end(w);
}

static void no_api(struct referrer_walk *w)
{
    end_ask(w);
    if (w->asked_tag)
        take(w, NULL, true);
    else
        ask_tag(w);
}

static void no_tag(struct referrer_walk *w)
{
    end_ask(w);
    if (w->asked_api)
        take(w, NULL, true);
    else
        ask_api(w);
}

static void take_api(struct referrer_walk *w, struct fetch_ask *got)
{
    bool is_first = w->pager.pages == 1;
    int more;

    if (got->err.kind != PG_E_NONE && !(is_first && is_absent(got))) {
        fail(w, got);
        return;
    }
    if (is_first && (got->err.kind != PG_E_NONE || !media_is_index(got->answer.content_type))) {
        no_api(w);
        return;
    }
    more = pager_next(&w->pager, got->answer.link, &got->err);
    if (more < 0)
        fail(w, got);
    else
        take(w, got->answer.body, more == 0);
}

static void on_api(struct fetch_ask *got)
{
    take_api(got->owner, got);
}

static void take_tag(struct referrer_walk *w, struct fetch_ask *got)
{
    if (got->err.kind != PG_E_NONE && (got->denied || !is_absent(got))) {
        fail(w, got);
        return;
    }
    if (got->err.kind != PG_E_NONE ||
        !(media_is_index(got->answer.content_type) || media_is_generic(got->answer.content_type))) {
        no_tag(w);
        return;
    }
    note_tag(w->journey);
    take(w, got->answer.body, true);
}

static void on_tag(struct fetch_ask *got)
{
    take_tag(got->owner, got);
}

/* ---- from outside -------------------------------------------------------------------------- */

static void begin(struct referrer_walk *w, struct journey *j, void (*done)(struct referrer_walk *w))
{
    referrer_walk_stop(w);
    *w = (struct referrer_walk){.journey = j, .done = done, .list = referrer_list_new()};
    pager_init(&w->pager, "referrers", REFERRER_WALK_PAGES_MAX, SL(""));
}

void referrer_walk_start(struct referrer_walk *w, struct journey *j,
                         void (*done)(struct referrer_walk *w))
{
    begin(w, j, done);
    if (had_tag(j))
        ask_tag(w);
    else
        ask_api(w);
}

void referrer_walk_own(struct referrer_walk *w, struct journey *j,
                       void (*done)(struct referrer_walk *w))
{
    begin(w, j, done);
    take(w, NULL, true);
}

void referrer_walk_stop(struct referrer_walk *w)
{
    end_ask(w);
    end_page(w);
    referrer_list_unref(w->list);
    w->list = NULL;
    pg_err_clear(&w->err);
}
