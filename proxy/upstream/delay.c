/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/delay_int.h"

static void on_timer(uv_timer_t *timer);

static void set_timer(struct delays *all)
{
    struct delay *first;
    uint64_t now = uv_now(all->timer.loop);

    if (pg_list_empty(&all->due)) {
        uv_timer_stop(&all->timer);
        return;
    }
    first = pg_container_of(all->due.next, struct delay, node);
    uv_timer_start(&all->timer, on_timer, first->at_ms > now ? first->at_ms - now : 0, 0);
}

/* Those that are due when it begins: what they start with no delay comes in the next turn. */
static void on_timer(uv_timer_t *timer)
{
    struct delays *all = pg_container_of(timer, struct delays, timer);
    uint64_t now = uv_now(timer->loop);
    struct pg_list ready;

    pg_list_init(&ready);
    pg_list_each_safe (node, next, &all->due) {
        if (pg_container_of(node, struct delay, node)->at_ms > now)
            break;
        pg_list_remove(node);
        pg_list_push(&ready, node);
    }
    while (!pg_list_empty(&ready)) {
        struct delay *d = pg_container_of(ready.next, struct delay, node);

        pg_list_remove(&d->node);
        d->fn(d);
    }
    set_timer(all);
}

void delay_open(struct delays *all, uv_loop_t *uv)
{
    pg_list_init(&all->due);
    PG_CHECK(uv_timer_init(uv, &all->timer) == 0);
}

void delay_close(struct delays *all)
{
    PG_CHECK(pg_list_empty(&all->due));
    uv_close((uv_handle_t *)&all->timer, NULL);
}

void delay_init(struct delay *d)
{
    pg_list_init(&d->node);
}

void delay_start(struct delays *all, struct delay *d, uint64_t ms, void (*fn)(struct delay *d))
{
    struct pg_list *before = all->due.prev;

    PG_CHECK(pg_list_empty(&d->node));
    d->fn = fn;
    d->at_ms = uv_now(all->timer.loop) + ms;
    while (before != &all->due && pg_container_of(before, struct delay, node)->at_ms > d->at_ms) {
        before = before->prev;
    }
    pg_list_push(before->next, &d->node); /* a push goes in front of the node that it is given */
    set_timer(all);
}

void delay_stop(struct delay *d)
{
    pg_list_remove(&d->node);
}
