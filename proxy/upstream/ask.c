/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/ask_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "oci/link.h"
#include "oci/ref.h"
#include "proxy/upstream/query_int.h"

#define ARENA_BYTES   ((size_t)32 * 1024)
#define REVISION_TEXT 24

static void destroy(struct fetch_work *w)
{
    pg_bytes_unref(w->ask.answer.body);
    pg_err_clear(&w->ask.err);
    config_snapshot_unref(w->snapshot);
    pg_arena_free(&w->arena);
    free(w);
}

static void drop(struct fetch_work *w, unsigned parts)
{
    if (atomic_fetch_sub(&w->parts, parts) == parts)
        destroy(w);
}

/* What makes two questions equal. */
static struct sl make_key(struct fetch_work *w)
{
    struct sl upstream = {w->upstream->name, strlen(w->upstream->name)};
    size_t max = upstream.n + w->repo.n + w->reference.n + w->query.n + 2 * (size_t)REVISION_TEXT;
    char *key = pg_alloc(&w->arena, max);
    int n = snprintf(key, max, "%" PRIu64 " %d " SL_FMT " " SL_FMT " " SL_FMT " " SL_FMT "%s",
                     w->snapshot->revision, (int)w->kind, SL_ARG(upstream), SL_ARG(w->repo),
                     SL_ARG(w->reference), SL_ARG(w->query), w->of_authority ? ASK_AUTHORITY : "");

    PG_CHECK(n > 0 && (size_t)n < max);
    return (struct sl){key, (size_t)n};
}

struct fetch_work *ask_new(struct fetch *f, const struct fetch_question *q)
{
    struct fetch_work *w = calloc(1, sizeof(*w));

    PG_CHECK(w != NULL);
    w->ask.work = w;
    w->fetch = f;
    atomic_init(&w->parts, 1);
    pg_list_init(&w->node);
    pg_arena_init(&w->arena, ARENA_BYTES);
    w->kind = q->kind;
    w->is_cold = q->is_cold;
    if (q->proof != NULL) {
        w->proof = *q->proof;
        w->proof.whose = pg_copy(&w->arena, q->proof->whose);
    }
    w->trace = q->trace;
    w->snapshot = config_snapshot_ref(q->snapshot);
    w->upstream = q->upstream;
    w->repo = pg_copy(&w->arena, q->repo);
    w->reference = pg_copy(&w->arena, q->reference);
    w->of_authority = q->of_authority && digest_looks_like(w->reference);
    w->query = pg_copy(&w->arena, q->query);
    w->caller = pg_copy(&w->arena, q->caller);
    w->key = make_key(w);
    return w;
}

/* At home. */
static void deliver(struct pg_mail *mail)
{
    struct fetch_work *w = pg_container_of(mail, struct fetch_work, mail);

    w->delivered = true;
    if (w->done != NULL)
        w->done(&w->ask);
    else
        drop(w, 1);
}

static void send_home(struct fetch_work *w)
{
    w->in = NULL;
    w->mail.deliver = deliver;
    pg_mailbox_post(w->home, &w->mail);
}

void ask_succeed(struct fetch_work *w, const struct fetch_answer *answer)
{
    w->ask.answer = *answer;
    if (answer->body != NULL)
        pg_bytes_ref(answer->body);
    w->ask.answer.content_type = pg_copy(&w->arena, answer->content_type);
    w->ask.answer.link = pg_copy(&w->arena, answer->link);
    send_home(w);
}

void ask_fail(struct fetch_work *w, const struct pg_err *err, int retry_after_s)
{
    pg_err_copy(&w->ask.err, err);
    w->ask.retry_after_s = retry_after_s;
    send_home(w);
}

/* The asker has gone; its answer may be on the way. */
static void leave(struct pg_mail *mail)
{
    struct fetch_work *w = pg_container_of(mail, struct fetch_work, leave);

    unsigned parts = 1;

    if (w->in != NULL) {
        query_leave(w);
        parts++; /* no answer will come */
    }
    drop(w, parts);
}

void ask_free(struct fetch_work *w)
{
    w->done = NULL;
    if (w->delivered) {
        drop(w, 1);
        return;
    }
    atomic_fetch_add(&w->parts, 1);
    w->leave.deliver = leave;
    pg_mailbox_post(&w->fetch->mail, &w->leave);
}

/* What is asked was checked before; it is checked again since it becomes part of a URL. */
static int check(const struct fetch_work *w, struct pg_err *err)
{
    struct digest digest;

    if (ref_check_name(w->repo, err) < 0)
        return -1;
    if (w->query.n > FETCH_QUERY_MAX || !link_is_query(w->query))
        return pg_fail(err, PG_E_NAME_INVALID, "not a proper query");
    if (w->kind == FETCH_TAGS)
        return 0;
    if (digest_looks_like(w->reference) || w->kind == FETCH_BLOB_HEAD ||
        w->kind == FETCH_BLOB_PROOF || w->kind == FETCH_REFERRERS)
        return digest_parse(w->reference, &digest, err);
    return ref_check_tag(w->reference, err);
}

void ask_begin(struct pg_mail *mail)
{
    struct fetch_work *w = pg_container_of(mail, struct fetch_work, mail);
    struct pg_err err = {0};

    if (w->fetch->draining)
        pg_fail(&err, PG_E_UPSTREAM_DOWN, "pullgate is about to stop");
    else
        (void)check(w, &err);
    if (err.kind == PG_E_NONE)
        query_join(w);
    else
        ask_fail(w, &err, 0);
    pg_err_clear(&err);
}
