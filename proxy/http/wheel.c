/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/wheel.h"

/* The first tick at which it is due, or the farthest that the wheel knows. */
static uint64_t tick_of(const struct wheel *w, uint64_t due_ms)
{
    uint64_t tick = due_ms / WHEEL_TICK_MS + (due_ms % WHEEL_TICK_MS > 0);

    if (tick <= w->tick)
        return w->tick + 1;
    return tick - w->tick >= WHEEL_SLOTS ? w->tick + WHEEL_SLOTS - 1 : tick;
}

static void put(struct wheel *w, struct wheel_node *n)
{
    n->tick = tick_of(w, n->due_ms);
    pg_list_push(&w->slots[n->tick % WHEEL_SLOTS], &n->node);
}

void wheel_init(struct wheel *w, uint64_t now_ms)
{
    w->tick = now_ms / WHEEL_TICK_MS;
    for (unsigned i = 0; i < WHEEL_SLOTS; i++)
        pg_list_init(&w->slots[i]);
}

void wheel_node_init(struct wheel_node *n)
{
    *n = (struct wheel_node){.due_ms = WHEEL_NEVER};
    pg_list_init(&n->node);
}

void wheel_set(struct wheel *w, struct wheel_node *n, uint64_t due_ms)
{
    n->due_ms = due_ms;
    if (due_ms == WHEEL_NEVER)
        return; /* it falls out of the wheel by itself */
    if (!pg_list_empty(&n->node)) {
        if (n->tick <= tick_of(w, due_ms))
            return;
        pg_list_remove(&n->node);
    }
    put(w, n);
}

void wheel_clear(struct wheel_node *n)
{
    n->due_ms = WHEEL_NEVER;
    pg_list_remove(&n->node);
}

static void turn_one(struct wheel *w, uint64_t now_ms, void (*due)(struct wheel_node *n))
{
    struct pg_list *slot = &w->slots[w->tick % WHEEL_SLOTS];
    struct pg_list mine = PG_LIST_INIT(mine);

    while (!pg_list_empty(slot)) { /* out of the slot first: due() may put nodes back */
        struct pg_list *node = slot->next;

        pg_list_remove(node);
        pg_list_push(&mine, node);
    }
    while (!pg_list_empty(&mine)) {
        struct wheel_node *n = pg_container_of(mine.next, struct wheel_node, node);

        pg_list_remove(&n->node);
        if (n->due_ms == WHEEL_NEVER)
            continue;
        if (n->due_ms > now_ms) {
            put(w, n);
            continue;
        }
        n->due_ms = WHEEL_NEVER;
        due(n);
    }
}

void wheel_turn(struct wheel *w, uint64_t now_ms, void (*due)(struct wheel_node *n))
{
    uint64_t to = now_ms / WHEEL_TICK_MS;

    if (to > w->tick && to - w->tick > WHEEL_SLOTS) /* we were asleep: once round is all */
        w->tick = to - WHEEL_SLOTS;
    while (w->tick < to) {
        w->tick++;
        turn_one(w, now_ms, due);
    }
}
