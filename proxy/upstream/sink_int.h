/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink_int - the connection to one receiver of the audit log; see forward.h. Private to upstream.
 *
 * Ownership:  sink_open() to sink_close(); the configuration outlives it.
 * Failure:    UPSTREAM_DOWN, with a sentence that has nothing of a secret. CANCELED: told to stop.
 * Threads:    confined; stop_fd, an eventfd, may be rung from elsewhere.
 */
#pragma once

#include <curl/curl.h>

#include "base/buf.h"
#include "base/err.h"
#include "proxy/config.h"

struct sink {
    const struct config_sink *config;
    int stop_fd; /* readable: whatever is under way ends */
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    bool is_syslog, is_connected; /* the second: of syslog */
    size_t answered;
    char host[256]; /* ours */
};

void sink_open(struct sink *s, const struct config_sink *config, int stop_fd);
void sink_close(struct sink *s);

/* https: it was taken. syslog: it is on its way. -1. *too_large_r: less of it may be taken. */
PG_MUST_USE int sink_give(struct sink *s, struct sl text, bool *too_large_r, struct pg_err *err);

/* syslog: that the connection stands, and whether the other side's kernel has all of it. */
PG_MUST_USE int sink_look(struct sink *s, bool *has_all_r, struct pg_err *err);
int sink_socket(const struct sink *s); /* to be polled; -1 */
void sink_break(struct sink *s);       /* the connection */
