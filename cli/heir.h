/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heir - the side of an upgrade that begins (cli/relay.h): a server that another one started, and
 * takes its sockets and its store over. cli/upgrade.h is the other side.
 *
 * A predecessor that dies before it let go of the store leaves it free: the heir goes on alone. One
 * that still drains when its heir was killed and started anew is waited for by whoever has the
 * store.
 *
 * Threads:  main.
 */
#pragma once

#include "base/err.h"
#include "cache/store.h"

#define HEIR_VARIABLE "PULLGATE_HEIR" /* set, its value the descriptor's number: this is one */

struct heir {
    int fd; /* -1: nobody's heir, or the predecessor has ended */
    bool is_heir;
    uint64_t collect_ms; /* when the predecessor's folder is looked for again; 0: not */
};

/* Takes the listeners over, if this is one. First of all: the descriptor is not to be inherited. */
PG_MUST_USE int heir_open(struct heir *h, struct pg_err *err);

/* Returns when the store may be opened. */
PG_MUST_USE int heir_await_store(struct heir *h, const char *store_path, struct pg_err *err);
void heir_serves(struct heir *h); /* says so, if it is one */
void heir_refuses(struct heir *h, const char *why);

/* Now and then, and when fd can be read: has the predecessor ended? Then what it left is taken,
 * its part of the audit log as well (trail: NULL: there is none).
 * Returns after how many ms to look again, or -1. */
struct trail;
int heir_turn(struct heir *h, struct store *store, struct trail *trail);
void heir_close(struct heir *h);
