/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metric.h"
#include "oci/reply.h"
#include "proxy/http/conn_int.h"
#include "proxy/http/forwarded.h"
#include "proxy/http/loop_int.h"
#include "proxy/http/preface.h"
#include "proxy/http/send_int.h"
#include "proxy/http/tls.h"

#define LINGER_BYTES_MAX ((size_t)1024 * 1024)

static void on_poll(uv_poll_t *poll, int status, int events);
static void parse(struct conn *c);

/* ---- watching and closing ------------------------------------------------------------------ */

void conn_limit(struct conn *c, uint64_t ms)
{
    wheel_set(&c->loop->work->wheel, &c->deadline, uv_now(&c->loop->uv) + ms);
}

static void no_limit(struct conn *c)
{
    wheel_set(&c->loop->work->wheel, &c->deadline, WHEEL_NEVER);
}

static const struct config *config_of(const struct conn *c)
{
    return &c->loop->snapshot->config;
}

/* What the configuration says of the listener through which it came; NULL: of none. */
static const struct config_listener *listener_of(const struct conn *c)
{
    const struct config *config = config_of(c);

    return c->door->listener < config->nlisteners ? &config->listeners[c->door->listener] : NULL;
}

/* A read that must write first: that there is more to read is no news until it could. */
static int wanted_events(const struct conn *c)
{
    int events = c->flow.wants_out ? UV_WRITABLE : 0;

    if (c->wire.wants_out)
        return UV_WRITABLE;
    if (!c->flow.ended)
        events |= UV_DISCONNECT | (c->flow.deaf ? 0 : UV_READABLE);
    return events;
}

/* Each change costs two epoll_ctl(): the common request makes none. */
void conn_watch(struct conn *c)
{
    int events = wanted_events(c);

    if (c->state == CONN_CLOSED || events == c->flow.armed)
        return;
    c->flow.armed = events;
    if (events == 0)
        (void)uv_poll_stop(&c->poll);
    else
        (void)uv_poll_start(&c->poll, events, on_poll);
}

static void give_page(struct conn *c)
{
    if (c->page != NULL)
        loop_give_page(c->loop, c->page);
    c->page = NULL;
    c->in_n = c->head_n = 0;
}

/* The memory goes when nobody looks at it any more: not libuv, not the service. */
static void free_if_over(struct conn *c)
{
    if (c->state != CONN_CLOSED || c->flow.handle)
        return;
    give_page(c);
    loop_left(c->loop, c);
    free(c->via);
    free(c->subject);
    free(c);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;

    c->flow.handle = false;
    free_if_over(c);
}

/* Not while the service has the request: then lost() is called, and this when it ended. */
static void close_conn(struct conn *c, bool reset)
{
    PG_CHECK(c->state != CONN_CLOSED && c->state != CONN_NEW);
    send_reset(c);
    c->state = CONN_CLOSED;
    wheel_clear(&c->deadline);
    pg_list_remove(&c->ready);
    pg_metric_add(PG_M_CONNECTIONS, -1);
    uv_close((uv_handle_t *)&c->poll, on_closed); /* before the descriptor: it leaves epoll */
    wire_close(&c->wire, reset);
}

/* All was said. The client may still be sending what we do not want to read: closing at once would
 * make the kernel send a reset, which may overtake our last answer. */
static void linger(struct conn *c)
{
    if (c->flow.ended) {
        close_conn(c, false);
        return;
    }
    send_reset(c);
    give_page(c);
    wire_finish(&c->wire);
    c->state = CONN_LINGER;
    c->flow.deaf = c->flow.wants_out = c->wire.wants_out = false;
    conn_limit(c, CONN_LINGER_MS);
    conn_watch(c);
}

/* The socket is broken, or the client gone: nothing can be said any more. */
static void lost(struct conn *c)
{
    if (c->state != CONN_BUSY) {
        close_conn(c, true);
        return;
    }
    if (c->flow.gone)
        return;
    c->flow.gone = c->flow.ended = c->flow.last = true;
    c->flow.wants_out = c->wire.wants_out = false;
    no_limit(c);
    conn_watch(c);
    if (c->service->gone != NULL)
        c->service->gone(c);
}

/* ---- refusing ------------------------------------------------------------------------------ */

/* Of what the client sent, only what cannot be a secret. */
static void log_refusal(const struct conn *c, const struct pg_err *err)
{
    struct pg_log_line line;
    struct sl target = c->head.target;

    pg_log_begin(&line, PG_LOG_REQUEST, PG_LOG_INFO);
    pg_log_str(&line, "service", sl_str(c->service->name));
    pg_log_str(&line, "client", sl_str(c->peer.text));
    if (c->head.method.p != NULL) {
        pg_log_str(&line, "method", c->head.method);
        pg_log_str(&line, "target", (struct sl){target.p, target.n < 256 ? target.n : 256});
    } else {
        pg_log_str(&line, "bytes", (struct sl){c->page->in, c->in_n < 8 ? c->in_n : 8});
    }
    pg_log_u64(&line, "status", (uint64_t)pg_err_http(err->kind));
    pg_log_u64(&line, "us", pg_clock_mono_us() - c->request.began_us);
    pg_log_err(&line, err);
    pg_log_end(&line);
}

static void on_refusal_sent(struct conn *c, const struct send_result *r)
{
    conn_done(c, r->ok);
}

static void on_refusal_gone(struct conn *c)
{
    conn_done(c, false);
}

/* While a refusal leaves, the connection is its own service. */
static const struct conn_service refuser = {.name = "http", .gone = on_refusal_gone};

static void refuse(struct conn *c, struct pg_err *err)
{
    struct pg_arena arena;
    struct sl body;
    int status = pg_err_http(err->kind);

    log_refusal(c, err);
    pg_metric_inc(PG_M_HTTP_REFUSED);
    pg_metric_inc(status < 500 ? PG_M_REQUESTS_4XX : PG_M_REQUESTS_5XX);
    pg_arena_init(&arena, RQ_ARENA_BYTES);
    body = reply_error_body(&arena, err);
    PG_CHECK(body.n <= CONN_IN_MAX);
    memcpy(c->page->in, body.p, body.n); /* what was there is not read again */
    body.p = c->page->in;
    pg_arena_free(&arena);

    c->in_n = 0;
    c->state = CONN_BUSY;
    c->service = &refuser;
    c->flow.last = c->flow.deaf = true;
    c->request = (struct conn_request){.peer = c->peer.text};
    no_limit(c);
    send_head(c, status);
    send_field(c, SL("Content-Type"), SL("application/json"));
    send_field(c, SL("X-Content-Type-Options"), SL("nosniff"));
    if (err->kind == PG_E_UNSUPPORTED)
        send_field(c, SL("Allow"), SL("GET, HEAD"));
    send_mem(c, body);
    send_go(c, on_refusal_sent);
    conn_watch(c);
    pg_err_clear(err);
}

/* ---- reading ------------------------------------------------------------------------------- */

/* Through a trusted proxy it is another's request than that of who connected. */
static void name_client(struct conn *c, struct conn_request *q)
{
    const struct config_listener *l = listener_of(c);
    struct pg_ip ip;
    uint16_t port;

    q->peer = c->peer.text;
    q->via = c->via;
    q->subject = c->subject;
    if (l != NULL && peer_is_in(&c->peer, &l->trusted_proxies) &&
        forwarded_find(q->headers, q->nheaders, &l->trusted_proxies, &ip, &port)) {
        peer_be(&c->page->client, &ip, port);
        q->via = c->peer.text;
        q->peer = c->page->client.text;
    }
}

static void begin(struct conn *c)
{
    struct head *h = &c->head;
    struct conn_request *q = &c->request;

    c->state = CONN_BUSY;
    q->method = h->method;
    q->target = h->target;
    q->host = h->host;
    q->headers = h->headers;
    q->nheaders = h->nheaders;
    name_client(c, q);
    q->is_control = c->service->is_control;
    q->id = (uint64_t)(c->loop->no + 1) << 48 | ++c->loop->work->nrequests;
    c->loop->work->turn.nfresh++;
    c->flow.last = c->flow.last || h->closes || c->loop->draining;
    c->flow.deaf = c->flow.last || c->in_n == CONN_IN_MAX;
    no_limit(c);
    if (c->flow.deaf) {
        c->wire.wants_out = false;
        conn_watch(c);
    }
    c->service->begin(c->service, c);
}

/* What is in the buffer behind the head: the body, or its beginning. A body that is not worth
 * waiting for is not read: the service answers, and that was the last answer. */
static void skip_body(struct conn *c)
{
    struct pg_err err = {0};
    size_t used = 0;
    int r =
        body_skip(&c->body, (struct sl){c->page->in + c->head_n, c->in_n - c->head_n}, &used, &err);

    if (r < 0) {
        refuse(c, &err);
        return;
    }
    memmove(c->page->in + c->head_n, c->page->in + c->head_n + used, c->in_n - c->head_n - used);
    c->in_n -= used;
    if (r == 0 &&
        c->body.total + (c->body.kind == HEAD_BODY_LENGTH ? c->body.left : 0) <= CONN_DRAIN_MAX) {
        if (c->state != CONN_BODY)
            conn_limit(c, config_of(c)->limits_head_timeout);
        c->state = CONN_BODY;
        return;
    }
    c->flow.last = c->flow.last || r == 0;
    begin(c);
}

static void head_is_complete(struct conn *c)
{
    c->head_n = c->head.length;
    if (c->head.body == HEAD_BODY_NONE) {
        begin(c);
        return;
    }
    c->body = body_begin(&c->head);
    if (c->head.expects) { /* never told to continue: what comes may be a body or a request */
        c->flow.last = true;
        begin(c);
        return;
    }
    skip_body(c);
}

static void parse(struct conn *c)
{
    struct pg_err err = {0};
    bool fresh = c->head.seen == 0;
    int r = head_feed(&c->head, (struct sl){c->page->in, c->in_n}, &err);

    if (r < 0)
        refuse(c, &err);
    else if (r == 1)
        head_is_complete(c);
    else if (fresh)
        conn_limit(c, config_of(c)->limits_head_timeout);
}

/* A request, from its first byte on. */
static void expect_head(struct conn *c)
{
    if (c->page == NULL)
        c->page = loop_take_page(c->loop);
    head_begin(&c->head, c->page->headers);
    c->request.began_us = pg_clock_mono_us();
}

static void client_ended(struct conn *c)
{
    bool leaves =
        c->send.phase == SEND_OVER || (c->send.phase == SEND_GOING && c->send.kind != SEND_FLIGHT);

    c->flow.ended = true;
    if (c->state != CONN_BUSY) {
        close_conn(c, false);
        return;
    }
    c->flow.last = true;
    if (leaves)
        conn_watch(c);
    else
        lost(c);
}

/* Reads once; what the buffer has no room for, and what follows, the next event brings. */
static void read_some(struct conn *c)
{
    ssize_t n;

    if (c->in_n == 0 && c->state == CONN_HEAD)
        expect_head(c);
    PG_CHECK(c->in_n < CONN_IN_MAX);
    n = wire_read(&c->wire, c->page->in + c->in_n, CONN_IN_MAX - c->in_n);
    if (n == WIRE_AGAIN) {
        if (c->in_n == 0 && c->state == CONN_HEAD)
            give_page(c);
        conn_watch(c);
        return;
    }
    if (n == WIRE_END) {
        client_ended(c);
        return;
    }
    if (n < 0) {
        lost(c);
        return;
    }
    c->in_n += (size_t)n;
    if (wire_has_more(&c->wire))
        loop_ready(c->loop, c);
    if (c->state == CONN_HEAD) {
        parse(c);
    } else if (c->state == CONN_BODY) {
        skip_body(c);
    } else if (c->in_n == CONN_IN_MAX) { /* pipelining, and we are busy */
        c->flow.deaf = true;
        conn_watch(c);
    }
}

static void log_stranger(const struct conn *c, const char *why)
{
    struct pg_log_line line;

    pg_log_begin(&line, PG_LOG_SECURITY, PG_LOG_WARN);
    pg_log_str(&line, "service", sl_str(c->service->name));
    pg_log_str(&line, "client", sl_str(c->peer.text));
    pg_log_str(&line, "error", sl_str(why));
    pg_log_end(&line);
}

static void log_handshake(const struct conn *c, const char *why)
{
    struct pg_log_line line;

    pg_metric_inc(PG_M_TLS_FAILED);
    if (why == NULL)
        return; /* a port scan, a health check */
    pg_log_begin(&line, PG_LOG_REQUEST, PG_LOG_INFO);
    pg_log_str(&line, "service", sl_str(c->service->name));
    pg_log_str(&line, "client", sl_str(c->peer.text));
    pg_log_str(&line, "error", SL("the TLS handshake failed"));
    pg_log_str(&line, "detail", sl_str(why));
    pg_log_end(&line);
}

/* The only thing that is ever said in the clear on this port. */
static void refuse_plain(struct conn *c)
{
    struct pg_err err = {0};

    wire_unwrap(&c->wire);
    expect_head(c);
    (void)pg_fail(&err, PG_E_BAD_FRAMING,
                  "this is plain HTTP, and here TLS is spoken: ask for https://");
    refuse(c, &err);
}

/* False: it has one that cannot be told whole, and half a name may be another's. */
static bool keep_subject(struct conn *c)
{
    char text[TLS_SUBJECT_MAX];
    int has = tls_subject(c->wire.ssl, text);

    if (has == 1) {
        c->subject = strdup(text);
        PG_CHECK(c->subject != NULL);
    }
    return has >= 0;
}

/* However many come at once, those who are connected are served between some and the next. */
static bool is_turn_full(struct loop *l)
{
    return l->work->turn.nhandshakes++ >= CONN_HANDSHAKES_A_TURN;
}

static void shake_hands(struct conn *c)
{
    const char *why;
    int r;

    if (is_turn_full(c->loop))
        return; /* the socket says it again in the loop's next turn */
    r = wire_handshake(&c->wire, &why);
    if (r == WIRE_HTTP) {
        refuse_plain(c);
        return;
    }
    if (r == 1 && !keep_subject(c)) {
        why = "the subject of the client's certificate is too long";
        r = WIRE_BROKEN;
    }
    if (r == WIRE_BROKEN) {
        log_handshake(c, why);
        if (why != NULL)
            linger(c); /* the alert says why, and a client may have sent its request already */
        else
            close_conn(c, false);
        return;
    }
    if (r == 1)
        c->state = CONN_HEAD;
    conn_watch(c);
    if (r == 1 && wire_has_more(&c->wire))
        loop_ready(c->loop, c);
}

/* ---- the PROXY header ---------------------------------------------------------------------- */

static void take_preface(struct conn *c, const struct preface *p)
{
    if (p->has_address) {
        c->via = strdup(c->peer.text);
        PG_CHECK(c->via != NULL);
        peer_be(&c->peer, &p->ip, p->port);
    }
    give_page(c);
    c->state = c->wire.ssl != NULL ? CONN_HANDSHAKE : CONN_HEAD;
}

/* Takes from the socket what belongs to it and no byte more. */
static void read_preface(struct conn *c)
{
    struct preface p;
    struct pg_err err = {0};
    char *scratch = c->loop->work->scratch;
    ssize_t n = recv(c->wire.fd, scratch, PREFACE_MAX, MSG_PEEK);
    size_t takes;
    int r;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close_conn(c, false);
        return;
    }
    if (c->page == NULL)
        c->page = loop_take_page(c->loop);
    takes = preface_takes((struct sl){c->page->in, c->in_n}, (struct sl){scratch, (size_t)n});
    PG_CHECK(c->in_n + takes <= CONN_IN_MAX);
    if (recv(c->wire.fd, c->page->in + c->in_n, takes, 0) != (ssize_t)takes) {
        close_conn(c, false); /* they were there */
        return;
    }
    c->in_n += takes;
    r = preface_feed((struct sl){c->page->in, c->in_n}, &p, &err);
    if (r < 0) {
        log_stranger(c, err.msg);
        pg_err_clear(&err);
        close_conn(c, true);
    } else if (r == 1) {
        take_preface(c, &p);
    }
}

/* TLS or not: these bytes mean nothing to us any more. */
static void throw_away(struct conn *c)
{
    ssize_t n = recv(c->wire.fd, c->loop->work->scratch, WIRE_SCRATCH_BYTES, 0);

    if (n > 0 && (c->lingered += (size_t)n) < LINGER_BYTES_MAX)
        return;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    close_conn(c, false);
}

static void on_readable(struct conn *c, int events)
{
    switch (c->state) {
    case CONN_PREFACE:
        read_preface(c);
        return;
    case CONN_HANDSHAKE:
        shake_hands(c);
        return;
    case CONN_HEAD:
    case CONN_BODY:
        read_some(c);
        return;
    case CONN_BUSY:
        if ((events & UV_READABLE) != 0 && !c->flow.deaf)
            read_some(c);
        else if ((events & UV_DISCONNECT) != 0)
            client_ended(c);
        return;
    case CONN_LINGER:
        throw_away(c);
        return;
    case CONN_NEW:
    case CONN_CLOSED:
        PG_BUG("an event of a connection that is not open");
    }
}

static void on_events(struct conn *c, int status, int events)
{
    if (status < 0) {
        c->flow.armed = 0; /* libuv has stopped it */
        lost(c);
        return;
    }
    if ((events & UV_WRITABLE) != 0 && c->flow.wants_out)
        send_run(c);
    if ((events & (UV_READABLE | UV_DISCONNECT)) != 0 || c->wire.wants_out)
        on_readable(c, events | (c->wire.wants_out ? UV_READABLE : 0));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct conn *c = poll->data;
    struct loop *l = c->loop;

    on_events(c, status, events);
    loop_relieve(l); /* c may be gone after it */
}

/* ---- the loop's calls ---------------------------------------------------------------------- */

void conn_run(struct conn *c)
{
    if (c->state == CONN_BUSY) {
        send_run(c);
        return;
    }
    if (c->state == CONN_HEAD && c->head.seen < c->in_n)
        parse(c);
    /* the rest of what was parsed may be there already, and no poll tells of it */
    if ((c->state == CONN_HEAD || c->state == CONN_BODY) && wire_has_more(&c->wire))
        read_some(c);
}

void conn_expired(struct conn *c)
{
    struct pg_err err = {0};

    if (c->state == CONN_BUSY) {
        send_stalled(c);
    } else if (c->in_n > 0 && (c->state == CONN_HEAD || c->state == CONN_BODY)) {
        (void)pg_fail(&err, PG_E_REQUEST_TIMEOUT, "the request did not come in time");
        refuse(c, &err);
    } else {
        close_conn(c, false);
    }
}

/* Who has just come and not asked yet may do so: nobody tells a client why a new connection was
 * closed, and the way to health while draining is a new connection. */
void conn_drain(struct conn *c)
{
    if (c->state != CONN_HEAD || c->in_n > 0)
        return;
    if (c->loop->retiring)
        conn_limit(c, CONN_RETIRE_MS);
    else if (c->flow.served)
        linger(c);
    else
        conn_limit(c, CONN_DRAIN_MS);
}

void conn_abort(struct conn *c)
{
    if (c->state != CONN_CLOSED)
        lost(c);
}

/* ---- life ---------------------------------------------------------------------------------- */

struct conn *conn_new(struct loop *l, int fd, const struct conn_door *door)
{
    struct conn *c = calloc(1, sizeof(*c));

    PG_CHECK(c != NULL);
    c->loop = l;
    c->door = door;
    c->service = door->service;
    c->wire.fd = fd;
    if (door->tls != NULL)
        wire_secure(&c->wire, tls_server_accept(door->tls, fd));
    c->poll.data = c;
    pg_list_init(&c->node);
    pg_list_init(&c->ready);
    wheel_node_init(&c->deadline);
    return c;
}

/* Whether this peer may speak. */
static bool may_speak(const struct conn *c)
{
    const struct config_listener *l = listener_of(c);

    if (c->service->is_control &&
        (!c->peer.is_unix || (c->peer.uid != 0 && c->peer.uid != c->service->peer_uid))) {
        log_stranger(c, "this user may not use the control socket");
        return false;
    }
    if (l != NULL && !pg_ip_nets_is_empty(&l->proxy_protocol) &&
        !peer_is_in(&c->peer, &l->proxy_protocol)) {
        log_stranger(c, "not one of those who may send a PROXY header (proxy_protocol)");
        return false;
    }
    return true;
}

static enum conn_state first_state(const struct conn *c)
{
    const struct config_listener *l = listener_of(c);

    if (l != NULL && !pg_ip_nets_is_empty(&l->proxy_protocol))
        return CONN_PREFACE;
    return c->wire.ssl != NULL ? CONN_HANDSHAKE : CONN_HEAD;
}

void conn_open(struct conn *c)
{
    struct loop *l = c->loop;

    pg_list_push(&l->conns, &c->node);
    if (l->work->stopping || !peer_of_socket(c->wire.fd, &c->peer) || !may_speak(c) ||
        uv_poll_init(&l->uv, &c->poll, c->wire.fd) != 0) {
        wire_close(&c->wire, false);
        c->state = CONN_CLOSED;
        free_if_over(c);
        return;
    }
    if (!c->peer.is_unix)
        (void)setsockopt(c->wire.fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    c->flow.handle = true;
    c->state = first_state(c);
    pg_metric_inc(PG_M_CONNECTIONS_TOTAL);
    pg_metric_add(PG_M_CONNECTIONS, 1);
    conn_limit(c, config_of(c)->limits_head_timeout);
    conn_watch(c);
}

static void next_request(struct conn *c)
{
    size_t left = c->in_n - c->head_n;

    c->state = CONN_HEAD;
    c->owner = NULL;
    c->flow.served = true;
    c->flow.deaf = false;
    conn_limit(c, c->loop->retiring ? CONN_RETIRE_MS : config_of(c)->limits_idle_timeout);
    if (left > 0) {
        memmove(c->page->in, c->page->in + c->head_n, left);
        c->in_n = left;
        c->head_n = 0;
        expect_head(c);
        loop_ready(c->loop, c);
    } else {
        give_page(c);
        if (wire_has_more(&c->wire))
            loop_ready(c->loop, c);
    }
    conn_watch(c);
}

void conn_done(struct conn *c, bool ok)
{
    bool whole = c->send.phase == SEND_OFF && c->send.begun && c->send.ok;

    PG_CHECK(c->state == CONN_BUSY);
    if (c->flow.gone || c->flow.cut || !ok || !whole) {
        close_conn(c, true);
        return;
    }
    if (c->flow.last || (c->loop->draining && !c->loop->retiring)) {
        linger(c);
        return;
    }
    send_reset(c);
    next_request(c);
}

/* ---- what the service asks ----------------------------------------------------------------- */

const struct conn_request *conn_request(struct conn *c)
{
    return &c->request;
}

struct loop *conn_loop(struct conn *c)
{
    return c->loop;
}

void conn_set_owner(struct conn *c, void *request)
{
    c->owner = request;
}

void *conn_owner(struct conn *c)
{
    return c->owner;
}

bool conn_header_is(struct sl name, struct sl wanted)
{
    return name.n == wanted.n && strncasecmp(name.p, wanted.p, name.n) == 0;
}

struct sl conn_header(const struct conn_request *q, struct sl name)
{
    for (size_t i = 0; i < q->nheaders; i++) {
        if (conn_header_is(q->headers[i].name, name))
            return q->headers[i].value;
    }
    return (struct sl){NULL, 0};
}
