/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake - scan reports that others push: a listener of its own, TLS, a token for each source.
 *
 *     PUT /api/v1/scans/sha256:HEX     the report as the body; ?static=true: it has no packages
 *
 *     acceptor --fd--> a pipe --> INTAKE_THREADS threads: TLS, head, token, body, report_read,
 *                                 result_put --> 201, or an error as JSON
 *
 * Serving loops never see it. A thread has one connection at a time and one request of it:
 * INTAKE_HEAD_MS until the token is known, INTAKE_BODY_MS for the rest. What the token's source
 * said is in force for the next request when 201 leaves; what does not count changes nothing.
 *
 *     201 taken    400 no digest, or a report that does not count: "code" says why
 *     401 no token that is known    403 the image has too many sources    404, 405 no such thing
 *     408, 411, 413, 415 the body: too slow, of unknown length, too large, not JSON
 *     503 the store
 *
 * Tokens are read from their files for each request: one that is replaced counts at once. They are
 * compared as digests, all of them, in constant time.
 *
 * Ownership:  open to close; the config is copied, store and trail outlive close.
 * Failure:    open: a certificate, key or token that cannot be used. Later: answers and the log.
 * Threads:    open, start, reload, close: main. take: the acceptor.
 */
#pragma once

#include "audit/trail.h"
#include "cache/store.h"
#include "proxy/config.h"
#include "proxy/http/conn.h"

#define INTAKE_THREADS   2
#define INTAKE_QUEUE_MAX 16 /* connections that wait for a thread; more are closed */
#define INTAKE_HEAD_MS   5000
#define INTAKE_BODY_MS   60000
#define INTAKE_TOKEN_MIN 16
#define INTAKE_TOKEN_MAX 4096

struct intake;

/* 0, also where nothing is listened to: *i_r is NULL then. */
PG_MUST_USE int intake_open(const struct config *c, struct intake **i_r, struct pg_err *err);
const struct conn_door *intake_door(const struct intake *i); /* for listen_open() */
/* trail: each push of a known source is an entry; NULL: of none. Of intake NULL is allowed, here
 * and in the next. */
void intake_start(struct intake *i, struct store *store, struct trail *trail);
void intake_reload(struct intake *i); /* certificate and key anew */
void intake_close(struct intake *i);
