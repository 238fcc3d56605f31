/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client - one HTTP request to one server: libcurl's multi interface on the fetch thread's loop. A
 * client serves one URL of one upstream identity; its connections are never another's.
 *
 *      client_start --> [on_head] --> on_data* --> on_done
 *            |                                        |
 *            +------------- client_stop --------------+
 *
 * libcurl is told to do one thing only: redirects, authentication, cookies, proxies, netrc and
 * content encodings are all off. A socket is made only to an address that addr.h allows, unless the
 * upstream may be private, and even then no metadata service. The one exception that its operator
 * made is its proxy; the client certificate is for its own URL alone. The head is bounded by
 * head.h, the body by on_data. What brings no byte for stall_timeout, or less than
 * CLIENT_SLOW_BYTES_S on average of such a time, is broken off.
 *
 * on_head and on_data run inside of libcurl: they must not start or stop anything; they say no by
 * their result, and the reason on ->err. on_done may do all, also free the call.
 *
 * Ownership:  a call is embedded in its asker's object; client_call_init() / client_call_free().
 *             ->head lives until then, or the next start.
 * Failure:    ->fault, and ->err in words.
 * Threads:    the loop's.
 */
#pragma once

#include <curl/curl.h>
#include <uv.h>

#include "base/err.h"
#include "base/list.h"
#include "proxy/config.h"
#include "proxy/upstream/delay_int.h"
#include "proxy/upstream/head.h"
#include "proxy/upstream/health.h"
#include "proxy/upstream/pace.h"
#include "proxy/upstream/url.h"

#define CLIENT_HEADERS_MAX  5 /* that a call may send */
#define CLIENT_SLOW_BYTES_S 1024

struct client;
struct client_call;

enum client_fault {
    CLIENT_FINE,
    CLIENT_ABSENT, /* no name, no connection */
    CLIENT_GONE,   /* neither in time */
    CLIENT_BROKEN, /* the connection ended too early */
    CLIENT_SILENT, /* connected, and then nothing for too long */
    CLIENT_TLS,    /* no secure connection */
    CLIENT_WRONG,  /* an address that is not allowed, not HTTP, a head beyond the limits */
    CLIENT_NO,     /* on_head or on_data said so */
};

enum client_taken { CLIENT_TAKEN, CLIENT_FULL, CLIENT_REFUSED };

struct client_events {
    bool (*on_head)(struct client_call *call); /* a final status, not 1xx */
    enum client_taken (*on_data)(struct client_call *call, struct sl data);
    void (*on_done)(struct client_call *call);
};

/* How fast all calls of one upstream may be together, and those that wait for it in turn. */
struct client_pace {
    struct pace pace;
    struct pg_list waiting;
    struct delays *delays;
    struct delay again;
};

struct client_order {
    const char *url;
    bool head;      /* HEAD; else GET */
    struct sl form; /* POST it; the asker's until on_done; p NULL: none */
    bool fresh;     /* on a new connection */
    bool large;     /* waits for the pace; what is small is counted alone */
    const char *headers[CLIENT_HEADERS_MAX]; /* "Name: value"; NULL: none */
    uint64_t timeout_ms;                     /* for all of it; 0: as long as it moves */
};

/* An address that is being connected to. */
struct client_opening {
    struct sockaddr_storage address;
    socklen_t n;
    uint64_t at_ms;
};

struct client_call {
    struct client *client;
    CURL *easy; /* NULL: not under way */
    struct curl_slist *headers;
    const struct client_events *events;
    void *owner;
    struct head head;
    struct pg_list node;              /* among those under way */
    bool denied;                      /* an address was refused */
    bool skipped;                     /* one that was silent lately was not tried */
    struct client_opening opening[2]; /* the last of IPv4, of IPv6 */
    bool connected, paused, large;
    struct pg_list pace_node;         /* among those who wait for the pace */
    uint64_t nbytes;                  /* of head and body */
    uint64_t moved_ms, moved_bytes;   /* when the last byte was seen, and how many there were */
    uint64_t window_ms, window_bytes; /* where the window began in which it must not be slow */
    enum client_fault fault;
    int retry_after_s; /* 0: not said */
    struct pg_err err;
    char says[CURL_ERROR_SIZE]; /* libcurl's words, for the log */
};

struct client *client_new(uv_loop_t *uv, const struct config_upstream *upstream,
                          const struct url *base, struct health *health, struct client_pace *pace);

void client_pace_open(struct client_pace *p, uint64_t bytes_s, struct delays *delays);
void client_pace_close(struct client_pace *p); /* nobody waits */
/* Where a redirect or a challenge leads: may it be connected to? What is known by its address alone
 * is judged when the socket is made, but behind a proxy only here. UPSTREAM_WRONG. */
PG_MUST_USE int client_may_go(const struct client *c, const struct url *to, struct pg_err *err);
void client_close(struct client *c); /* no call may be under way; frees itself in the loop */

void client_call_init(struct client_call *call, const struct client_events *events, void *owner);
void client_call_free(struct client_call *call); /* not under way */

/* Never calls back before it returns. */
void client_start(struct client *c, struct client_call *call, const struct client_order *order);
void client_stop(struct client_call *call);   /* nothing comes any more; also when not under way */
void client_resume(struct client_call *call); /* after CLIENT_FULL: the same bytes come again */
