/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/exposure.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/steady.h"
#include "cache/roster.h"
#include "proxy/admit/affected.h"
#include "proxy/admit/gate.h"
#include "proxy/admit/own.h"
#include "proxy/admit/revocation.h"
#include "proxy/admit/survey.h"

#define ARENA_BYTES ((size_t)1 << 40) /* the page bounds it */
#define GATE_BYTES  ((size_t)16 << 20)
#define BODY_FULL   (JOB_BODY_MAX / 2) /* an image may take as much again */
#define PLACES_MAX  64                 /* repositories of one image */
#define TAGS_MAX    16                 /* of one image in one repository */
#define PULLERS_MAX 64                 /* of one image; the latest stay */
#define PARENTS_MAX 8                  /* indexes that name an image */

struct place {
    struct place *next;
    struct sl repository;
    int64_t first_seen_s;
};

struct puller {
    struct puller *next;
    struct sl caller, repository, reference; /* reference: of the last pull */
    int64_t first_s, last_s;
    uint64_t count;
};

struct trace {
    struct place *places;
    struct puller *pullers;
    size_t nplaces, npullers;
    bool is_cut; /* there are more of either */
};

struct exposure {
    struct job *job;
    struct pg_arena arena;
    struct affected_page page;
    struct pg_map by_digest;
};

/* ---- where from, and who ------------------------------------------------------------------- */

static struct sl key_of(const struct digest *d)
{
    return (struct sl){(const char *)d->bytes, digest_bytes(d)};
}

static struct trace *trace_of(const struct exposure *x, const struct digest *d)
{
    struct pg_map_node *node = pg_map_get(&x->by_digest, key_of(d));

    return node != NULL ? pg_container_of(node, struct affected_image, node)->owner : NULL;
}

static void on_place(void *arg, const struct roster_place *p)
{
    struct exposure *x = arg;
    struct trace *t = trace_of(x, &p->digest);
    struct place *one;

    if (t == NULL)
        return;
    if (t->nplaces == PLACES_MAX) {
        t->is_cut = true;
        return;
    }
    one = pg_new(&x->arena, struct place);
    *one = (struct place){t->places, pg_copy(&x->arena, p->repository), p->first_seen_s};
    t->places = one;
    t->nplaces++;
}

static struct puller *longest_ago(struct puller *p)
{
    struct puller *oldest = p;

    for (; p != NULL; p = p->next)
        if (p->last_s < oldest->last_s)
            oldest = p;
    return oldest;
}

static struct puller *add_puller(struct exposure *x, struct trace *t)
{
    struct puller *p;

    if (t->npullers == PULLERS_MAX) {
        t->is_cut = true;
        return longest_ago(t->pullers);
    }
    p = pg_new(&x->arena, struct puller);
    p->next = t->pullers;
    t->pullers = p;
    t->npullers++;
    return p;
}

static void on_pull(void *arg, const struct roster_pull *pull)
{
    struct exposure *x = arg;
    struct trace *t = trace_of(x, &pull->digest);
    struct puller *p;

    if (t == NULL)
        return;
    for (p = t->pullers; p != NULL; p = p->next)
        if (sl_eq(p->caller, pull->caller) && sl_eq(p->repository, pull->repository))
            break;
    if (p == NULL) {
        struct puller *next;

        p = add_puller(x, t);
        next = p->next;
        *p = (struct puller){.next = next,
                             .caller = pg_copy(&x->arena, pull->caller),
                             .repository = pg_copy(&x->arena, pull->repository),
                             .first_s = pull->when_s};
    }
    if (!sl_eq(p->reference, pull->reference))
        p->reference = pg_copy(&x->arena, pull->reference);
    p->last_s = pull->when_s;
    p->count++;
}

static int find_traces(struct exposure *x, struct pg_err *err)
{
    const atomic_bool *stop = &x->job->abandoned;

    if (x->page.n == 0)
        return 0;
    for (struct affected_image *i = x->page.first; i != NULL; i = i->next) {
        i->owner = pg_new(&x->arena, struct trace);
        pg_map_put(&x->by_digest, &i->node, key_of(&i->digest));
    }
    if (roster_places(x->job->config->store, stop, on_place, x, err) < 0)
        return -1;
    return roster_pulls(x->job->config->store, stop, on_pull, x, err);
}

/* ---- would it be served? ------------------------------------------------------------------- */

enum served { SERVED_NO, SERVED_YES, SERVED_UNKNOWN };

struct judgement {
    enum served served;
    struct sl rule, reason;
};

static struct judgement unknown(const char *why)
{
    return (struct judgement){SERVED_UNKNOWN, SL(""), sl_str(why)};
}

static void ask_gate(const struct job *j, struct gate_question *q, struct pg_arena *arena,
                     struct gate_result *r)
{
    const struct survey s = {.store = q->store,
                             .admission = q->admission,
                             .stamp = j->config->stamp.ask != NULL ? &j->config->stamp : NULL,
                             .now_ms = q->now_ms};

    gate_manifest(q, arena, r);
    while (r->answer == GATE_NEEDS && r->document.p == NULL && q->nfresh < GATE_FRESH_MAX) {
        q->fresh[q->nfresh++] = survey_take(&s, q->repository, &r->needs, &r->scope);
        gate_manifest(q, arena, r);
    }
    while (q->nfresh > 0)
        dossier_unref(q->fresh[--q->nfresh]);
}

static struct judgement decide(const struct job *j, const struct affected_image *i,
                               struct gate_question *q, struct pg_arena *arena)
{
    struct revocation_question rev = {q->store, q->repository, i->digest, i->sha256, q->manifest};
    struct policy_verdict v;
    struct gate_result r;

    if (revocation_of_manifest(&rev, arena, &v))
        return (struct judgement){SERVED_NO, v.rule, v.reason};
    if (q->admission->policy == NULL)
        return (struct judgement){SERVED_YES, SL(""), SL("there is no policy")};
    if (j->config->shelf == NULL)
        return unknown("nothing is decided here");
    ask_gate(j, q, arena, &r);
    if (r.answer == GATE_NEEDS)
        return unknown(r.document.p != NULL
                           ? "all rules allow it, and an Open Policy Agent has the last word: "
                             "pullgate explain"
                           : "too much has to be looked at: pullgate explain");
    return (struct judgement){r.answer == GATE_ALLOWS    ? SERVED_YES
                              : r.answer == GATE_PENDING ? SERVED_UNKNOWN
                                                         : SERVED_NO,
                              r.verdict.rule, r.verdict.reason};
}

static struct judgement judge(const struct job *j, const struct affected_image *i,
                              const struct place *p, struct pg_arena *arena)
{
    const struct config *c = &j->snapshot->config;
    struct gate_question q = {.store = j->config->store,
                              .shelf = j->config->shelf,
                              .admission = &c->admission,
                              .repository = p->repository,
                              .digest = i->digest,
                              .sha256 = i->sha256,
                              .now_s = pg_clock_wall_s(),
                              .now_ms = pg_clock_mono_ms(),
                              .ttl_ms = UINT64_MAX,
                              .tags_ttl_ms = c->tags_ttl};
    struct sl type;
    struct pg_bytes *bytes =
        own_manifest(q.store, p->repository, (struct sl){NULL, 0}, &i->digest, arena, &type);
    struct judgement g;

    if (bytes == NULL)
        return unknown("it is not in the store any more");
    q.manifest = pg_bytes_sl(bytes);
    g = decide(j, i, &q, arena);
    g.rule = pg_copy(arena, g.rule);
    g.reason = pg_copy(arena, g.reason);
    pg_bytes_unref(bytes);
    return g;
}

/* ---- as JSON ------------------------------------------------------------------------------- */

static void put_text(struct pg_buf *out, const char *before, struct sl text)
{
    (void)pg_buf_put(out, sl_str(before));
    (void)pg_buf_put_json(out, text);
}

static void put_time(struct pg_buf *out, const char *before, int64_t s)
{
    char text[PG_CLOCK_TEXT_MAX];

    (void)pg_buf_put(out, sl_str(before));
    if (s <= 0)
        (void)pg_buf_put(out, SL("null"));
    else
        (void)pg_buf_printf(out, "\"%s\"", pg_clock_rfc3339(s * 1000, text));
}

static void put_hits(struct pg_buf *out, const struct affected_image *i)
{
    (void)pg_buf_put(out, SL(",\"findings\":["));
    for (size_t k = 0; k < i->nhits; k++) {
        const struct affected_hit *h = &i->hits[k];

        put_text(out, k > 0 ? ",{\"source\":" : "{\"source\":", h->source);
        put_text(out, ",\"vulnerability\":", h->id);
        put_text(out, ",\"package\":", h->package);
        put_text(out, ",\"version\":", h->version);
        put_text(out, ",\"fixed\":", h->fixed);
        (void)pg_buf_printf(out, ",\"severity\":\"%s\",\"exploited\":%s,\"suppressed\":%s",
                            severity_word(h->severity), h->is_exploited ? "true" : "false",
                            h->is_suppressed ? "true" : "false");
        put_time(out, ",\"since\":", h->since_s);
        (void)pg_buf_put(out, SL("}"));
    }
    (void)pg_buf_printf(out, "],\"nfindings\":%zu", i->nall);
}

/* Tags that name it in this repository, itself or by an index. False: they cannot be read. */
static bool put_tags_of(struct pg_buf *out, struct index_view *v, struct sl repository,
                        const struct digest *d, size_t *n)
{
    struct sl name = {NULL, 0};
    struct index_tag tag;
    struct pg_err ignored = {0};
    int found = 0;

    while (*n < TAGS_MAX &&
           (found = index_next_tag_naming(v, repository, d, &name, &tag, &ignored)) > 0) {
        put_text(out, *n > 0 ? "," : "", name);
        (*n)++;
    }
    pg_err_clear(&ignored);
    return found >= 0;
}

static void put_tags(struct pg_buf *out, struct store *s, struct sl repository,
                     const struct digest *d)
{
    struct index_edge edge;
    struct pg_err ignored = {0};
    size_t n = 0;

    _index_view_ struct index_view v = index_view_begin(s->index);
    (void)pg_buf_put(out, SL(",\"tags\":["));
    if (put_tags_of(out, &v, repository, d, &n))
        for (int i = 0;
             i < PARENTS_MAX && index_next_parent(&v, d, i > 0 ? &edge : NULL, &edge, &ignored) > 0;
             i++)
            if (edge.kind == INDEX_EDGE_CHILD)
                (void)put_tags_of(out, &v, repository, &edge.parent, &n);
    pg_err_clear(&ignored);
    (void)pg_buf_put(out, SL("]"));
}

static void put_places(struct pg_buf *out, const struct job *j, const struct affected_image *i)
{
    static const char *const words[] = {"false", "true", "null"};
    const struct trace *t = i->owner;

    (void)pg_buf_put(out, SL(",\"repositories\":["));
    for (const struct place *p = t->places; p != NULL; p = p->next) {
        struct pg_arena arena;
        struct judgement g;

        pg_arena_init(&arena, GATE_BYTES + OWN_ARENA_BYTES);
        g = judge(j, i, p, &arena);
        put_text(out, p != t->places ? ",{\"repo\":" : "{\"repo\":", p->repository);
        put_tags(out, j->config->store, p->repository, &i->digest);
        put_time(out, ",\"first_seen\":", p->first_seen_s - pg_steady_ahead_s());
        (void)pg_buf_printf(out, ",\"served\":%s", words[g.served]);
        put_text(out, ",\"rule\":", g.rule);
        put_text(out, ",\"reason\":", g.reason);
        (void)pg_buf_put(out, SL("}"));
        pg_arena_free(&arena);
    }
    (void)pg_buf_put(out, SL("]"));
}

static void put_pullers(struct pg_buf *out, const struct trace *t)
{
    (void)pg_buf_put(out, SL(",\"pulls\":["));
    for (const struct puller *p = t->pullers; p != NULL; p = p->next) {
        put_text(out, p != t->pullers ? ",{\"caller\":" : "{\"caller\":", p->caller);
        put_text(out, ",\"repo\":", p->repository);
        put_text(out, ",\"reference\":", p->reference);
        put_time(out, ",\"first\":", p->first_s);
        put_time(out, ",\"last\":", p->last_s);
        (void)pg_buf_printf(out, ",\"count\":%" PRIu64 "}", p->count);
    }
    (void)pg_buf_printf(out, "],\"more\":%s}", t->is_cut ? "true" : "false");
}

static void put_image(struct pg_buf *out, const struct job *j, const struct affected_image *i)
{
    char text[DIGEST_TEXT_MAX];

    put_text(out, "{\"digest\":", digest_write(&i->digest, text));
    put_hits(out, i);
    put_places(out, j, i);
    put_pullers(out, i->owner);
}

static void put_page(const struct exposure *x)
{
    struct job *j = x->job;
    struct pg_buf *out = &j->body;
    struct digest end = x->page.end;
    struct affected_counts counts = x->page.counts;
    bool is_full = x->page.is_full;
    char text[DIGEST_TEXT_MAX];

    put_text(out, "{\"name\":", j->query.name);
    (void)pg_buf_put(out, SL(",\"images\":["));
    for (const struct affected_image *i = x->page.first; i != NULL && !atomic_load(&j->abandoned);
         i = i->next) {
        (void)pg_buf_put(out, i != x->page.first ? SL(",\n") : SL(""));
        put_image(out, j, i);
        if (out->n > BODY_FULL && i->next != NULL) {
            end = i->digest;
            counts = i->counts;
            is_full = true;
            break;
        }
    }
    (void)pg_buf_printf(out, "],\"scanned\":%zu,\"unscanned\":%zu,\"cut\":%zu", counts.scanned,
                        counts.unscanned, counts.cut);
    if (is_full)
        put_text(out, ",\"next\":", digest_write(&end, text));
    else
        (void)pg_buf_put(out, SL(",\"next\":null"));
    (void)pg_buf_put(out, SL("}\n"));
}

static int find(struct exposure *x, struct pg_err *err)
{
    struct job *j = x->job;
    struct affected_question q;
    struct affected_span span = {.nmax = j->query.nrows, .stop = &j->abandoned};
    struct digest after;

    if (affected_parse(j->query.name, &x->arena, &q, err) < 0)
        return -1;
    if (j->query.cursor.n > 0) {
        if (digest_parse(j->query.cursor, &after, err) < 0)
            return -1;
        span.after = &after;
    }
    if (affected_find(j->config->store, &q, &span, &x->arena, &x->page, err) < 0)
        return -1;
    return find_traces(x, err);
}

void exposure_list(struct job *j)
{
    struct exposure x = {.job = j};

    pg_arena_init(&x.arena, ARENA_BYTES);
    pg_map_init(&x.by_digest);
    if (find(&x, &j->err) == 0)
        put_page(&x);
    pg_map_free(&x.by_digest);
    pg_arena_free(&x.arena);
}
