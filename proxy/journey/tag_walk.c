/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/tag_walk.h"

#include "oci/link.h"

/* What distribution and others take at most; whoever has less in a page says so with a Link. */
#define FIRST_QUERY "n=1000"

static void on_page(struct fetch_ask *got);

static void ask(struct tag_walk *w, struct sl query)
{
    struct journey *j = w->journey;
    struct fetch_question q = {.kind = FETCH_TAGS,
                               .snapshot = j->snapshot,
                               .upstream = j->target.upstream,
                               .repo = j->target.repo,
                               .reference = SL(""),
                               .query = query};

    w->pages++;
    w->ask = fetch_ask(j->home->fetch, &q, &j->home->loop->mail, on_page, w);
}

/* A query may hold what a URL's may, as it is: it is passed on without being read. */
static bool is_query(struct sl s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || strchr("#\"<>\\^`{|}", s.p[i]) != NULL)
            return false;
    return s.n > 0 && s.n <= FETCH_QUERY_MAX;
}

/* 1: there is another page, and query is its; 0: there is none. */
static int next_page(struct tag_walk *w, struct sl link, struct pg_err *err)
{
    struct sl target, query;
    const char *mark;

    if (link.p == NULL || link_next(link, &target) == 0)
        return 0;
    mark = memchr(target.p, '?', target.n);
    if (mark == NULL)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream's list of tags links to itself");
    query = (struct sl){mark + 1, target.n - (size_t)(mark + 1 - target.p)};
    if (!is_query(query))
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream's list of tags has a malformed Link");
    if (sl_eq(query, (struct sl){w->query, w->nquery}))
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream's list of tags links to itself");
    if (w->pages >= TAG_WALK_PAGES_MAX)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream's list of tags has too many pages");
    memcpy(w->query, query.p, query.n);
    w->nquery = query.n;
    return 1;
}

static void end_ask(struct tag_walk *w)
{
    if (w->ask != NULL)
        fetch_ask_free(w->ask);
    w->ask = NULL;
}

/* 1: on to the next page, 0: that was the last, -1. */
static int take_page(struct tag_walk *w, struct fetch_ask *got)
{
    if (got->err.kind != PG_E_NONE) {
        w->retry_after_s = got->retry_after_s;
        pg_err_move(&w->err, &got->err);
        return -1;
    }
    if (tag_list_add(w->list, pg_bytes_sl(got->answer.body), &w->err) < 0)
        return -1;
    return next_page(w, got->answer.link, &w->err);
}

static void go_on(struct tag_walk *w, struct fetch_ask *got)
{
    int more = take_page(w, got);

    end_ask(w);
    if (more > 0) {
        ask(w, (struct sl){w->query, w->nquery});
        return;
    }
    if (more == 0)
        tag_list_sort(w->list);
    w->over = true;
    w->done(w);
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
    memcpy(w->query, FIRST_QUERY, sizeof(FIRST_QUERY) - 1);
    w->nquery = sizeof(FIRST_QUERY) - 1;
    ask(w, SL(FIRST_QUERY));
}

void tag_walk_stop(struct tag_walk *w)
{
    end_ask(w);
    tag_list_unref(w->list);
    w->list = NULL;
    pg_err_clear(&w->err);
}
