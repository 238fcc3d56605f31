/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace - where a request stands in a trace that may span many programs, and the spans we tell of.
 *
 * A client may send a `traceparent` header (W3C Trace Context): its trace id goes on to upstream
 * with what is asked there because of the request, so that a slow pull can be followed through us.
 * `tracestate` is not passed on: it holds what other vendors noted, and upstreams are strangers.
 *
 * With `trace.endpoint` set, each request and each exchange with an upstream is a span of our own.
 * A request is traced when its client said so, and else by chance (`trace.sample` of 100). Spans
 * wait here as JSON (OTLP 1.x, trace/v1) until the exporter takes them.
 *
 * Ownership:  a context is a value. A taken span's text is the taker's: trace_note_free().
 * Failure:    more than TRACE_WAITING_MAX spans waiting: the next are dropped and counted.
 * Threads:    trace_setup: main, before there are others. Taking: one thread. The rest: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mailbox.h"
#include "base/slice.h"

#define TRACE_TEXT_MAX    56 /* "00-<32>-<16>-<2>" and a NUL */
#define TRACE_WAITING_MAX 4096
#define TRACE_SPAN_MAX    ((size_t)8 * 1024)

struct trace_context {
    bool valid; /* else there is no trace, and nothing is passed on */
    bool sampled;
    uint8_t trace[16], span[8];
};

/* One thing that took time. of.span is its own id. */
struct trace_span {
    struct trace_context of;
    bool has_parent;
    uint8_t parent[8];
    uint64_t began_us; /* monotonic */
};

enum trace_kind { TRACE_SERVER = 2, TRACE_CLIENT = 3 }; /* SpanKind of OTLP */

struct trace_attribute {
    const char *key; /* static; NULL: this one is left out */
    struct sl text;  /* text.p NULL: it is number */
    int64_t number;
};

struct trace_end {
    enum trace_kind kind;
    struct sl name;
    const char *error; /* NULL: it went well */
    const struct trace_attribute *attributes;
    size_t nattributes;
};

/* Begins to keep spans. wake is called by whoever adds one where none was waiting. */
void trace_setup(void (*wake)(struct pg_mailbox *box), void *owner);
bool trace_is_on(void);

/* The value of a traceparent header, as w3.org/TR/trace-context 3.2 has it; false: it is none. */
bool trace_read(struct sl traceparent, struct trace_context *r);
const char *trace_write(const struct trace_context *c, char out[TRACE_TEXT_MAX]); /* returns out */

/* A request begins. When spans are kept: a child of traceparent, or if that is none, the root of a
 * new trace, which is sampled in percent of 100 cases. Else: what traceparent says, to be passed
 * on. */
void trace_begin(struct sl traceparent, unsigned percent, uint64_t began_us, struct trace_span *r);

/* Something is done for the sake of parent, from now on. */
void trace_child(const struct trace_context *parent, struct trace_span *r);

/* It is over. Does nothing unless spans are kept and this one is sampled. */
void trace_end(const struct trace_span *span, const struct trace_end *end);

struct trace_note {
    struct pg_mail mail;
    struct pg_buf json; /* one span: an object */
};

/* Hands what is waiting to take(), one by one, oldest first. */
void trace_take_all(void (*take)(struct trace_note *note, void *owner), void *owner);
void trace_note_free(struct trace_note *note);
