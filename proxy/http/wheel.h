/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wheel - deadlines that are moved on at every step and almost never come: a ring of slots, one
 * for each tick. Moving a deadline away is one store; its node is looked at again when its old slot
 * comes round. Deadlines come up to WHEEL_TICK_MS late.
 *
 * Ownership:  nodes are embedded in their objects; wheel_clear() before they are freed.
 * Threads:    confined.
 */
#pragma once

#include <stdint.h>

#include "base/list.h"

#define WHEEL_TICK_MS 100
#define WHEEL_SLOTS   256
#define WHEEL_NEVER   UINT64_MAX

struct wheel_node {
    struct pg_list node;
    uint64_t due_ms; /* WHEEL_NEVER: none */
    uint64_t tick;   /* of the slot that it is in */
};

struct wheel {
    struct pg_list slots[WHEEL_SLOTS];
    uint64_t tick; /* all before it, and it, were looked at */
};

void wheel_init(struct wheel *w, uint64_t now_ms);
void wheel_node_init(struct wheel_node *n);
void wheel_set(struct wheel *w, struct wheel_node *n, uint64_t due_ms);
void wheel_clear(struct wheel_node *n);

/* Calls due() for each whose time has come; it may set or clear any node. */
void wheel_turn(struct wheel *w, uint64_t now_ms, void (*due)(struct wheel_node *n));
