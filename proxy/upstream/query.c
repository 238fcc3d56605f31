/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/query_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "oci/manifest.h"
#include "oci/media.h"
#include "proxy/upstream/exchange_int.h"
#include "proxy/upstream/prover_int.h"

#define TAGS_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define PATH_MAX_BYTES 2048
#define ANSWER_MS_MAX  60000
#define ECHO_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct query {
    struct pg_map_node node; /* by key */
    struct fetch *fetch;
    struct pg_list askers; /* of fetch_work */
    enum fetch_kind kind;
    struct snapshot *snapshot; /* for the key's and the upstream's texts */
    const struct config_upstream *upstream;
    struct pg_arena arena; /* of the texts */
    struct sl key, reference;
    char *path, *repo;
    struct origin_turn turn;
    struct exchange exchange;
    bool has_exchange;
    struct delay again;
    struct pg_buf body;
    struct trace_context trace; /* of its first asker */
    unsigned tries, rounds;     /* a round asks each site that may be asked */
    uint64_t began_ms;
    struct fetch_answer echo; /* body NULL: not answered yet */
    struct prover *prover;    /* of BLOB_PROOF, with the next */
    struct sl whose;
};

static const struct {
    const char *name;
    enum site_class class;
    enum pg_ekind unknown;
    bool head;
    size_t bytes_max;
} kinds[] = {
    [FETCH_MANIFEST] = {"manifest", SITE_MANIFEST, PG_E_MANIFEST_UNKNOWN, false,
                        MANIFEST_BYTES_MAX},
    [FETCH_MANIFEST_HEAD] = {"manifest head", SITE_HEAD, PG_E_MANIFEST_UNKNOWN, true, 0},
    [FETCH_BLOB_HEAD] = {"blob head", SITE_HEAD, PG_E_BLOB_UNKNOWN, true, 0},
    [FETCH_TAGS] = {"tags", SITE_LIST, PG_E_NAME_UNKNOWN, false, TAGS_BYTES_MAX},
    [FETCH_BLOB_PROOF] = {"blob proof", SITE_BLOB, PG_E_BLOB_UNKNOWN, false, 0},
    [FETCH_REFERRERS] = {"referrers", SITE_LIST, PG_E_MANIFEST_UNKNOWN, false, MANIFEST_BYTES_MAX},
};

static const char *accept_of(enum fetch_kind kind)
{
    if (kind == FETCH_MANIFEST || kind == FETCH_MANIFEST_HEAD)
        return media_accept_upstream;
    return kind == FETCH_REFERRERS ? MEDIA_OCI_INDEX
           : kind == FETCH_TAGS    ? "application/json"
                                   : "*/*";
}

static void make_path(struct query *q, const struct fetch_work *w)
{
    int n = -1;

    q->path = pg_alloc(&q->arena, PATH_MAX_BYTES);
    switch (q->kind) {
    case FETCH_MANIFEST:
    case FETCH_MANIFEST_HEAD:
        n = snprintf(q->path, PATH_MAX_BYTES, SL_FMT "/manifests/" SL_FMT, SL_ARG(w->repo),
                     SL_ARG(w->reference));
        break;
    case FETCH_BLOB_HEAD:
    case FETCH_BLOB_PROOF:
        n = snprintf(q->path, PATH_MAX_BYTES, SL_FMT "/blobs/" SL_FMT, SL_ARG(w->repo),
                     SL_ARG(w->reference));
        break;
    case FETCH_TAGS:
        n = snprintf(q->path, PATH_MAX_BYTES, SL_FMT "/tags/list%s" SL_FMT, SL_ARG(w->repo),
                     w->query.n > 0 ? "?" : "", SL_ARG(w->query));
        break;
    case FETCH_REFERRERS:
        n = snprintf(q->path, PATH_MAX_BYTES, SL_FMT "/referrers/" SL_FMT "%s" SL_FMT,
                     SL_ARG(w->repo), SL_ARG(w->reference), w->query.n > 0 ? "?" : "",
                     SL_ARG(w->query));
        break;
    }
    PG_CHECK(n > 0 && n < PATH_MAX_BYTES); /* ask.c checked its parts */
}

static void free_query(struct query *q)
{
    PG_CHECK(pg_list_empty(&q->askers));
    pg_map_remove(&q->fetch->queries, &q->node);
    delay_stop(&q->again);
    if (q->has_exchange)
        exchange_free(&q->exchange);
    origin_leave(&q->turn);
    pg_buf_free(&q->body);
    if (q->echo.body != NULL)
        q->fetch->echo_bytes -= q->echo.body->n;
    pg_bytes_unref(q->echo.body);
    prover_free(q->prover);
    config_snapshot_unref(q->snapshot);
    pg_arena_free(&q->arena);
    free(q);
}

static struct fetch_work *next_asker(struct query *q)
{
    struct fetch_work *w;

    if (pg_list_empty(&q->askers))
        return NULL;
    w = pg_container_of(q->askers.next, struct fetch_work, node);
    pg_list_remove(&w->node);
    return w;
}

static void log_failure(const struct query *q, const struct pg_err *err)
{
    struct pg_log_line line;

    pg_log_begin(&line, PG_LOG_UPSTREAM, PG_LOG_WARN);
    pg_log_str(&line, "upstream", (struct sl){q->upstream->name, strlen(q->upstream->name)});
    pg_log_str(&line, "asked", (struct sl){q->path, strlen(q->path)});
    pg_log_u64(&line, "tries", q->tries);
    pg_log_err(&line, err);
    pg_log_end(&line);
}

/* false: this kind of question is not remembered. */
static bool unknown_key_of(const struct query *q, struct unknown_key *key_r)
{
    static const enum unknown_kind of[] = {[FETCH_MANIFEST] = UNKNOWN_MANIFEST,
                                           [FETCH_MANIFEST_HEAD] = UNKNOWN_MANIFEST,
                                           [FETCH_BLOB_HEAD] = UNKNOWN_BLOB_HEAD,
                                           [FETCH_BLOB_PROOF] = UNKNOWN_BLOB,
                                           [FETCH_TAGS] = UNKNOWN_REPO};

    if (q->kind == FETCH_REFERRERS)
        return false;
    *key_r = (struct unknown_key){.revision = q->snapshot->revision,
                                  .kind = of[q->kind],
                                  .upstream = {q->upstream->name, strlen(q->upstream->name)},
                                  .repo = {q->repo, strlen(q->repo)},
                                  .reference = q->reference};
    return true;
}

static bool is_known_unknown(const struct query *q)
{
    struct unknown_table *t = &q->fetch->unknown;
    uint64_t now = pg_clock_mono_ms();
    struct unknown_key key;

    if (!unknown_key_of(q, &key))
        return false;
    if (unknown_has(t, &key, now))
        return true;
    key.kind = UNKNOWN_BLOB;
    return q->kind == FETCH_BLOB_HEAD && unknown_has(t, &key, now);
}

/* HEAD of a manifest is followed by GET, whatever it said: only that is an answer. */
static void note_unknown(const struct query *q)
{
    struct unknown_key key;

    if (q->kind != FETCH_MANIFEST_HEAD && exchange_is_unknown(&q->exchange) &&
        unknown_key_of(q, &key))
        unknown_note(&q->fetch->unknown, &key, pg_clock_mono_ms());
}

/* Takes the texts of *err and frees q. */
static void fail(struct query *q, struct pg_err *err, int retry_after_s)
{
    bool is_unknown = q->has_exchange && err->kind == kinds[q->kind].unknown;
    struct fetch_work *w;

    if (is_unknown)
        note_unknown(q);

    if (err->kind == PG_E_UPSTREAM_WRONG)
        pg_metric_inc(PG_M_UPSTREAM_WRONG);
    if (q->has_exchange && q->exchange.end.cause != RETRY_REFUSED && err->kind != PG_E_CANCELED &&
        err->kind != kinds[q->kind].unknown)
        log_failure(q, err);
    while ((w = next_asker(q)) != NULL) {
        w->ask.denied = is_unknown && exchange_is_denied(&q->exchange);
        ask_fail(w, err, retry_after_s);
    }
    pg_err_clear(err);
    free_query(q);
}

/* The digest of what came, against the one that was asked for. */
static int take_body(struct query *q, struct fetch_answer *a, struct pg_err *err)
{
    struct sl bytes = pg_buf_sl(&q->body);

    if (q->kind == FETCH_MANIFEST) {
        a->sha256 = digest_of(PG_SHA256, bytes);
        a->digest = a->sha256;
        if (digest_looks_like(q->reference)) {
            struct digest asked, got;

            if (digest_parse(q->reference, &asked, err) < 0)
                return -1;
            got = asked.alg == PG_SHA256 ? a->sha256 : digest_of(asked.alg, bytes);
            if (!digest_eq(&asked, &got))
                return pg_fail(err, PG_E_UPSTREAM_WRONG,
                               "upstream answers with a manifest of another digest");
            a->digest = asked;
        }
    }
    a->body = pg_bytes_new(bytes);
    return 0;
}

static void take_head(const struct query *q, struct fetch_answer *a)
{
    const struct head *head = &q->exchange.call.head;
    struct pg_err ignored = {0};

    a->content_type = head->content_type;
    a->link = head->link;
    a->has_authority = q->exchange.site->config->authoritative;
    if (!kinds[q->kind].head || q->exchange.end.status != 200)
        return;
    a->has_size = head->has_length;
    a->size = head->length;
    a->has_digest = head->digest.p != NULL && digest_parse(head->digest, &a->digest, &ignored) == 0;
    pg_err_clear(&ignored);
}

static void fade(struct delay *d)
{
    free_query(pg_container_of(d, struct query, again));
}

/* The answer stays, and nothing else; of a proof, that it was one. Between its leaving from here
 * and its being seen in the store others look there in vain; they would ask upstream for what has
 * just come. */
static bool stays(struct query *q, const struct fetch_answer *a)
{
    if (q->prover == NULL && (q->kind != FETCH_MANIFEST || a->body == NULL ||
                              q->fetch->echo_bytes + a->body->n > ECHO_BYTES_MAX))
        return false;
    q->echo = *a;
    q->echo.body = q->prover != NULL ? pg_bytes_new(SL("")) : pg_bytes_ref(a->body);
    q->echo.content_type = pg_copy(&q->arena, a->content_type);
    q->echo.link = (struct sl){NULL, 0};
    q->fetch->echo_bytes += q->echo.body->n;
    exchange_free(&q->exchange);
    q->has_exchange = false;
    origin_leave(&q->turn);
    pg_buf_free(&q->body);
    delay_start(&q->fetch->origins.delays, &q->again, FETCH_ECHO_MS, fade);
    return true;
}

/* -1: what came is not what was asked for. */
static int succeed(struct query *q, struct pg_err *err)
{
    struct fetch_answer answer = {0};
    struct fetch_work *w;

    take_head(q, &answer);
    if (q->kind == FETCH_MANIFEST_HEAD && !answer.has_digest)
        health_headless(q->turn.origin->health);
    if (!kinds[q->kind].head && q->prover == NULL && take_body(q, &answer, err) < 0)
        return -1;
    while ((w = next_asker(q)) != NULL) {
        ask_succeed(w, &answer);
    }
    if (!stays(q, &answer))
        free_query(q);
    pg_bytes_unref(answer.body);
    return 0;
}

static bool is_not_understood(int status)
{
    return status == 400 || status == 405 || status == 501;
}

/* Registries that do not know HEAD, or let HEAD not through to where they keep blobs, have still
 * said something: nothing against it. The asker may GET. */
static bool says_nothing(const struct query *q)
{
    int status = q->exchange.end.status;
    bool refuses = is_not_understood(status);

    if (q->exchange.site == NULL || !q->exchange.site->config->authoritative)
        return false;
    if (q->exchange.hops > 0 && q->kind == FETCH_BLOB_HEAD)
        return refuses || status == 401 || status == 403;
    return kinds[q->kind].head && refuses;
}

static void start_exchange(struct query *q, bool again)
{
    uint64_t from = 0;

    if (q->prover != NULL) {
        prover_begin(q->prover);
        from = prover_from(q->prover);
        q->exchange.spec.until = prover_until(q->prover);
    }
    exchange_start(&q->exchange, from, again);
}

static void ask_again(struct delay *d)
{
    struct query *q = pg_container_of(d, struct query, again);

    q->tries++;
    pg_buf_clear(&q->body);
    start_exchange(q, true);
}

/* A part has come. 1: the next one is asked for; 0: all is proved; -1. */
static int go_on_proving(struct query *q, struct pg_err *err)
{
    int more = prover_end(q->prover, err);

    if (more > 0)
        start_exchange(q, false);
    if (more == 0)
        proof_note(q->fetch->store, q->whose, prover_digest(q->prover), prover_size(q->prover));
    return more;
}

static bool retry(struct query *q)
{
    struct exchange *x = &q->exchange;

    if (exchange_turn_elsewhere(x)) {
        ask_again(&q->again);
        return true;
    }
    if (q->rounds > retry_times(x->end.cause, RETRY_QUESTION))
        return false;
    exchange_forgive(x);
    delay_start(&q->fetch->origins.delays, &q->again, retry_wait_ms(RETRY_QUESTION, q->rounds++),
                ask_again);
    return true;
}

static void on_done(struct exchange *x)
{
    struct query *q = x->owner;
    struct pg_err err = {0};

    if (q->prover != NULL && x->end.err.kind == PG_E_NONE && go_on_proving(q, &err) > 0)
        return;
    if ((x->end.err.kind == PG_E_NONE || says_nothing(q)) && err.kind == PG_E_NONE &&
        succeed(q, &err) == 0)
        return;
    if (err.kind != PG_E_NONE) {
        x->end.cause = RETRY_WRONG;
        pg_err_move(&x->end.err, &err);
    }
    if (retry(q))
        return;
    pg_err_move(&err, &x->end.err);
    if (q->kind == FETCH_REFERRERS && (is_not_understood(x->end.status) || x->end.status == 406))
        pg_fail(&err, kinds[q->kind].unknown, "upstream has no referrers API");
    fail(q, &err, x->end.retry_after_s);
}

static enum client_taken refuse_size(struct exchange *x)
{
    pg_fail(&x->call.err, PG_E_UPSTREAM_WRONG, "upstream's answer is too large");
    return CLIENT_REFUSED;
}

static bool on_head(struct exchange *x)
{
    struct query *q = x->owner;
    const struct head *head = &x->call.head;

    if (q->prover != NULL)
        return prover_head(q->prover, head, &x->call.err) == 0;
    if (!kinds[q->kind].head && head->has_length && head->length > kinds[q->kind].bytes_max)
        return refuse_size(x) == CLIENT_TAKEN;
    return true;
}

static enum client_taken on_data(struct exchange *x, struct sl data)
{
    struct query *q = x->owner;

    if (q->prover != NULL)
        return prover_data(q->prover, data, &x->call.err) == 0 ? CLIENT_TAKEN : CLIENT_REFUSED;
    return pg_buf_put(&q->body, data) == 0 ? CLIENT_TAKEN : refuse_size(x);
}

static const struct exchange_events query_events = {on_head, on_data, on_done};

static void on_granted(struct origin_turn *turn)
{
    struct query *q = pg_container_of(turn, struct query, turn);
    struct exchange_spec spec = {.unknown = kinds[q->kind].unknown,
                                 .path = q->path,
                                 .repo = q->repo,
                                 .accept = accept_of(q->kind),
                                 .head = kinds[q->kind].head,
                                 .trace = &q->trace,
                                 .timeout_ms = q->prover == NULL ? ANSWER_MS_MAX : 0};

    exchange_init(&q->exchange, &spec, turn, &query_events, q);
    q->has_exchange = true;
    q->tries = q->rounds = 1;
    start_exchange(q, false);
}

static void on_refused(struct origin_turn *turn, const struct pg_err *why, int retry_after_s)
{
    struct query *q = pg_container_of(turn, struct query, turn);
    struct pg_err err = {0};

    pg_err_copy(&err, why);
    fail(q, &err, retry_after_s);
}

static struct query *new_query(struct fetch_work *w)
{
    struct query *q = calloc(1, sizeof(*q));

    PG_CHECK(q != NULL);
    q->fetch = w->fetch;
    q->kind = w->kind;
    q->trace = w->trace;
    q->snapshot = config_snapshot_ref(w->snapshot);
    q->upstream = w->upstream;
    pg_arena_init(&q->arena, 2 * (size_t)PATH_MAX_BYTES);
    q->key = pg_copy(&q->arena, w->key);
    q->reference = pg_copy(&q->arena, w->reference);
    q->repo = pg_alloc(&q->arena, w->repo.n + 1);
    memcpy(q->repo, w->repo.p, w->repo.n);
    make_path(q, w);
    if (q->kind == FETCH_BLOB_PROOF) {
        q->prover = prover_new(&w->proof.digest, &w->proof.parts);
        q->whose = pg_copy(&q->arena, w->proof.whose);
    }
    pg_list_init(&q->askers);
    origin_turn_init(&q->turn);
    q->turn.line = ORIGIN_ASKS;
    q->turn.class = kinds[q->kind].class;
    q->turn.repo = (struct sl){q->repo, strlen(q->repo)};
    q->turn.caller = pg_copy(&q->arena, w->caller); /* of its first asker */
    /* Bytes prove themselves. That something may be read, which is what a HEAD asks, does not. */
    q->turn.has_digest =
        q->kind == FETCH_MANIFEST && digest_looks_like(q->reference) && !w->of_authority;
    q->turn.granted = on_granted;
    q->turn.refused = on_refused;
    delay_init(&q->again);
    pg_buf_init(&q->body, kinds[q->kind].bytes_max);
    q->began_ms = pg_clock_mono_ms();
    pg_map_put(&q->fetch->queries, &q->node, q->key);
    return q;
}

static void board(struct query *q, struct fetch_work *w)
{
    w->in = q;
    pg_list_push(&q->askers, &w->node);
}

/* False: it was an echo, and w wants news, or upstream has none of it any more. */
static bool join(struct query *q, struct fetch_work *w)
{
    if (q->echo.body == NULL) {
        board(q, w);
        return true;
    }
    if (w->is_cold && !is_known_unknown(q)) {
        ask_succeed(w, &q->echo);
        return true;
    }
    free_query(q);
    return false;
}

/* HEAD is known to tell nothing there: it is not sent. */
static void say_nothing(struct query *q)
{
    const struct fetch_answer nothing = {0};
    struct fetch_work *w;

    while ((w = next_asker(q)) != NULL)
        ask_succeed(w, &nothing);
    free_query(q);
}

/* What any URL said a moment ago is no news for who wants an authority's word. */
static void drop_echo(const struct fetch_work *w)
{
    struct sl key = {w->key.p, w->key.n - strlen(ASK_AUTHORITY)};
    struct pg_map_node *node = pg_map_get(&w->fetch->queries, key);
    struct query *q = node != NULL ? pg_container_of(node, struct query, node) : NULL;

    if (q != NULL && q->echo.body != NULL)
        free_query(q);
}

void query_join(struct fetch_work *w)
{
    struct fetch *f = w->fetch;
    struct pg_map_node *node = pg_map_get(&f->queries, w->key);
    struct pg_err err = {0};
    struct origin *o;
    struct query *q;
    int retry_after_s = 0;

    if (w->of_authority)
        drop_echo(w);
    if (node != NULL && join(pg_container_of(node, struct query, node), w))
        return;
    q = new_query(w);
    board(q, w);
    if (is_known_unknown(q)) {
        pg_fail(&err, kinds[q->kind].unknown, "not known to upstream");
        pg_detail(&err, "it said so less than %d s ago", UNKNOWN_MS / 1000);
        fail(q, &err, 0);
        return;
    }
    o = origin_get(&f->origins, w->snapshot, w->upstream, &err);
    if (o != NULL && q->kind == FETCH_MANIFEST_HEAD && health_is_headless(o->health)) {
        say_nothing(q);
        return;
    }
    if (o == NULL || origin_join(o, &q->turn, &retry_after_s, &err) < 0)
        fail(q, &err, retry_after_s);
}

void query_leave(struct fetch_work *w)
{
    struct query *q = w->in;

    pg_list_remove(&w->node);
    w->in = NULL;
    if (!pg_list_empty(&q->askers) || q->prover != NULL) /* what is proved is for the next, too */
        return;
    if (q->has_exchange && exchange_is_silent(&q->exchange) &&
        pg_clock_mono_ms() - q->began_ms >= QUERY_SILENT_MS) {
        struct pg_err why = {0};

        pg_fail(&why, PG_E_TIMEOUT, "upstream does not answer in time");
        site_failed(q->exchange.site, BREAKER_ABSENT, &why);
        pg_err_clear(&why);
    }
    free_query(q);
}

void query_forget_echoes(struct fetch *f)
{
    struct pg_map_node *node = pg_map_next(&f->queries, NULL), *next;

    for (; node != NULL; node = next) {
        struct query *q = pg_container_of(node, struct query, node);

        next = pg_map_next(&f->queries, node);
        if (q->echo.body != NULL)
            free_query(q);
    }
}

void query_cancel_all(struct fetch *f)
{
    struct pg_map_node *node;

    while ((node = pg_map_next(&f->queries, NULL)) != NULL) {
        struct pg_err err = {0};

        pg_fail(&err, PG_E_CANCELED, "pullgate stops");
        fail(pg_container_of(node, struct query, node), &err, 0);
    }
}

void query_write_json(struct fetch *f, struct pg_buf *out)
{
    uint64_t now = pg_clock_mono_ms();

    for (struct pg_map_node *node = pg_map_next(&f->queries, NULL); node != NULL;
         node = pg_map_next(&f->queries, node)) {
        struct query *q = pg_container_of(node, struct query, node);
        unsigned waiting = 0;

        if (q->echo.body != NULL)
            continue;
        pg_list_each_safe (asker, next, &q->askers) {
            waiting++;
        }
        pg_buf_printf(out, "%s{\"kind\":\"%s\",\"upstream\":", out->n > 1 ? "," : "",
                      kinds[q->kind].name);
        pg_buf_put_json(out, (struct sl){q->upstream->name, strlen(q->upstream->name)});
        pg_buf_printf(out, ",\"path\":");
        pg_buf_put_json(out, (struct sl){q->path, strlen(q->path)});
        pg_buf_printf(out, ",\"state\":\"%s\",\"tries\":%u,\"waiting\":%u,\"age_ms\":%llu}",
                      q->has_exchange ? "asking" : "in line", q->tries, waiting,
                      (unsigned long long)(now - q->began_ms));
    }
}
