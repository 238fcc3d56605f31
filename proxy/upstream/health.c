/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/health.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/metric.h"

void health_open(struct health_book *b)
{
    PG_CHECK(pthread_mutex_init(&b->lock, NULL) == 0);
    pg_list_init(&b->all);
}

void health_close(struct health_book *b)
{
    pg_list_each_safe (node, next, &b->all) {
        struct health *h = pg_container_of(node, struct health, node);

        pg_list_remove(node);
        free(h->name);
        free(h);
    }
    PG_CHECK(pthread_mutex_destroy(&b->lock) == 0);
}

static struct health *find(struct health_book *b, struct sl name)
{
    pg_list_each_safe (node, next, &b->all) {
        struct health *h = pg_container_of(node, struct health, node);

        if (sl_eq(name, (struct sl){h->name, strlen(h->name)}))
            return h;
    }
    return NULL;
}

struct health *health_of(struct health_book *b, const char *name)
{
    struct health *h;

    PG_CHECK(pthread_mutex_lock(&b->lock) == 0);
    h = find(b, (struct sl){name, strlen(name)});
    if (h == NULL) {
        h = calloc(1, sizeof(*h));
        PG_CHECK(h != NULL && (h->name = strdup(name)) != NULL);
        h->book = b;
        pg_list_init(&h->node);
        pg_list_push(&b->all, &h->node);
    }
    PG_CHECK(pthread_mutex_unlock(&b->lock) == 0);
    return h;
}

static void set_state(struct health *h, enum health_state state, uint64_t until_mono_ms)
{
    bool was_down;

    PG_CHECK(pthread_mutex_lock(&h->book->lock) == 0);
    was_down = h->view.state == HEALTH_DOWN;
    h->view.state = state;
    h->until_mono_ms = until_mono_ms;
    PG_CHECK(pthread_mutex_unlock(&h->book->lock) == 0);
    if (was_down != (state == HEALTH_DOWN))
        pg_metric_add(PG_M_UPSTREAMS_DOWN, was_down ? -1 : 1);
}

/* Another account may have another budget, and another registry may know HEAD. */
void health_reset(struct health *h)
{
    PG_CHECK(pthread_mutex_lock(&h->book->lock) == 0);
    h->view.budget = (struct budget){0};
    h->view.counts_blobs = false;
    h->no_head_until_ms = 0;
    h->no_parts_until_ms = 0;
    PG_CHECK(pthread_mutex_unlock(&h->book->lock) == 0);
    set_state(h, HEALTH_UNKNOWN, 0);
}

void health_answered(struct health *h)
{
    set_state(h, HEALTH_UP, 0);
}

void health_down(struct health *h, uint64_t until_mono_ms)
{
    set_state(h, HEALTH_DOWN, until_mono_ms);
}

void health_limited(struct health *h, uint64_t until_mono_ms)
{
    set_state(h, HEALTH_LIMITED, until_mono_ms);
}

void health_failed(struct health *h, const struct pg_err *why)
{
    struct health_view *v = &h->view;

    if (why->kind != PG_E_UPSTREAM_DOWN && why->kind != PG_E_UPSTREAM_WRONG &&
        why->kind != PG_E_UPSTREAM_TLS && why->kind != PG_E_TIMEOUT)
        return;
    PG_CHECK(pthread_mutex_lock(&h->book->lock) == 0);
    v->failures++;
    v->kind = why->kind;
    v->failed_wall_ms = pg_clock_wall_ms();
    (void)snprintf(v->message, sizeof(v->message), "%s", why->msg != NULL ? why->msg : "");
    PG_CHECK(pthread_mutex_unlock(&h->book->lock) == 0);
}

void health_told(struct health *h, const struct head *head, bool is_blob)
{
    uint64_t now = pg_clock_mono_ms();
    int64_t wall_s = pg_clock_wall_s();

    if (head->rate_left.p == NULL)
        return;
    PG_CHECK(pthread_mutex_lock(&h->book->lock) == 0);
    (void)budget_read(&h->view.budget, head, now, wall_s);
    h->view.counts_blobs = h->view.counts_blobs || is_blob;
    PG_CHECK(pthread_mutex_unlock(&h->book->lock) == 0);
}

void health_headless(struct health *h)
{
    uint64_t until_ms = pg_clock_mono_ms() + HEALTH_NO_HEAD_MS;

    PG_CHECK(pthread_mutex_lock(&h->book->lock) == 0);
    h->no_head_until_ms = until_ms;
    PG_CHECK(pthread_mutex_unlock(&h->book->lock) == 0);
}

void health_no_parts(struct health *h, uint64_t until_mono_ms)
{
    PG_CHECK(pthread_mutex_lock(&h->book->lock) == 0);
    h->no_parts_until_ms = until_mono_ms;
    PG_CHECK(pthread_mutex_unlock(&h->book->lock) == 0);
}

bool health_counts_blobs(const struct health *h)
{
    return h->view.counts_blobs; /* written by the same thread */
}

bool health_is_headless(const struct health *h)
{
    return pg_clock_mono_ms() < h->no_head_until_ms; /* written by the same thread */
}

void health_kept(struct health_book *b, struct sl name)
{
    struct health *h;

    PG_CHECK(pthread_mutex_lock(&b->lock) == 0);
    h = find(b, name);
    if (h != NULL)
        h->view.kept++;
    PG_CHECK(pthread_mutex_unlock(&b->lock) == 0);
}

unsigned health_slowness(const struct health_view *v)
{
    return budget_slowness(&v->budget, v->no_head, pg_clock_mono_ms());
}

void health_read(struct health_book *b, struct sl name, struct health_view *view_r)
{
    uint64_t now = pg_clock_mono_ms();
    struct health *h;

    *view_r = (struct health_view){0};
    PG_CHECK(pthread_mutex_lock(&b->lock) == 0);
    h = find(b, name);
    if (h != NULL) {
        *view_r = h->view;
        view_r->requests = atomic_load_explicit(&h->requests, memory_order_relaxed);
        view_r->bytes = atomic_load_explicit(&h->bytes, memory_order_relaxed);
        view_r->wait_ms = h->until_mono_ms > now ? h->until_mono_ms - now : 0;
        view_r->no_head = now < h->no_head_until_ms;
        view_r->no_parts = now < h->no_parts_until_ms || h->view.counts_blobs;
        view_r->budget_left = budget_left(&h->view.budget, now);
        if (view_r->state == HEALTH_LIMITED && view_r->wait_ms == 0)
            view_r->state = HEALTH_UP;
    }
    PG_CHECK(pthread_mutex_unlock(&b->lock) == 0);
}
