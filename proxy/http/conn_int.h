/* SPDX-License-Identifier: Apache-2.0 */
/* conn_int - what a connection is made of; private to proxy/http. */
#pragma once

#include "proxy/http/body.h"
#include "proxy/http/conn.h"
#include "proxy/http/head.h"
#include "proxy/http/peer.h"
#include "proxy/http/send.h"
#include "proxy/http/wheel.h"
#include "proxy/http/wire.h"

#define CONN_IN_MAX                                                                                \
    (CONN_HEAD_MAX + 4096) /* a head, and then some of a body or of what follows                   \
                            */
#define CONN_OUT_MAX   ((size_t)8192)
#define CONN_LINGER_MS 2000
#define CONN_DRAIN_MS  1000 /* for a first request, once draining */
#define CONN_RETIRE_MS 5000 /* for a last one, once there is an heir */

#define CONN_HANDSHAKES_A_TURN 8 /* of a loop; some milliseconds */

enum conn_state {
    CONN_NEW,       /* on its way from the acceptor */
    CONN_PREFACE,   /* a PROXY header */
    CONN_HANDSHAKE, /* TLS */
    CONN_HEAD,      /* no request, or a part of its head */
    CONN_BODY,      /* a head, and a part of a body that is thrown away */
    CONN_BUSY,      /* the service has a request */
    CONN_LINGER,    /* we have said all; what the client still sends is thrown away */
    CONN_CLOSED,    /* the socket is; the memory goes with the request and the handle */
};

/* What a request needs. An idle connection has none. */
struct conn_page {
    struct conn_page *next; /* free */
    struct conn_header headers[CONN_HEADERS_MAX];
    char in[CONN_IN_MAX];
    char out[CONN_OUT_MAX];
    struct peer client; /* as a trusted proxy says */
};

enum send_phase {
    SEND_OFF,
    SEND_HEAD,  /* fields are being written */
    SEND_BODY,  /* the body was named; send_go() is next */
    SEND_GOING, /* bytes leave */
    SEND_OVER,  /* done() is next */
};

enum send_kind { SEND_NONE, SEND_MEM, SEND_BLOB, SEND_FLIGHT };

struct send {
    enum send_phase phase;
    enum send_kind kind;
    int status;
    bool bad;      /* a field that must not leave as it is */
    bool ok;       /* OVER: everything left */
    bool begun;    /* the client saw some of it */
    bool waits;    /* for news or a check, not for the client */
    size_t unread; /* by the client, when it was last looked at */
    size_t head_n, head_sent;
    struct sl mem; /* what is left of it */
    struct blob *blob;
    struct blob_check *check;
    struct flight_reader *reader;
    uint64_t at, end;               /* of the file */
    const struct send_parts *parts; /* or NULL */
    size_t part;                    /* the next of them */
    uint64_t body_bytes;
    void (*done)(struct conn *c, const struct send_result *r);
};

struct conn_flow {
    int armed;      /* what uv_poll watches */
    bool wants_out; /* send is waiting for the client to read */
    bool deaf;      /* nothing more is read: the buffer is full, or what follows is no request */
    bool ended;     /* the client sends no more */
    bool last;      /* no request after this one */
    bool gone;      /* told the service so */
    bool cut;       /* a response began and was given up: nothing else may be said */
    bool handle;    /* uv_poll is open */
    bool served;    /* it had an answer */
};

struct conn {
    uv_poll_t poll;
    struct pg_mail mail;
    struct pg_list node;  /* of the loop's connections */
    struct pg_list ready; /* to be run */
    struct wheel_node deadline;
    struct loop *loop;
    const struct conn_door *door;
    const struct conn_service *service; /* the door's, or what refuses */
    struct wire wire;
    enum conn_state state;
    struct conn_flow flow;
    struct conn_page *page;
    size_t in_n, head_n; /* bytes in page->in; of them, the request that is under way */
    size_t lingered;
    struct head head;
    struct body body;
    struct conn_request request;
    struct send send;
    void *owner;
    struct peer peer;
    char *via;     /* the balancer that sent a PROXY header; NULL */
    char *subject; /* of the client's certificate; NULL */
};

struct conn *conn_new(struct loop *l, int fd, const struct conn_door *door);
void conn_open(struct conn *c);    /* in its loop */
void conn_run(struct conn *c);     /* it was ready */
void conn_expired(struct conn *c); /* its deadline came */
void conn_drain(struct conn *c);   /* closes it if it is idle */
void conn_abort(struct conn *c);   /* the loop stops */
void conn_watch(struct conn *c);   /* arms what flow says */
void conn_limit(struct conn *c, uint64_t ms);
