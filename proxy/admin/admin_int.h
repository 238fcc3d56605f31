/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_int - one request to the admin, and the struct behind both services.
 *
 *     check --> (the path's own stage: fills body) --> deliver --> sent
 *       |            |  command, requests, work: wait for other threads
 *       +--> refuse -+--> sent
 *
 * Threads: a request: its loop's. struct admin is const once the loops run, but for `draining`.
 */
#pragma once

#include "proxy/admin/admin.h"
#include "proxy/admin/job.h"
#include "proxy/admin/process.h"
#include "proxy/http/rq.h"

#define ADMIN_BODY_MAX ((size_t)72 * 1024 * 1024) /* a part of each loop, at most 64 of them */

struct admin {
    struct conn_service tcp, control;
    struct admin_config config;
    struct pg_pool *pool; /* of jobs; NULL after admin_stop() */
    struct process process;
    atomic_bool draining;
    int64_t started_wall_ms;
    uint64_t started_mono_ms;
};

struct admin_request {
    struct rq rq;
    const struct admin *admin;
    struct conn *conn;
    const struct conn_request *http;
    struct snapshot *snapshot;
    bool is_control, is_head, began, whole, acts; /* acts: changes something, and may */
    struct sl path;                               /* check */
    int status;       /* the answer's: 200, or 503 of a check of health */
    const char *type; /* the answer's */
    struct pg_buf body;
    struct gather *gather;         /* of /debug/requests, under way or home */
    struct admin_command *command; /* under way or answered */
    struct job *job;               /* under way or home */
    unsigned ticket;
};
