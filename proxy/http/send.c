/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/send.h"

#include <unistd.h>

#include "base/word.h"
#include "proxy/http/conn_int.h"
#include "proxy/http/loop_int.h"
#include "proxy/http/send_int.h"

#define SMALL_BYTES ((size_t)16 * 1024)       /* cheaper to copy than to splice */
#define TURN_BYTES  ((size_t)2 * 1024 * 1024) /* then others have their turn */

enum step {
    STEP_ON,      /* something left; go on */
    STEP_YIELD,   /* the same, but it was enough for this turn */
    STEP_BLOCKED, /* the client must read first */
    STEP_WAITS,   /* the bytes are not there yet, or not checked yet */
    STEP_WHOLE,
    STEP_BROKEN,
};

/* ---- the head ------------------------------------------------------------------------------ */

static struct sl status_line(int status)
{
#define LINE(code, reason)                                                                         \
    case code:                                                                                     \
        return SL("HTTP/1.1 " #code " " reason "\r\n")
    switch (status) {
        LINE(200, "OK");
        LINE(201, "Created");
        LINE(202, "Accepted");
        LINE(204, "No Content");
        LINE(206, "Partial Content");
        LINE(304, "Not Modified");
        LINE(307, "Temporary Redirect");
        LINE(400, "Bad Request");
        LINE(401, "Unauthorized");
        LINE(403, "Forbidden");
        LINE(404, "Not Found");
        LINE(405, "Method Not Allowed");
        LINE(408, "Request Timeout");
        LINE(409, "Conflict");
        LINE(413, "Content Too Large");
        LINE(414, "URI Too Long");
        LINE(416, "Range Not Satisfiable");
        LINE(417, "Expectation Failed");
        LINE(429, "Too Many Requests");
        LINE(431, "Request Header Fields Too Large");
        LINE(500, "Internal Server Error");
        LINE(502, "Bad Gateway");
        LINE(503, "Service Unavailable");
        LINE(504, "Gateway Timeout");
        LINE(505, "HTTP Version Not Supported");
    default:
        return (struct sl){NULL, 0};
    }
#undef LINE
}

static void put(struct conn *c, struct sl s)
{
    struct send *send = &c->send;

    if (s.n > CONN_OUT_MAX - send->head_n) {
        send->bad = true;
        return;
    }
    memcpy(c->page->out + send->head_n, s.p, s.n);
    send->head_n += s.n;
}

static void put_u64(struct conn *c, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put(c, (struct sl){digits + at, sizeof(digits) - at});
}

/* A status without a name of its own has none on the line either; RFC 9112 allows it. */
static void put_status(struct conn *c, int status)
{
    struct sl line = status_line(status);

    if (line.n > 0) {
        put(c, line);
        return;
    }
    put(c, SL("HTTP/1.1 "));
    put_u64(c, (uint64_t)status);
    put(c, SL(" \r\n"));
}

void send_head(struct conn *c, int status)
{
    struct send *send = &c->send;

    PG_CHECK(c->state == CONN_BUSY && (send->phase == SEND_OFF || send->phase == SEND_HEAD));
    PG_CHECK(!(send->begun && send->ok) && status >= 200 && status <= 599);
    *send = (struct send){.phase = SEND_HEAD, .status = status};
    put_status(c, status);
    put(c, SL("Date: "));
    put(c, loop_date(c->loop));
    put(c, SL("\r\n"));
    c->flow.last = c->flow.last || c->loop->draining;
    if (c->flow.last)
        put(c, SL("Connection: close\r\n"));
    else if (c->head.minor == 0)
        put(c, SL("Connection: keep-alive\r\n"));
}

/* Or what is behind it for some who read it. */
static bool ends_the_line(struct sl value)
{
    size_t at = 0;

    while (value.n - at >= PG_WORD_BYTES && !pg_word_below(pg_word(value.p + at), 0x10))
        at += PG_WORD_BYTES;
    for (; at < value.n; at++) {
        if (value.p[at] == '\r' || value.p[at] == '\n' || value.p[at] == '\0')
            return true;
    }
    return false;
}

void send_field(struct conn *c, struct sl name, struct sl value)
{
    PG_CHECK(c->send.phase == SEND_HEAD);
    if (ends_the_line(value))
        c->send.bad = true;
    put(c, name);
    put(c, SL(": "));
    put(c, value);
    put(c, SL("\r\n"));
}

void send_field_u64(struct conn *c, struct sl name, uint64_t value)
{
    PG_CHECK(c->send.phase == SEND_HEAD);
    put(c, name);
    put(c, SL(": "));
    put_u64(c, value);
    put(c, SL("\r\n"));
}

/* ---- the body ------------------------------------------------------------------------------ */

static void name_body(struct conn *c, enum send_kind kind, uint64_t length)
{
    PG_CHECK(c->send.phase == SEND_HEAD);
    if (c->send.status != 204)
        send_field_u64(c, SL("Content-Length"), length);
    put(c, SL("\r\n"));
    c->send.kind = kind;
    c->send.phase = SEND_BODY;
}

void send_none(struct conn *c, uint64_t content_length)
{
    PG_CHECK(content_length == 0 || c->head.is_head || c->send.status == 304);
    name_body(c, SEND_NONE, content_length);
}

void send_mem(struct conn *c, struct sl body)
{
    name_body(c, SEND_MEM, body.n);
    c->send.mem = body;
}

void send_blob(struct conn *c, struct blob *b, uint64_t first, uint64_t end)
{
    PG_CHECK(first <= end && end <= b->size);
    name_body(c, SEND_BLOB, end - first);
    c->send.blob = b;
    c->send.at = first;
    c->send.end = end;
}

void send_flight(struct conn *c, struct flight_reader *reader, uint64_t first, uint64_t end)
{
    PG_CHECK(first <= end && reader->flight->fd >= 0);
    name_body(c, SEND_FLIGHT, end - first);
    c->send.reader = reader;
    c->send.at = first;
    c->send.end = end;
}

/* The next text, and the range behind it; at the end the last text alone. */
static void next_part(struct send *send)
{
    const struct send_parts *parts = send->parts;
    const struct send_part *p = &parts->at[send->part];

    send->mem = send->part < parts->n ? p->before : parts->after;
    if (send->part < parts->n) {
        send->at = p->first;
        send->end = p->end;
    }
    send->part++;
}

static void take_parts(struct conn *c, enum send_kind kind, const struct send_parts *parts,
                       uint64_t size)
{
    uint64_t length = parts->after.n;

    PG_CHECK(parts->n > 0);
    for (size_t i = 0; i < parts->n; i++) {
        const struct send_part *p = &parts->at[i];

        PG_CHECK(p->before.n > 0 && p->first < p->end && p->end <= size);
        length += p->before.n + (p->end - p->first);
    }
    name_body(c, kind, length);
    c->send.parts = parts;
    next_part(&c->send);
}

void send_blob_parts(struct conn *c, struct blob *b, const struct send_parts *parts)
{
    take_parts(c, SEND_BLOB, parts, b->size);
    c->send.blob = b;
}

void send_flight_parts(struct conn *c, struct flight_reader *reader, const struct send_parts *parts)
{
    PG_CHECK(reader->flight->fd >= 0);
    take_parts(c, SEND_FLIGHT, parts, reader->flight->size);
    c->send.reader = reader;
}

/* Gives back what was lent. */
static void let_go(struct send *send)
{
    if (send->check != NULL)
        blob_check_free(send->check);
    blob_close(send->blob);
    if (send->reader != NULL)
        flight_leave(send->reader);
    send->check = NULL;
    send->blob = NULL;
    send->reader = NULL;
    send->parts = NULL;
    send->mem = (struct sl){NULL, 0};
}

/* done() comes from the loop, never from inside a call of the journey. */
static void end(struct conn *c, bool ok)
{
    let_go(&c->send);
    c->send.ok = ok && !c->send.bad;
    c->flow.cut = c->flow.cut || (!ok && c->send.begun);
    c->send.phase = SEND_OVER;
    c->send.waits = false;
    if (c->flow.wants_out) {
        c->flow.wants_out = false;
        conn_watch(c);
    }
    wheel_set(&c->loop->work->wheel, &c->deadline, WHEEL_NEVER);
    loop_ready(c->loop, c);
}

static void on_checked(struct blob_check *check)
{
    struct conn *c = check->owner;

    c->send.waits = false;
    loop_ready(c->loop, c);
}

/* How far the file may leave now; what is missing is asked for. */
static uint64_t may_leave(struct conn *c, bool *lost_r)
{
    struct send *send = &c->send;
    struct flight_view view;
    uint64_t to;

    *lost_r = false;
    if (send->kind == SEND_FLIGHT) {
        view = flight_look(send->reader);
        if (send->parts == NULL) /* else the last byte is one of a text */
            to = flight_may_send(view, send->end);
        else
            to = view.committed < send->end ? view.committed : send->end;
        *lost_r = view.state == FLIGHT_LOST && to < send->end && to <= send->at;
        return to;
    }
    /* no further than a turn goes: each chunk that is looked at costs */
    to = blob_checked_to(send->blob, send->at,
                         send->end - send->at > TURN_BYTES ? send->at + TURN_BYTES : send->end);
    if (to > send->at || send->at == send->end)
        return to;
    if (send->check != NULL && !send->check->busy && send->check->failed) {
        *lost_r = true;
        return to;
    }
    if (send->check == NULL) {
        send->check = blob_check_new(&c->loop->mail, on_checked);
        send->check->owner = c;
    }
    if (!send->check->busy)
        blob_check_start(send->check, send->blob, send->at);
    return to;
}

static enum step of_wire(ssize_t n)
{
    return n == WIRE_AGAIN ? STEP_BLOCKED : STEP_BROKEN;
}

/* The head, and memory with it; more: a file follows at once. */
static enum step write_head(struct conn *c, bool more)
{
    struct send *send = &c->send;
    struct sl head = {c->page->out + send->head_sent, send->head_n - send->head_sent};
    ssize_t n = wire_write(&c->wire, head, send->mem, more, c->loop->work->scratch);
    size_t of_head;

    if (n <= 0)
        return of_wire(n);
    send->begun = true;
    of_head = (size_t)n < head.n ? (size_t)n : head.n;
    send->head_sent += of_head;
    send->mem.p += (size_t)n - of_head;
    send->mem.n -= (size_t)n - of_head;
    send->body_bytes += (size_t)n - of_head;
    return send->head_sent == send->head_n && send->mem.n == 0 ? STEP_WHOLE : STEP_ON;
}

static enum step write_file(struct conn *c, size_t budget)
{
    struct send *send = &c->send;
    bool lost;
    uint64_t to = may_leave(c, &lost);
    size_t left = to <= send->at ? 0 : to - send->at < budget ? (size_t)(to - send->at) : budget;
    ssize_t n;

    if (send->at == send->end)
        return STEP_WHOLE;
    if (lost)
        return STEP_BROKEN;
    if (left == 0)
        return STEP_WAITS;
    n = wire_write_file(&c->wire,
                        send->kind == SEND_BLOB ? send->blob->fd : send->reader->flight->fd,
                        send->at, left, c->loop->work->scratch);
    if (n <= 0)
        return of_wire(n);
    send->at += (uint64_t)n;
    send->body_bytes += (uint64_t)n;
    if (send->at == send->end)
        return STEP_WHOLE;
    /* The socket is full: asking it once more would say no more than that. */
    return c->wire.ssl == NULL && (size_t)n < left ? STEP_BLOCKED : STEP_ON;
}

static bool has_file(const struct send *send)
{
    return send->blob != NULL || send->reader != NULL;
}

/* A small blob as a whole, with its head in one write, or one record. What the socket does not take
 * leaves as any other file. STEP_WAITS: it is not one, or cannot be read now; or the kernel
 * encrypts, and would have to be shown the same bytes again whatever has become of their check. */
static enum step write_small(struct conn *c)
{
    struct send *send = &c->send;
    char *scratch = c->loop->work->scratch;
    struct sl head = {c->page->out, send->head_n}, body = {scratch + WIRE_RECORD_BYTES, 0};
    size_t of_head;
    bool lost;
    ssize_t n;

    if (send->blob == NULL || send->parts != NULL || send->head_sent > 0 || c->wire.ktls ||
        send->end - send->at > SMALL_BYTES || may_leave(c, &lost) != send->end)
        return STEP_WAITS;
    body.n = (size_t)(send->end - send->at);
    if (pread(send->blob->fd, scratch + WIRE_RECORD_BYTES, body.n, (off_t)send->at) !=
        (ssize_t)body.n)
        return STEP_WAITS;
    n = wire_write(&c->wire, head, body, false, scratch);
    if (n <= 0)
        return of_wire(n);
    send->begun = true;
    of_head = (size_t)n < head.n ? (size_t)n : head.n;
    send->head_sent = of_head;
    send->at += (uint64_t)n - of_head;
    send->body_bytes += (uint64_t)n - of_head;
    return send->at == send->end && of_head == head.n ? STEP_WHOLE : STEP_ON;
}

/* A range has left, as a whole. */
static enum step go_on(struct send *send)
{
    if (send->parts == NULL || send->part > send->parts->n)
        return STEP_WHOLE;
    if (send->part == send->parts->n && send->reader != NULL) {
        struct flight_view view = flight_look(send->reader);

        if (!view.verified)
            return view.state == FLIGHT_LOST ? STEP_BROKEN : STEP_WAITS;
    }
    next_part(send);
    return STEP_ON;
}

static enum step step(struct conn *c, size_t budget)
{
    struct send *send = &c->send;
    bool lost = false, more = false;
    enum step s;

    s = write_small(c);
    if (s != STEP_WAITS)
        return s;
    if (send->head_sent < send->head_n || send->mem.n > 0) {
        if (has_file(send))
            more = may_leave(c, &lost) > send->at;
        s = write_head(c, more);
        if (s != STEP_WHOLE || !has_file(send))
            return s;
    }
    if (!has_file(send))
        return STEP_WHOLE;
    s = write_file(c, budget);
    return s == STEP_WHOLE ? go_on(send) : s;
}

static enum step turn(struct conn *c)
{
    uint64_t before = c->send.body_bytes;
    enum step s;

    do {
        if (c->send.body_bytes - before >= TURN_BYTES)
            return STEP_YIELD;
        s = step(c, TURN_BYTES);
    } while (s == STEP_ON && wire_owed(&c->wire) == 0);
    return s;
}

/* Whatever a turn came to: first what it wrote must leave. The next turn comes to the same. */
static enum step steps(struct conn *c)
{
    int n = wire_begin(&c->wire, c->loop->work->scratch);
    enum step s;

    if (n < 0)
        return of_wire(n);
    s = turn(c);
    n = wire_end(&c->wire);
    return n < 0 && s != STEP_BROKEN ? of_wire(n) : s;
}

static void block(struct conn *c)
{
    conn_limit(c, c->loop->snapshot->config.limits_send_timeout);
    c->send.unread = wire_unread(&c->wire);
    c->flow.wants_out = true;
    conn_watch(c);
}

/* There is nothing to send: that the client could read is no news. */
static void await(struct conn *c)
{
    c->send.waits = true;
    c->flow.wants_out = false;
    wheel_set(&c->loop->work->wheel, &c->deadline, WHEEL_NEVER);
    conn_watch(c);
}

static uint64_t body_gone(const struct conn *c)
{
    size_t owed = wire_owed(&c->wire);

    return c->send.body_bytes > owed ? c->send.body_bytes - owed : 0;
}

static void finish(struct conn *c)
{
    struct send_result r = {c->send.ok, c->send.status, body_gone(c)};
    void (*done)(struct conn * c, const struct send_result *r) = c->send.done;

    c->send.phase = SEND_OFF;
    done(c, &r);
}

void send_run(struct conn *c)
{
    if (c->send.phase == SEND_OVER) {
        finish(c);
        return;
    }
    if (c->send.phase != SEND_GOING)
        return;
    if (c->flow.gone || c->flow.cut) {
        end(c, false);
        return;
    }
    switch (steps(c)) {
    case STEP_YIELD:
        conn_limit(c, c->loop->snapshot->config.limits_send_timeout); /* it reads: time anew */
        loop_later(c->loop, c);
        return;
    case STEP_BLOCKED:
        block(c);
        return;
    case STEP_WAITS:
        await(c);
        return;
    case STEP_WHOLE:
        end(c, true);
        return;
    case STEP_BROKEN:
    case STEP_ON:
        end(c, false);
        return;
    }
}

void send_news(struct conn *c)
{
    if (c->send.phase == SEND_GOING && c->send.waits)
        loop_ready(c->loop, c);
}

/* Nothing of the journey's own leaves. */
static void replace_by_500(struct conn *c)
{
    struct send *send = &c->send;

    let_go(send);
    pg_log_say(PG_LOG_ERROR, PG_LOG_REQUEST,
               "a response with status %d had a field that cannot be sent; 500 was sent instead",
               send->status);
    send->head_n = 0;
    send->kind = SEND_NONE;
    send->status = 500;
    put_status(c, 500);
    put(c, SL("Content-Length: 0\r\nConnection: close\r\n\r\n"));
    c->flow.last = true;
}

void send_go(struct conn *c, void (*done)(struct conn *c, const struct send_result *r))
{
    struct send *send = &c->send;

    PG_CHECK(send->phase == SEND_BODY);
    send->done = done;
    send->phase = SEND_GOING;
    if (send->bad)
        replace_by_500(c);
    if (c->head.is_head || send->status == 304 || send->status == 204)
        let_go(send);
    send_run(c);
}

uint64_t send_stop(struct conn *c)
{
    let_go(&c->send);
    c->flow.cut = c->flow.cut || c->send.begun;
    c->send.ok = false;
    c->send.phase = SEND_OFF;
    c->flow.wants_out = false;
    conn_watch(c);
    return body_gone(c);
}

/* A socket becomes writable when a third of its buffer is free. Over a slow line that may take
 * longer than the limit although the client reads all the time: then it has progressed. */
void send_stalled(struct conn *c)
{
    size_t unread;

    if (c->send.phase != SEND_GOING)
        return;
    unread = wire_unread(&c->wire);
    if (unread >= c->send.unread) {
        end(c, false);
        return;
    }
    c->send.unread = unread;
    conn_limit(c, c->loop->snapshot->config.limits_send_timeout);
}

void send_reset(struct conn *c)
{
    let_go(&c->send);
    c->send = (struct send){.mem = {NULL, 0}};
}
