/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/metric.h"
#include "base/record.h"
#include "cache/index.h"
#include "proxy/http/loop_int.h"

#define STEPS_PER_ROUND 256 /* of requests, before connections get their turn */
#define ROUNDS          8   /* before the loop polls */
#define FRESH_MAX       64  /* requests that are begun before some are run */

static _Thread_local struct loop *here;

static void on_rung(struct pg_mailbox *box)
{
    struct loop *l = box->owner;

    PG_CHECK(uv_async_send(&l->work->async) == 0);
}

static void on_bell(struct flight_bell *bell)
{
    struct loop *l = pg_container_of(bell, struct loop, bell);

    PG_CHECK(uv_async_send(&l->work->async) == 0);
}

static void on_async(uv_async_t *async)
{
    ((struct loop *)async->data)->work->heard = true;
}

static void on_prepare(uv_prepare_t *prepare)
{
    (void)prepare;
    PG_CHECK(index_open_views() == 0); /* no read transaction survives a return to the loop */
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* being active is its work: the loop does not sleep */
}

static void on_due(struct wheel_node *n)
{
    conn_expired(pg_container_of(n, struct conn, deadline));
}

static void on_tick(uv_timer_t *tick)
{
    struct loop *l = tick->data;

    wheel_turn(&l->work->wheel, uv_now(&l->uv), on_due);
}

static void move_all(struct pg_list *to, struct pg_list *from)
{
    while (!pg_list_empty(from)) {
        struct pg_list *node = from->next;

        pg_list_remove(node);
        pg_list_push(to, node);
    }
}

/* Those that were ready when it began: who becomes ready meanwhile comes in the next round. */
static void run_connections(struct loop *l)
{
    struct pg_list mine = PG_LIST_INIT(mine);

    move_all(&mine, &l->work->ready);
    while (!pg_list_empty(&mine)) {
        struct conn *c = pg_container_of(mine.next, struct conn, ready);

        pg_list_remove(&c->ready);
        conn_run(c);
    }
}

static void on_step(const struct rq *rq)
{
    struct loop *l = pg_container_of(rq->queue, struct loop, queue);

    atomic_store_explicit(&l->work->stage, rq->stage->name, memory_order_relaxed);
    pg_record_mark(rq->stage->name, rq->id, rq->queue->now_ms);
}

struct loop *loop_here(void)
{
    return here;
}

const char *loop_stage(const struct loop *l)
{
    const char *stage = atomic_load_explicit(&l->work->stage, memory_order_relaxed);

    return stage != NULL ? stage : "none";
}

static bool run(struct loop *l)
{
    bool more = true;

    l->work->turn = (struct loop_turn){0};
    for (unsigned i = 0; i < ROUNDS && more; i++) {
        run_connections(l);
        more = rq_queue_run(&l->queue, uv_now(&l->uv), STEPS_PER_ROUND);
        more = more || !pg_list_empty(&l->work->ready);
    }
    return more || !pg_list_empty(&l->work->later);
}

static void cancel_all(struct loop *l)
{
    pg_list_each_safe (it, tmp, &l->conns)
        conn_abort(pg_container_of(it, struct conn, node));
    pg_list_each_safe (it, tmp, &l->queue.waiting)
        rq_cancel(pg_container_of(it, struct rq, node));
    pg_list_each_safe (it, tmp, &l->queue.runnable)
        rq_cancel(pg_container_of(it, struct rq, node));
}

static bool is_empty(const struct loop *l)
{
    return pg_list_empty(&l->conns) && pg_list_empty(&l->queue.waiting) &&
           pg_list_empty(&l->queue.runnable);
}

static void on_check(uv_check_t *check)
{
    struct loop *l = check->data;
    struct loop_work *w = l->work;
    bool more;

    if (w->heard) {
        w->heard = false;
        (void)pg_mailbox_drain(&l->mail);
        if (atomic_load(&l->bell.rung))
            flight_bell_answer(&l->bell);
    }
    move_all(&w->ready, &w->later);
    if (w->stopping)
        cancel_all(l);
    more = run(l);
    if (more != uv_is_active((uv_handle_t *)&w->idle))
        (void)(more ? uv_idle_start(&w->idle, on_idle) : uv_idle_stop(&w->idle));
    if (is_empty(l) == (bool)uv_is_active((uv_handle_t *)&w->tick))
        (void)(is_empty(l) ? uv_timer_stop(&w->tick)
                           : uv_timer_start(&w->tick, on_tick, WHEEL_TICK_MS, WHEEL_TICK_MS));
    if (w->stopping && is_empty(l))
        uv_stop(&l->uv);
}

/* What they need of memory is given back, and still in the cache, before the next take theirs. What
 * is left the check does. */
void loop_relieve(struct loop *l)
{
    if (l->work->turn.nfresh >= FRESH_MAX)
        (void)run(l);
}

/* ---- for connections ----------------------------------------------------------------------- */

void loop_ready(struct loop *l, struct conn *c)
{
    pg_list_remove(&c->ready);
    pg_list_push(&l->work->ready, &c->ready);
    (void)uv_idle_start(&l->work->idle, on_idle); /* it may be said after the check */
}

void loop_later(struct loop *l, struct conn *c)
{
    if (pg_list_empty(&c->ready))
        pg_list_push(&l->work->later, &c->ready);
    (void)uv_idle_start(&l->work->idle, on_idle);
}

void loop_left(struct loop *l, struct conn *c)
{
    pg_list_remove(&c->node);
    pg_list_remove(&c->ready);
    atomic_fetch_sub(&l->nconns, 1);
    if (l->work->stopping)
        (void)uv_idle_start(&l->work->idle, on_idle); /* it may have been the last */
}

struct conn_page *loop_take_page(struct loop *l)
{
    struct conn_page *page = l->work->pages;

    if (page == NULL) {
        page = malloc(sizeof(*page));
        PG_CHECK(page != NULL);
        return page;
    }
    l->work->pages = page->next;
    l->work->npages--;
    return page;
}

void loop_give_page(struct loop *l, struct conn_page *page)
{
    if (l->work->npages == LOOP_PAGES_KEPT) {
        free(page);
        return;
    }
    page->next = l->work->pages;
    l->work->pages = page;
    l->work->npages++;
}

struct sl loop_date(struct loop *l)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct loop_work *w = l->work;
    int64_t now = pg_clock_wall_s();
    struct tm t;

    if (now != w->date_s) {
        PG_CHECK(gmtime_r(&(time_t){now}, &t) != NULL);
        (void)snprintf(w->date, sizeof(w->date), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                       days[t.tm_wday], t.tm_mday, months[t.tm_mon], t.tm_year + 1900, t.tm_hour,
                       t.tm_min, t.tm_sec);
        w->date_s = now;
    }
    return (struct sl){w->date, strlen(w->date)};
}

/* ---- life ---------------------------------------------------------------------------------- */

static void on_drain(struct pg_mail *mail)
{
    struct loop *l = pg_container_of(mail, struct loop_work, drain)->tick.data;

    l->draining = true;
    l->retiring = atomic_load(&l->work->retire_asked);
    pg_list_each_safe (it, tmp, &l->conns)
        conn_drain(pg_container_of(it, struct conn, node));
}

static void on_stop(struct pg_mail *mail)
{
    struct loop *l = pg_container_of(mail, struct loop_work, stop)->tick.data;

    l->draining = true;
    l->work->stopping = true;
}

static void init_handles(struct loop *l)
{
    struct loop_work *w = l->work;

    PG_CHECK(uv_loop_init(&l->uv) == 0);
    PG_CHECK(uv_async_init(&l->uv, &w->async, on_async) == 0);
    PG_CHECK(uv_prepare_init(&l->uv, &w->prepare) == 0);
    PG_CHECK(uv_check_init(&l->uv, &w->check) == 0);
    PG_CHECK(uv_idle_init(&l->uv, &w->idle) == 0);
    PG_CHECK(uv_timer_init(&l->uv, &w->tick) == 0);
    w->async.data = w->check.data = w->tick.data = l;
    PG_CHECK(uv_prepare_start(&w->prepare, on_prepare) == 0);
    PG_CHECK(uv_check_start(&w->check, on_check) == 0);
}

struct loop *loop_new(unsigned no, struct flight_table *flights, struct snapshot *snapshot,
                      struct pg_pool *data_pool)
{
    struct loop *l = calloc(1, sizeof(*l));
    struct loop_work *w = calloc(1, sizeof(*w));

    PG_CHECK(l != NULL && w != NULL);
    l->work = w;
    l->no = no;
    l->snapshot = config_snapshot_ref(snapshot);
    l->data_pool = data_pool;
    w->drain.deliver = on_drain;
    w->stop.deliver = on_stop;
    w->date_s = -1;
    w->scratch = malloc(WIRE_SCRATCH_BYTES);
    PG_CHECK(w->scratch != NULL);
    rq_queue_init(&l->queue);
    l->queue.on_step = on_step;
    pg_list_init(&l->conns);
    pg_list_init(&w->ready);
    pg_list_init(&w->later);
    init_handles(l);
    wheel_init(&w->wheel, uv_now(&l->uv));
    pg_mailbox_init(&l->mail, on_rung, l);
    flight_bell_init(&l->bell, flights, on_bell);
    return l;
}

static void work(void *arg)
{
    struct loop *l = arg;
    char name[16];

    (void)snprintf(name, sizeof(name), "pg-loop-%u", l->no % 1000);
    (void)pthread_setname_np(pthread_self(), name);
    pg_metric_slot();
    here = l;
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
}

/* Signals are for the main thread. SIGPIPE too: blocked here, a write into a closed connection is
 * EPIPE and nothing else. */
void loop_run(struct loop *l)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    PG_CHECK(uv_thread_create(&l->work->thread, work, l) == 0);
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    l->work->running = true;
}

void loop_retire(struct loop *l)
{
    atomic_store(&l->work->retire_asked, true);
    loop_drain(l);
}

void loop_drain(struct loop *l)
{
    if (!atomic_exchange(&l->work->drain_asked, true))
        pg_mailbox_post(&l->mail, &l->work->drain);
}

void loop_stop(struct loop *l)
{
    if (!l->work->running || atomic_exchange(&l->work->stop_asked, true))
        return;
    pg_mailbox_post(&l->mail, &l->work->stop);
    PG_CHECK(uv_thread_join(&l->work->thread) == 0);
    l->work->running = false;
}

static void on_reload(struct pg_mail *mail)
{
    struct loop_reload *r = pg_container_of(mail, struct loop_reload, mail);
    struct snapshot *old = r->loop->snapshot;

    r->loop->snapshot = r->snapshot;
    config_snapshot_unref(old);
    r->acked(r);
}

void loop_set_snapshot(struct loop *l, struct loop_reload *r)
{
    r->loop = l;
    r->mail = (struct pg_mail){.deliver = on_reload};
    pg_mailbox_post(&l->mail, &r->mail);
}

static void on_adopt(struct pg_mail *mail)
{
    conn_open(pg_container_of(mail, struct conn, mail));
}

void loop_adopt(struct loop *l, int fd, const struct conn_door *door)
{
    struct conn *c = conn_new(l, fd, door);

    atomic_fetch_add(&l->nconns, 1);
    c->mail = (struct pg_mail){.deliver = on_adopt};
    pg_mailbox_post(&l->mail, &c->mail);
}

/* What came too late is delivered once more, to be let go of: jobs of pools that have ended since,
 * connections that were accepted while the loop stopped. */
void loop_free(struct loop *l)
{
    struct loop_work *w = l->work;

    PG_CHECK(!w->running);
    w->stopping = true;
    (void)pg_mailbox_drain(&l->mail);
    PG_CHECK(is_empty(l));
    uv_close((uv_handle_t *)&w->async, NULL);
    uv_close((uv_handle_t *)&w->prepare, NULL);
    uv_close((uv_handle_t *)&w->check, NULL);
    uv_close((uv_handle_t *)&w->idle, NULL);
    uv_close((uv_handle_t *)&w->tick, NULL);
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
    PG_CHECK(uv_loop_close(&l->uv) == 0);
    while (w->pages != NULL) {
        struct conn_page *page = w->pages;

        w->pages = page->next;
        free(page);
    }
    config_snapshot_unref(l->snapshot);
    free(w->scratch);
    free(w);
    free(l);
}
