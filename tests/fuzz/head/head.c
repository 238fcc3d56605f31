/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes are a request or are refused, the same in one piece and byte by byte; and what is a
 * request is one for llhttp, too, with the same fields, and its body ends at the same byte.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proxy/http/body.h"
#include "proxy/http/conn.h"
#include "proxy/http/head.h"
#include "proxy/http/head_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    int verdict;
    enum pg_ekind kind;
    struct head head;
    struct conn_header headers[CONN_HEADERS_MAX];
};

static void read_whole(struct outcome *o, struct sl bytes)
{
    struct pg_err err = {0};

    head_begin(&o->head, o->headers);
    o->verdict = head_feed(&o->head, bytes, &err);
    o->kind = err.kind;
    pg_err_clear(&err);
}

static void read_bytewise(struct outcome *o, struct sl bytes)
{
    struct pg_err err = {0};

    head_begin(&o->head, o->headers);
    o->verdict = 0;
    for (size_t n = 1; n <= bytes.n && o->verdict == 0; n++)
        o->verdict = head_feed(&o->head, (struct sl){bytes.p, n}, &err);
    o->kind = err.kind;
    pg_err_clear(&err);
}

static void check_same(const struct outcome *a, const struct outcome *b)
{
    PG_CHECK(a->verdict == b->verdict);
    PG_CHECK(a->verdict >= 0 || a->kind != PG_E_NONE);
    if (a->verdict != 1)
        return; /* what is wrong first is seen first: the reasons may differ */
    PG_CHECK(a->head.length == b->head.length && a->head.nheaders == b->head.nheaders);
    PG_CHECK(sl_eq(a->head.target, b->head.target) && sl_eq(a->head.host, b->head.host));
    for (size_t i = 0; i < a->head.nheaders; i++)
        PG_CHECK(sl_eq(a->headers[i].value, b->headers[i].value));
}

static void check_sane(const struct outcome *o)
{
    const struct head *h = &o->head;

    PG_CHECK(h->length <= CONN_HEAD_MAX && h->nheaders <= CONN_HEADERS_MAX);
    PG_CHECK(h->target.n > 0 && h->target.p[0] == '/' && h->target.n <= HEAD_TARGET_MAX);
    PG_CHECK(h->host.n > 0 && h->host.n <= HEAD_HOST_MAX);
    for (size_t i = 0; i < h->nheaders; i++) {
        for (size_t j = 0; j < o->headers[i].value.n; j++)
            PG_CHECK(memchr("\r\n", o->headers[i].value.p[j], 3) == NULL);
    }
}

/* ---- llhttp's reading of the head and the body --------------------------------------------- */

struct theirs {
    const struct outcome *ours;
    size_t field, value;
    unsigned complete;
};

static int on_name(llhttp_t *p, const char *at, size_t n)
{
    struct theirs *t = p->data;

    PG_CHECK(t->field < t->ours->head.nheaders);
    PG_CHECK(sl_eq(t->ours->headers[t->field++].name, (struct sl){at, n}));
    return 0;
}

/* Theirs may keep spaces at the end of a value. */
static int on_value(llhttp_t *p, const char *at, size_t n)
{
    struct theirs *t = p->data;

    while (n > 0 && (at[n - 1] == ' ' || at[n - 1] == '\t'))
        n--;
    if (n > 0)
        PG_CHECK(sl_eq(t->ours->headers[t->field - 1].value, (struct sl){at, n}));
    return 0;
}

static int on_complete(llhttp_t *p)
{
    ((struct theirs *)p->data)->complete++;
    return HPE_PAUSED;
}

static void check_llhttp(const struct outcome *o, struct sl bytes)
{
    static const llhttp_settings_t settings = {.on_header_field = on_name,
                                               .on_header_value = on_value,
                                               .on_message_complete = on_complete};
    struct theirs t = {.ours = o};
    struct pg_err err = {0};
    struct body body = body_begin(&o->head);
    size_t used = 0;
    llhttp_t p;
    int r = 1;

    if (o->head.body != HEAD_BODY_NONE)
        r = body_skip(&body, (struct sl){bytes.p + o->head.length, bytes.n - o->head.length}, &used,
                      &err);
    pg_err_clear(&err);
    if (r < 0)
        return; /* ours is the stricter one */
    llhttp_init(&p, HTTP_REQUEST, &settings);
    p.data = &t;
    (void)llhttp_execute(&p, bytes.p, o->head.length + used);
    PG_CHECK(t.field == o->head.nheaders);
    PG_CHECK(t.complete == (r == 1 ? 1 : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole, bytewise;
    struct sl bytes = {(const char *)data, size};

    if (size > 2 * CONN_HEAD_MAX)
        return 0;
    read_whole(&whole, bytes);
    read_bytewise(&bytewise, bytes);
    check_same(&whole, &bytewise);
    if (whole.verdict == 1) {
        check_sane(&whole);
        check_llhttp(&whole, bytes);
    }
    return 0;
}
