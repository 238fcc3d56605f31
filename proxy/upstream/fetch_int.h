/* SPDX-License-Identifier: Apache-2.0 */
/* fetch - what the modules of the fetch thread share of it. Threads: the fetch thread's. */
#pragma once

#include <stdatomic.h>
#include <uv.h>

#include "base/list.h"
#include "base/map.h"
#include "proxy/upstream/fetch.h"
#include "proxy/upstream/origin_int.h"
#include "proxy/upstream/suspect_int.h"
#include "proxy/upstream/unknown.h"

struct fetch {
    struct store *store;
    uv_loop_t uv;
    uv_thread_t thread;
    uv_async_t async;     /* the mailbox has mail */
    uv_prepare_t prepare; /* before each poll: turns are granted */
    uv_timer_t tick;      /* while it ends */
    struct pg_mailbox mail;
    struct pg_mail drain, stop;
    struct health_book book;
    struct credential_runner runner;
    struct origins origins;
    struct pg_map queries;    /* by what is asked */
    size_t echo_bytes;        /* of answers among them that stay for a moment */
    struct pg_list downloads; /* download.c */
    uint64_t segment_bytes;   /* const once something was asked */
    struct suspects suspects;
    struct unknown_table unknown;
    bool draining, stopping;
};
