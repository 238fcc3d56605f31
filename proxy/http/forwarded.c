/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/forwarded.h"

struct found {
    bool any;  /* the header was there */
    bool good; /* ip and port */
    bool over; /* nothing further to the left is believed */
    struct pg_ip ip;
    uint16_t port;
};

/* What stands in quotes, if it does. In there nothing is escaped: no address needs it. */
static struct sl unquote(struct sl s)
{
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        return (struct sl){s.p + 1, s.n - 2};
    return s;
}

/* Cuts off what stands behind the last of the marks; in *s is left what stands before it. A mark
 * in quotes is a mark as well: is_whole() tells. */
static struct sl cut_last(struct sl *s, char mark)
{
    const char *at = s->n > 0 ? memrchr(s->p, mark, s->n) : NULL;
    struct sl last = *s;

    if (at == NULL) {
        *s = (struct sl){NULL, 0};
        return last;
    }
    last = (struct sl){at + 1, s->n - (size_t)(at + 1 - s->p)};
    s->n = (size_t)(at - s->p);
    return last;
}

/* It was not cut out of quotes. In these a proxy may repeat what the client sent (`host`), marks
 * and a `for` of its own among it; what is cut there has a quote too few on one side. */
static bool is_whole(struct sl pair)
{
    size_t quotes = 0;

    for (size_t i = 0; i < pair.n; i++) {
        if (pair.p[i] == '\\')
            return false;
        quotes += pair.p[i] == '"';
    }
    return quotes % 2 == 0;
}

/* The value of `for` in "for=192.0.2.1;proto=https"; absent, twice, or not sure: {NULL, 0}. */
static struct sl for_of(struct sl element)
{
    struct sl value = {NULL, 0};

    while (element.p != NULL) {
        struct sl pair = sl_trim(cut_last(&element, ';'));

        if (!is_whole(pair))
            return (struct sl){NULL, 0};
        if (pair.n < 4 || !sl_eq_nocase((struct sl){pair.p, 4}, SL("for=")))
            continue;
        if (value.p != NULL)
            return (struct sl){NULL, 0};
        value = unquote((struct sl){pair.p + 4, pair.n - 4});
    }
    return value;
}

static void take(struct found *f, struct sl text, const struct pg_ip_nets *trusted)
{
    struct pg_ip ip;
    uint16_t port;

    if (pg_ip_parse_port(text, &ip, &port) < 0) {
        f->over = true;
        return;
    }
    f->good = true;
    f->ip = ip;
    f->port = port;
    f->over = !pg_ip_is_in(&ip, trusted);
}

static struct found search(const struct conn_header *headers, size_t n, struct sl name,
                           const struct pg_ip_nets *trusted)
{
    bool pairs = sl_eq(name, SL("forwarded"));
    struct found f = {0};

    for (size_t i = n; i > 0 && !f.over; i--) {
        struct sl line = headers[i - 1].value;

        if (!conn_header_is(headers[i - 1].name, name))
            continue;
        f.any = true;
        while (line.p != NULL && !f.over) {
            struct sl element = sl_trim(cut_last(&line, ','));

            take(&f, pairs ? for_of(element) : element, trusted);
        }
    }
    return f;
}

static bool is_same(const struct found *a, const struct found *b)
{
    return a->good == b->good && (!a->good || memcmp(a->ip.b, b->ip.b, sizeof(a->ip.b)) == 0);
}

bool forwarded_find(const struct conn_header *headers, size_t nheaders,
                    const struct pg_ip_nets *trusted, struct pg_ip *ip_r, uint16_t *port_r)
{
    struct found x = search(headers, nheaders, SL("x-forwarded-for"), trusted);
    struct found f = search(headers, nheaders, SL("forwarded"), trusted);

    if (x.any && f.any && !is_same(&x, &f))
        return false;
    if (!x.any)
        x = f;
    *ip_r = x.ip;
    *port_r = x.port;
    return x.good;
}
