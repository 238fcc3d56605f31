/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/listing.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/steady.h"
#include "cache/purge.h"

struct list {
    struct pg_buf *out;
    enum catalog_what what;
    size_t n;
};

static void put_time(struct pg_buf *out, const char *name, int64_t s)
{
    char text[PG_CLOCK_TEXT_MAX];

    if (s == 0)
        (void)pg_buf_printf(out, ",\"%s\":null", name);
    else
        (void)pg_buf_printf(out, ",\"%s\":\"%s\"", name, pg_clock_rfc3339(s * 1000, text));
}

static void put_text(struct pg_buf *out, const char *name, struct sl text)
{
    (void)pg_buf_printf(out, ",\"%s\":", name);
    (void)pg_buf_put_json(out, text);
}

static void put_digest(struct pg_buf *out, const char *name, const struct digest *d)
{
    char text[DIGEST_TEXT_MAX];

    if (d == NULL)
        (void)pg_buf_printf(out, ",\"%s\":null", name);
    else
        put_text(out, name, digest_write(d, text));
}

static void put_row(void *arg, const struct catalog_row *row)
{
    struct list *l = arg;
    struct pg_buf *out = l->out;
    char digest[DIGEST_TEXT_MAX];

    (void)pg_buf_put(out, l->n++ > 0 ? SL(",{\"repo\":") : SL("{\"repo\":"));
    (void)pg_buf_put_json(out, row->repo);
    if (l->what == CATALOG_TAGS)
        put_text(out, "tag", row->tag);
    put_text(out, "digest", digest_write(&row->digest, digest));
    if (l->what != CATALOG_BLOBS)
        put_text(out, "media_type", row->media_type);
    (void)pg_buf_printf(out, ",\"bytes\":%" PRIu64, row->bytes);
    if (l->what == CATALOG_TAGS) {
        (void)pg_buf_printf(out, ",\"missing\":%" PRIu64, row->missing);
        put_time(out, "validated", row->validated_s);
        put_digest(out, "held_at", row->is_held ? &row->held : NULL);
        put_digest(out, "fixed_at", row->is_fixed ? &row->fixed : NULL);
    }
    put_time(out, "first_seen", row->first_seen_s - pg_steady_ahead_s());
    put_time(out, "last_pull", row->last_pull_s);
    (void)pg_buf_put(out, SL("}"));
}

static void put_next(struct pg_buf *out, const struct pg_buf *next)
{
    if (next->n == 0)
        (void)pg_buf_put(out, SL(",\"next\":null}\n"));
    else
        (void)pg_buf_printf(out, ",\"next\":\"" SL_FMT "\"}\n", SL_ARG(pg_buf_sl(next)));
}

static void list(struct job *j, enum catalog_what what, const char *name)
{
    struct catalog_question q = {.what = what,
                                 .scope = j->query.scope,
                                 .cursor = j->query.cursor,
                                 .nrows = j->query.nrows,
                                 .stop = &j->abandoned};
    struct list l = {.out = &j->body, .what = what};
    struct pg_buf next;

    pg_buf_init(&next, CATALOG_CURSOR_MAX);
    (void)pg_buf_printf(&j->body, "{\"%s\":[", name);
    if (catalog_page(j->config->store, &q, put_row, &l, &next, &j->err) == 0) {
        (void)pg_buf_put(&j->body, SL("]"));
        put_next(&j->body, &next);
    }
    pg_buf_free(&next);
}

void listing_tags(struct job *j)
{
    list(j, CATALOG_TAGS, "tags");
}

void listing_manifests(struct job *j)
{
    list(j, CATALOG_MANIFESTS, "manifests");
}

void listing_blobs(struct job *j)
{
    list(j, CATALOG_BLOBS, "blobs");
}

void listing_affected(struct job *j)
{
    if (j->config->affected == NULL)
        pg_fail(&j->err, PG_E_UNSUPPORTED, "scan results are not looked at here");
    else
        j->config->affected(j);
}

static void tell(const struct job *j)
{
    const struct catalog_scope *scope = &j->query.scope;
    struct sl name = scope->repo.n > 0 ? scope->repo : scope->upstream;

    j->config->purged(name, j->config->owner);
}

void listing_purge(struct job *j)
{
    struct purge_question q = {.scope = j->query.scope,
                               .forgets = true,
                               .dry_run = j->query.dry_run,
                               .cursor = j->query.cursor,
                               .stop = &j->abandoned};
    struct purge_result r;
    struct pg_buf next;

    pg_buf_init(&next, CATALOG_CURSOR_MAX);
    if (purge_run(j->config->store, &q, &r, &next, &j->err) == 0) {
        (void)pg_buf_put(&j->body, SL("{\"ref\":"));
        (void)pg_buf_put_json(&j->body, j->query.ref);
        (void)pg_buf_printf(&j->body,
                            ",\"dry_run\":%s,\"tags\":%" PRIu64 ",\"links\":%" PRIu64
                            ",\"blobs\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"kept\":%" PRIu64,
                            q.dry_run ? "true" : "false", r.tags, r.links, r.blobs, r.bytes,
                            r.kept);
        put_next(&j->body, &next);
    }
    if (!q.dry_run) /* a part of it may be gone, even if it failed */
        tell(j);
    pg_buf_free(&next);
}

/* ---- retention ---- */

void listing_gc(struct job *j)
{
    const struct admin_keeper *k = &j->config->keeper;
    uint64_t run = 0;

    if (k->ask == NULL)
        pg_fail(&j->err, PG_E_UNSUPPORTED, "nothing is removed by rules here");
    else if (k->ask(k->keeper, &run, &j->err) == 0)
        (void)pg_buf_printf(&j->body, "{\"run\":%" PRIu64 "}\n", run);
}

void listing_retention(struct job *j)
{
    const struct admin_keeper *k = &j->config->keeper;

    if (k->write == NULL)
        (void)pg_buf_put(&j->body,
                         SL("{\"rules\":null,\"state\":\"idle\",\"next\":null,\"run\":null}\n"));
    else
        k->write(k->keeper, &j->body);
}

static void plan(struct job *j, enum admin_plan form)
{
    const struct admin_keeper *k = &j->config->keeper;

    if (k->plan == NULL)
        pg_fail(&j->err, PG_E_UNSUPPORTED, "nothing is removed by rules here");
    else if (k->plan(k->keeper, form, &j->abandoned, &j->body, &j->err) == 0 && j->body.over)
        pg_fail(&j->err, PG_E_TOO_LARGE, "the plan is longer than %zu MiB: pullgate retention plan",
                j->body.max >> 20);
}

void listing_plan(struct job *j)
{
    plan(j, ADMIN_PLAN_JSON);
}

void listing_plan_csv(struct job *j)
{
    plan(j, ADMIN_PLAN_CSV);
}

void listing_plan_text(struct job *j)
{
    plan(j, ADMIN_PLAN_TEXT);
}
