/* SPDX-License-Identifier: Apache-2.0 */
/*
 * send - a response on its way: head, then body, at the client's pace, without passing through the
 * request's stages. The request waits once, in its `deliver` stage, for done().
 *
 *     send_head(c, 200);
 *     send_field(c, SL("Content-Type"), type);
 *     send_mem(c, body);              or send_none, send_blob, send_flight, send_*_parts
 *     send_go(c, on_sent);
 *
 * send_head() writes Date, and Connection: close when it must; the body call writes
 * Content-Length. Bodies: memory leaves with the head in one writev; a blob goes by sendfile
 * (plain) or read and SSL_write (TLS), only as far as its chunks are checked; a flight as far as
 * its watermark, less the held-back last byte, until it is verified. HEAD: call the same and
 * the body is not sent. A client that makes no progress for limits.send_timeout is closed.
 *
 * Ownership:  send borrows mem until done(); it takes the blob reference and the flight seat given
 *             to it, and gives them back before done() or in send_stop().
 * Failure:    done() with ok false: the body was cut short (the flight was lost, a chunk was
 *             damaged, the client stalled); the connection will close. Before the head has left,
 *             a failure is the journey's to answer: send_flight() is called after the flight left
 *             HEAD.
 * Threads:    the connection's loop.
 */
#pragma once

#include "cache/blob.h"
#include "cache/flight.h"
#include "proxy/http/conn.h"

struct send_result {
    bool ok;
    int status;
    uint64_t body_bytes; /* given to the kernel */
};

/* Several ranges of one file, in any order, each behind a text, and a text behind the last of them.
 * The last text of a flight is held back until it is verified. Lives until done(). */
struct send_part {
    struct sl before; /* not empty */
    uint64_t first, end;
};

struct send_parts {
    const struct send_part *at;
    size_t n; /* at least 1 */
    struct sl after;
};

void send_head(struct conn *c, int status);
void send_field(struct conn *c, struct sl name,
                struct sl value); /* value is checked: no CR, LF, NUL */
void send_field_u64(struct conn *c, struct sl name, uint64_t value);

void send_none(struct conn *c,
               uint64_t content_length);       /* for HEAD with a length to tell; 0 else */
void send_mem(struct conn *c, struct sl body); /* must live until done() */
void send_blob(struct conn *c, struct blob *b, uint64_t first, uint64_t end);
/* reader is aboard a flight that has its file; its wake calls send_news(). */
void send_flight(struct conn *c, struct flight_reader *reader, uint64_t first, uint64_t end);

void send_blob_parts(struct conn *c, struct blob *b, const struct send_parts *parts);
void send_flight_parts(struct conn *c, struct flight_reader *reader,
                       const struct send_parts *parts);

/* To be called with the wake of the reader while it flies: notes that there is news. */
void send_news(struct conn *c);

/* Starts. done(c, result) comes once, from the loop and never from inside this call, unless
 * send_stop() came first. A response that cannot be sent as it is (a field with CR, LF or NUL, or
 * more fields than fit CONN_OUT_MAX) leaves as an empty 500, and done() says ok false. */
void send_go(struct conn *c, void (*done)(struct conn *c, const struct send_result *r));
uint64_t send_stop(struct conn *c); /* how many bytes of the body had left */
