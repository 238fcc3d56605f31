/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/fetch.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/metric.h"
#include "cache/fill.h"
#include "proxy/upstream/ask_int.h"
#include "proxy/upstream/download_int.h"
#include "proxy/upstream/fetch_int.h"
#include "proxy/upstream/query_int.h"

#define TICK_MS        20 /* while it ends: are there fills left? */
#define LOOK_S         2
#define LOOK_BYTES_MAX ((size_t)4 * 1024 * 1024)

static void wake(struct pg_mailbox *box)
{
    struct fetch *f = box->owner;

    PG_CHECK(uv_async_send(&f->async) == 0);
}

static void on_mail(uv_async_t *async)
{
    struct fetch *f = pg_container_of(async, struct fetch, async);

    pg_mailbox_drain(&f->mail);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct fetch *f = pg_container_of(prepare, struct fetch, prepare);

    origin_run(&f->origins);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer; /* the loop turns */
}

/* Helpers that run are stopped, and come home before this thread ends. */
static void close_all(struct fetch *f)
{
    origin_close(&f->origins);
    while (f->runner.running > 0)
        uv_run(&f->uv, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&f->async, NULL);
    uv_close((uv_handle_t *)&f->prepare, NULL);
    uv_close((uv_handle_t *)&f->tick, NULL);
    uv_run(&f->uv, UV_RUN_DEFAULT);
    PG_CHECK(uv_loop_close(&f->uv) == 0);
}

/* libcurl and OpenSSL write to sockets that the other side may have closed. */
static void block_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    PG_CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
}

static void run(void *arg)
{
    struct fetch *f = arg;

    block_signals();
    pthread_setname_np(pthread_self(), "pg-fetch");
    pg_metric_slot();
    while (!f->stopping) {
        uv_run(&f->uv, UV_RUN_ONCE);
    }
    uv_timer_start(&f->tick, on_tick, TICK_MS, TICK_MS);
    while (fill_count(f->store) > 0) {
        uv_run(&f->uv, UV_RUN_ONCE);
    }
    pg_mailbox_drain(&f->mail);
    close_all(f);
}

static void start_draining(struct pg_mail *mail)
{
    pg_container_of(mail, struct fetch, drain)->draining = true;
}

static void start_stopping(struct pg_mail *mail)
{
    struct fetch *f = pg_container_of(mail, struct fetch, stop);

    f->draining = true;
    f->stopping = true;
    query_cancel_all(f);
    download_cancel_all(f);
}

void fetch_set_segment(struct fetch *f, uint64_t nbytes)
{
    f->segment_bytes = nbytes;
}

struct fetch *fetch_start(struct store *store, struct spawn *spawn)
{
    struct fetch *f = calloc(1, sizeof(*f));

    PG_CHECK(f != NULL);
    PG_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    f->store = store;
    f->segment_bytes = EXTENT_SEGMENT_BYTES;
    pg_mailbox_init(&f->mail, wake, f);
    f->drain.deliver = start_draining;
    f->stop.deliver = start_stopping;
    pg_map_init(&f->queries);
    pg_list_init(&f->downloads);
    unknown_open(&f->unknown);
    PG_CHECK(uv_loop_init(&f->uv) == 0);
    PG_CHECK(uv_async_init(&f->uv, &f->async, on_mail) == 0);
    PG_CHECK(uv_prepare_init(&f->uv, &f->prepare) == 0);
    PG_CHECK(uv_prepare_start(&f->prepare, on_prepare) == 0);
    PG_CHECK(uv_timer_init(&f->uv, &f->tick) == 0);
    health_open(&f->book);
    f->runner = (struct credential_runner){.spawn = spawn, .home = &f->mail};
    origin_open(&f->origins, &f->uv, &f->book, &f->runner);
    PG_CHECK(uv_thread_create(&f->thread, run, f) == 0);
    return f;
}

void fetch_drain(struct fetch *f)
{
    pg_mailbox_post(&f->mail, &f->drain);
}

void fetch_stop(struct fetch *f)
{
    pg_mailbox_post(&f->mail, &f->stop);
    PG_CHECK(uv_thread_join(&f->thread) == 0);
    pg_map_free(&f->queries);
    unknown_close(&f->unknown);
    health_close(&f->book);
    free(f);
    curl_global_cleanup();
}

struct fetch_ask *fetch_ask(struct fetch *f, const struct fetch_question *q,
                            struct pg_mailbox *home, void (*done)(struct fetch_ask *ask),
                            void *owner)
{
    struct fetch_work *w = ask_new(f, q);

    w->home = home;
    w->done = done;
    w->ask.owner = owner;
    w->mail.deliver = ask_begin;
    pg_mailbox_post(&f->mail, &w->mail);
    return &w->ask;
}

void fetch_ask_free(struct fetch_ask *ask)
{
    ask_free(ask->work);
}

void fetch_blob(struct fetch *f, const struct fetch_blob_order *order)
{
    download_order(f, order);
}

/* The loop turns, and so turns are granted. */
void fetch_hurry(struct fetch *f)
{
    PG_CHECK(uv_async_send(&f->async) == 0);
}

struct forget {
    struct pg_mail mail;
    struct fetch *fetch;
    char *upstream, *repo;
};

static void forget(struct pg_mail *mail)
{
    struct forget *m = pg_container_of(mail, struct forget, mail);

    unknown_forget(&m->fetch->unknown, (struct sl){m->upstream, strlen(m->upstream)},
                   (struct sl){m->repo, strlen(m->repo)});
    free(m->upstream);
    free(m->repo);
    free(m);
}

void fetch_forget_unknown(struct fetch *f, struct sl upstream, struct sl repo)
{
    struct forget *m = calloc(1, sizeof(*m));

    PG_CHECK(m != NULL);
    m->fetch = f;
    m->upstream = sl_dup(upstream);
    m->repo = sl_dup(repo);
    m->mail.deliver = forget;
    pg_mailbox_post(&f->mail, &m->mail);
}

static void forget_echoes(struct pg_mail *mail)
{
    struct forget *m = pg_container_of(mail, struct forget, mail);

    query_forget_echoes(m->fetch);
    free(m);
}

void fetch_forget_echoes(struct fetch *f)
{
    struct forget *m = calloc(1, sizeof(*m));

    PG_CHECK(m != NULL);
    m->fetch = f;
    m->mail.deliver = forget_echoes;
    pg_mailbox_post(&f->mail, &m->mail);
}

/* Somebody looks at what is under way; whoever of the two comes last frees it. */
struct look {
    struct pg_mail mail;
    struct fetch *fetch;
    struct pg_buf text;
    sem_t ready;
    atomic_uint parts;
};

static void free_look(struct look *l)
{
    if (atomic_fetch_sub(&l->parts, 1) != 1)
        return;
    pg_buf_free(&l->text);
    sem_destroy(&l->ready);
    free(l);
}

static void look(struct pg_mail *mail)
{
    struct look *l = pg_container_of(mail, struct look, mail);

    pg_buf_put(&l->text, SL("["));
    query_write_json(l->fetch, &l->text);
    download_write_json(l->fetch, &l->text);
    pg_buf_put(&l->text, SL("]"));
    sem_post(&l->ready);
    free_look(l);
}

void fetch_write_json(struct fetch *f, struct pg_buf *out)
{
    struct look *l = calloc(1, sizeof(*l));
    struct timespec until;
    int waited;

    PG_CHECK(l != NULL && sem_init(&l->ready, 0, 0) == 0);
    PG_CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0);
    until.tv_sec += LOOK_S;
    l->fetch = f;
    pg_buf_init(&l->text, LOOK_BYTES_MAX);
    atomic_init(&l->parts, 2);
    l->mail.deliver = look;
    pg_mailbox_post(&f->mail, &l->mail);
    do {
        waited = sem_timedwait(&l->ready, &until);
    } while (waited < 0 && errno == EINTR);
    pg_buf_put(out, waited == 0 && !l->text.over ? pg_buf_sl(&l->text) : SL("[]"));
    free_look(l);
}

void fetch_health(struct fetch *f, struct sl name, struct health_view *view_r)
{
    health_read(&f->book, name, view_r);
}

void fetch_kept(struct fetch *f, struct sl name)
{
    health_kept(&f->book, name);
}
