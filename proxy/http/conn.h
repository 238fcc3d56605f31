/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn - one client connection: raw socket under uv_poll, llhttp with every lenient flag off, our
 * own strictness on top, and one request at a time.
 *
 *     accept --> [PROXY] --> [TLS] --> HEAD --------> BUSY (service has it) ----> HEAD (next, maybe
 * pipelined) | error         | send done, conn_done()
 *                           +--> refused: error body, linger, CLOSE <--- client left, deadline
 *
 * The parser is paused at message-complete; a pipelined request is parsed when the response
 * before it was sent. While a request is BUSY its client's going away is noticed (POLLRDHUP and
 * errors) and reading is paused once a small buffer is full.
 *
 * Refused here, with an OCI error body and a close: anything that llhttp refuses; bare CR or LF,
 * folding, spaces around names, Content-Length and Transfer-Encoding together or twice or not plain
 * digits, any transfer coding but one `chunked`, no Host or two or one that is not a host,
 * absolute-form for another authority, versions other than 1.0 and 1.1, CONNECT, TRACE and
 * upgrades, unknown Expect, more than CONN_HEADERS_MAX headers, a head over CONN_HEAD_MAX. A
 * request body is never used: it is drained up to CONN_DRAIN_MAX, else the connection closes after
 * the answer.
 *
 * What conn refuses is answered, counted and logged here; the service does not hear of it.
 *
 * It knows no registry: what is served is the listener's conn_service.
 *
 * Lifetime:   slices of a request live until conn_done().
 * Threads:    its loop's.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"
#include "proxy/http/loop.h"

#define CONN_HEAD_MAX    ((size_t)16 * 1024)
#define CONN_HEADERS_MAX 100
#define CONN_DRAIN_MAX   ((size_t)64 * 1024)

struct conn;

struct conn_header {
    struct sl name, value; /* name as sent; compare with conn_header_is() */
};

struct conn_request {
    struct sl method, target; /* origin-form: an absolute-form's own authority was taken off */
    struct sl host;           /* the Host header, checked, without its port stripped */
    const struct conn_header *headers;
    size_t nheaders;
    /* Whose request it is: "127.0.0.1:43210", "[::1]:43210", "unix:uid=0". Of the socket, or as the
     * PROXY header of a listed balancer says, or a Forwarded of a trusted proxy: those alone. */
    const char *peer;
    const char *via;     /* which of them passed it on; NULL: nobody */
    const char *subject; /* of the verified certificate that the client showed; NULL: none */
    bool is_control;     /* came over the control socket: from the operator */
    uint64_t id;         /* unique in this process */
    uint64_t began_us;   /* monotonic, at the first byte of the head */
};

/* What a listener serves. */
struct conn_service {
    const char *name; /* for logs */
    /* A head is complete. Must lead to one send_go() and one conn_done(), unless gone() came. */
    void (*begin)(const struct conn_service *service, struct conn *c);
    /* The client went away, or the loop stops, while the request was BUSY: rq_cancel() it. The
     * request must still end with conn_done(). What it sends from here on goes nowhere: send_go()
     * leads to done() with ok false, so that an error stage needs not know. A client that only
     * ended its own side counts as gone, except while a body from memory or of a blob leaves. */
    void (*gone)(struct conn *c);
    uid_t peer_uid; /* with is_control: the only uid, besides root, that may speak */
    bool is_control;
    bool is_admin; /* this, or is_control: open while draining, and not counted in the limit */
};

/* What a listener says of those who come through it. */
struct conn_door {
    const struct conn_service *service;
    struct tls_server *tls; /* NULL: plain */
    /* Which of the configuration's listeners it is: whose proxies are believed; CONN_NO_LISTENER */
    size_t listener;
    /* Not NULL: connections are no loop's; the acceptor gives them away. */
    void (*take)(void *owner, int fd);
    void *owner;
};
#define CONN_NO_LISTENER SIZE_MAX

const struct conn_request *conn_request(struct conn *c);
struct loop *conn_loop(struct conn *c);
void conn_set_owner(struct conn *c, void *request); /* the journey's struct, for gone() */
void *conn_owner(struct conn *c);

/* The value of the first header of that name (case-insensitive); {NULL, 0} when absent. */
struct sl conn_header(const struct conn_request *q, struct sl name);
bool conn_header_is(struct sl name, struct sl wanted);

/* The request is over; slices of it die. A response that did not leave whole (or none, or ok false)
 * is followed by a reset, so that it never looks complete; else closes when it must (Connection:
 * close, drain), or goes on with the next request, from the loop. *c may be gone after it. */
void conn_done(struct conn *c, bool ok);
