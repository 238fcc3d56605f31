/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen - the acceptor thread: accepts on every listener and hands each connection to the loop
 * with the fewest.
 *
 * Listeners are bound before threads run and before privileges could be dropped. At the connection
 * limit, or when the process has no descriptors left, accepting pauses and goes on when there
 * is room: it never spins. Admin and control are not counted in the limit and do not wait for it.
 *
 * Failure:  listen_open: what socket_open() says.
 * Threads:  the acceptor's own; open and start: main.
 */
#pragma once

#include "base/err.h"
#include "proxy/http/conn.h"
#include "proxy/http/loop.h"
#include "proxy/http/socket.h"

struct listen;

struct listen *listen_new(struct loop **loops, unsigned nloops, uint64_t connections_max);

/* door: outlives the loops. bound_r: the address with its real port, NUL-terminated. */
PG_MUST_USE int listen_open(struct listen *a, const struct socket_want *want,
                            const struct conn_door *door, char bound_r[SOCKET_BOUND_MAX],
                            struct pg_err *err);
void listen_start(struct listen *a);
void listen_limit(struct listen *a, uint64_t connections_max); /* a new limit; any thread */
/* Accepts nobody until it goes on: who comes waits in the kernel's queue. No connection is being
 * accepted any more when it returns. */
void listen_pause(struct listen *a, bool pauses);
/* The sockets of all listeners, the first being 0, for an heir; they stay open and ours. */
bool listen_share(const struct listen *a, unsigned no, struct socket_bound *bound_r);
void listen_bequeath(struct listen *a); /* the heir has them: closes ours, and no more */
/* Closes the listeners; with keep_admin all but those of admin and control. They are closed, and a
 * unix socket is unlinked, when it returns. */
void listen_drain(struct listen *a, bool keep_admin);
void listen_stop(struct listen *a); /* closes the rest, joins, frees; also if never started */
