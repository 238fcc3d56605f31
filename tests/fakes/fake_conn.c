/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/fake_conn.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

static struct sl keep(struct conn *c, size_t *used, const char *p, size_t n)
{
    struct sl kept = {c->text + *used, n};

    PG_CHECK(*used + n < sizeof(c->text));
    memcpy(c->text + *used, p, n);
    *used += n;
    return kept;
}

static void add_fields(struct conn *c, size_t *used, const char *fields)
{
    while (*fields != '\0') {
        const char *end = strchrnul(fields, '\n'), *colon = strchr(fields, ':');
        struct conn_header *h = &c->headers[c->request.nheaders++];

        PG_CHECK(colon != NULL && colon < end && c->request.nheaders <= FAKE_CONN_FIELDS);
        h->name = keep(c, used, fields, (size_t)(colon - fields));
        colon += colon[1] == ' ' ? 2 : 1;
        h->value = keep(c, used, colon, (size_t)(end - colon));
        if (conn_header_is(h->name, SL("Host")))
            c->request.host = h->value;
        fields = *end == '\n' ? end + 1 : end;
    }
}

struct conn *fake_conn_new(struct loop *l, const char *method, const char *target,
                           const char *fields)
{
    struct conn *c = calloc(1, sizeof(*c));
    size_t used = 0;

    PG_CHECK(c != NULL);
    c->loop = l;
    c->request.method = keep(c, &used, method, strlen(method));
    c->request.target = keep(c, &used, target, strlen(target));
    c->request.host = SL("127.0.0.1:5000");
    c->request.headers = c->headers;
    c->request.peer = "127.0.0.1:40000";
    c->request.id = 7;
    c->request.began_us = pg_clock_mono_us();
    add_fields(c, &used, fields);
    return c;
}

static void give_back(struct conn *c)
{
    struct fake_reply *r = &c->reply;

    if (r->reader != NULL)
        flight_leave(r->reader);
    blob_close(r->blob);
    r->reader = NULL;
    r->blob = NULL;
}

void fake_conn_sent(struct conn *c, bool ok)
{
    struct send_result result = {.ok = ok, .status = c->reply.status};

    PG_CHECK(c->reply.going && c->sent != NULL);
    result.body_bytes = c->reply.end - c->reply.first;
    give_back(c);
    c->sent(c, &result);
    c->sent = NULL;
}

const char *fake_conn_field(const struct conn *c, const char *name)
{
    for (size_t i = 0; i < c->reply.nfields; i++)
        if (strcasecmp(c->reply.fields[i].name, name) == 0)
            return c->reply.fields[i].value;
    return "";
}

void fake_conn_free(struct conn *c)
{
    give_back(c);
    free(c);
}

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
    for (size_t i = 0; i < q->nheaders; i++)
        if (conn_header_is(q->headers[i].name, name))
            return q->headers[i].value;
    return (struct sl){NULL, 0};
}

void conn_done(struct conn *c, bool ok)
{
    c->done++;
    c->ok = ok;
}

void send_head(struct conn *c, int status)
{
    PG_CHECK(c->reply.status == 0 && c->done == 0);
    c->reply.status = status;
}

void send_field(struct conn *c, struct sl name, struct sl value)
{
    size_t i = c->reply.nfields++;

    PG_CHECK(c->reply.nfields <= FAKE_CONN_FIELDS && c->reply.status != 0);
    PG_CHECK(name.n < sizeof(c->reply.fields[i].name));
    PG_CHECK(value.n < sizeof(c->reply.fields[i].value));
    memcpy(c->reply.fields[i].name, name.p, name.n);
    memcpy(c->reply.fields[i].value, value.p, value.n);
}

void send_field_u64(struct conn *c, struct sl name, uint64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);

    send_field(c, name, (struct sl){text, (size_t)n});
}

void send_none(struct conn *c, uint64_t content_length)
{
    c->reply.content_length = content_length;
}

void send_mem(struct conn *c, struct sl body)
{
    struct fake_reply *r = &c->reply;

    PG_CHECK(body.n < sizeof(r->body));
    r->kind = FAKE_BODY_MEM;
    memcpy(r->body, body.p, body.n);
    r->nbody = r->end = r->content_length = body.n;
}

void send_blob(struct conn *c, struct blob *b, uint64_t first, uint64_t end)
{
    c->reply.kind = FAKE_BODY_BLOB;
    c->reply.blob = b;
    c->reply.first = first;
    c->reply.end = end;
    c->reply.content_length = end - first;
}

void send_flight(struct conn *c, struct flight_reader *reader, uint64_t first, uint64_t end)
{
    c->reply.kind = FAKE_BODY_FLIGHT;
    c->reply.reader = reader;
    c->reply.first = first;
    c->reply.end = end;
    c->reply.content_length = end - first;
}

static uint64_t parts_bytes(const struct send_parts *parts)
{
    uint64_t n = parts->after.n;

    for (size_t i = 0; i < parts->n; i++)
        n += parts->at[i].before.n + (parts->at[i].end - parts->at[i].first);
    return n;
}

void send_blob_parts(struct conn *c, struct blob *b, const struct send_parts *parts)
{
    send_blob(c, b, 0, parts_bytes(parts));
    c->reply.parts = parts;
}

void send_flight_parts(struct conn *c, struct flight_reader *reader, const struct send_parts *parts)
{
    send_flight(c, reader, 0, parts_bytes(parts));
    c->reply.parts = parts;
}

void send_news(struct conn *c)
{
    PG_CHECK(c->reply.going);
    c->reply.news++;
}

void send_go(struct conn *c, void (*done)(struct conn *c, const struct send_result *r))
{
    PG_CHECK(!c->reply.going && c->reply.status != 0);
    c->reply.going = true;
    c->sent = done;
}

uint64_t send_stop(struct conn *c)
{
    give_back(c);
    c->sent = NULL;
    return 0;
}
