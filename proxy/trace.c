/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/metric.h"
#include "base/random.h"

#define VERSION_LENGTH 55 /* of version 00; later ones may go on behind another dash */
#define FLAG_SAMPLED   1

static struct pg_mailbox waiting;
static atomic_uint nwaiting;
static atomic_bool is_on;

/* Of the one thread that takes. */
static void (*taker)(struct trace_note *note, void *owner);
static void *taker_owner;

void trace_setup(void (*wake)(struct pg_mailbox *box), void *owner)
{
    pg_mailbox_init(&waiting, wake, owner);
    atomic_store(&is_on, true);
}

bool trace_is_on(void)
{
    return atomic_load_explicit(&is_on, memory_order_relaxed);
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Lower case only, as the specification wants it. */
static bool read_hex(const char *p, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int high = nibble(p[2 * i]), low = nibble(p[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool is_zero(const uint8_t *p, size_t n)
{
    uint8_t any = 0;

    for (size_t i = 0; i < n; i++)
        any |= p[i];
    return any == 0;
}

bool trace_read(struct sl traceparent, struct trace_context *r)
{
    const char *p = traceparent.p;
    uint8_t version, flags;

    *r = (struct trace_context){0};
    if (traceparent.n < VERSION_LENGTH || !read_hex(p, &version, 1) || version == 0xff)
        return false;
    if (traceparent.n > VERSION_LENGTH && (version == 0 || p[VERSION_LENGTH] != '-'))
        return false;
    if (p[2] != '-' || p[35] != '-' || p[52] != '-' || !read_hex(p + 3, r->trace, 16) ||
        !read_hex(p + 36, r->span, 8) || !read_hex(p + 53, &flags, 1))
        return false;
    r->sampled = (flags & FLAG_SAMPLED) != 0;
    r->valid = !is_zero(r->trace, 16) && !is_zero(r->span, 8);
    return r->valid;
}

static void write_hex(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = '\0';
}

const char *trace_write(const struct trace_context *c, char out[TRACE_TEXT_MAX])
{
    char trace[33], span[17];
    int n;

    write_hex(c->trace, 16, trace);
    write_hex(c->span, 8, span);
    n = snprintf(out, TRACE_TEXT_MAX, "00-%s-%s-%s", trace, span, c->sampled ? "01" : "00");
    PG_CHECK(n == TRACE_TEXT_MAX - 1);
    return out;
}

static void random_id(uint8_t *p, size_t n)
{
    do {
        pg_random_bytes(p, n);
    } while (is_zero(p, n));
}

void trace_begin(struct sl traceparent, unsigned percent, uint64_t began_us, struct trace_span *r)
{
    *r = (struct trace_span){.began_us = began_us};
    r->has_parent = traceparent.n > 0 && trace_read(traceparent, &r->of);
    if (!trace_is_on())
        return;
    memcpy(r->parent, r->of.span, sizeof(r->parent));
    if (!r->has_parent) {
        r->of.sampled = percent > 0 && pg_random_u64() % 100 < percent;
        if (!r->of.sampled)
            return; /* of no trace */
        random_id(r->of.trace, sizeof(r->of.trace));
    }
    random_id(r->of.span, sizeof(r->of.span));
    r->of.valid = true;
}

void trace_child(const struct trace_context *parent, struct trace_span *r)
{
    *r = (struct trace_span){.of = *parent, .began_us = pg_clock_mono_us()};
    if (!trace_is_on() || !parent->valid || !parent->sampled)
        return;
    r->has_parent = true;
    memcpy(r->parent, parent->span, sizeof(r->parent));
    random_id(r->of.span, sizeof(r->of.span));
}

static void put_attribute(struct pg_buf *out, const struct trace_attribute *a)
{
    pg_buf_printf(out, "{\"key\":\"%s\",\"value\":", a->key);
    if (a->text.p == NULL) {
        pg_buf_printf(out, "{\"intValue\":\"%" PRId64 "\"}}", a->number);
        return;
    }
    pg_buf_put(out, SL("{\"stringValue\":"));
    pg_buf_put_json(out, a->text);
    pg_buf_put(out, SL("}}"));
}

static void put_times(struct pg_buf *out, const struct trace_span *span)
{
    int64_t now_us = pg_clock_wall_us();
    int64_t took_us = (int64_t)(pg_clock_mono_us() - span->began_us);

    pg_buf_printf(out, ",\"startTimeUnixNano\":\"%" PRId64 "000\"", now_us - took_us);
    pg_buf_printf(out, ",\"endTimeUnixNano\":\"%" PRId64 "000\"", now_us);
}

static void put_span(struct pg_buf *out, const struct trace_span *span, const struct trace_end *end)
{
    char trace[33], id[17], parent[17];
    const char *comma = "";

    write_hex(span->of.trace, 16, trace);
    write_hex(span->of.span, 8, id);
    pg_buf_printf(out, "{\"traceId\":\"%s\",\"spanId\":\"%s\"", trace, id);
    if (span->has_parent) {
        write_hex(span->parent, 8, parent);
        pg_buf_printf(out, ",\"parentSpanId\":\"%s\"", parent);
    }
    pg_buf_printf(out, ",\"kind\":%d,\"name\":", (int)end->kind);
    pg_buf_put_json(out, end->name);
    put_times(out, span);
    pg_buf_put(out, SL(",\"attributes\":["));
    for (size_t i = 0; i < end->nattributes; i++) {
        if (end->attributes[i].key == NULL)
            continue;
        pg_buf_put(out, (struct sl){comma, strlen(comma)});
        put_attribute(out, &end->attributes[i]);
        comma = ",";
    }
    pg_buf_put(out, SL("]"));
    if (end->error != NULL) {
        pg_buf_put(out, SL(",\"status\":{\"code\":2,\"message\":"));
        pg_buf_put_json(out, (struct sl){end->error, strlen(end->error)});
        pg_buf_put(out, SL("}"));
    }
    pg_buf_put(out, SL("}"));
}

static void deliver(struct pg_mail *mail)
{
    atomic_fetch_sub(&nwaiting, 1);
    taker(pg_container_of(mail, struct trace_note, mail), taker_owner);
}

void trace_end(const struct trace_span *span, const struct trace_end *end)
{
    struct trace_note *note;

    if (!trace_is_on() || !span->of.valid || !span->of.sampled)
        return;
    if (atomic_fetch_add(&nwaiting, 1) >= TRACE_WAITING_MAX) {
        atomic_fetch_sub(&nwaiting, 1);
        pg_metric_inc(PG_M_TRACE_DROPPED);
        return;
    }
    note = calloc(1, sizeof(*note));
    PG_CHECK(note != NULL);
    pg_buf_init(&note->json, TRACE_SPAN_MAX);
    put_span(&note->json, span, end);
    note->mail.deliver = deliver;
    if (note->json.over) { /* a name as long as that is no span's */
        atomic_fetch_sub(&nwaiting, 1);
        pg_metric_inc(PG_M_TRACE_DROPPED);
        trace_note_free(note);
        return;
    }
    pg_mailbox_post(&waiting, &note->mail);
}

void trace_take_all(void (*take)(struct trace_note *note, void *owner), void *owner)
{
    taker = take;
    taker_owner = owner;
    while (pg_mailbox_drain(&waiting)) {
    }
}

void trace_note_free(struct trace_note *note)
{
    pg_buf_free(&note->json);
    free(note);
}
