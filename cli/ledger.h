/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger - what the server itself has to tell the audit log: that it starts and ends, and which
 * configuration and policy are in force from when on.
 *
 * Threads: main.
 */
#pragma once

#include "audit/trail.h"
#include "proxy/config.h"

/* The log of that configuration, with an entry of the start; NULL where none is to be kept. */
PG_MUST_USE int ledger_open(const struct config *c, struct trail **trail_r, struct pg_err *err);
void ledger_close(struct trail *t, const char *why); /* NULL is allowed */

/* It is in force from now on, or, with why, was refused. */
void ledger_config(struct trail *t, const struct config *c, uint64_t revision, const char *why);

/* Where the log of a configuration is; to be freed. */
char *ledger_path(const struct config *c);
