/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/head.h"

#include <strings.h>

void head_init(struct head *h)
{
    *h = (struct head){0};
    pg_arena_init(&h->arena, HEAD_BYTES_MAX);
}

void head_free(struct head *h)
{
    pg_arena_free(&h->arena);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct sl strip(struct sl s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && strchr(" \t\r\n", s.p[s.n - 1]) != NULL) {
        s.n--;
    }
    return s;
}

/* "HTTP/1.1 200 OK": a response begins, and with it everything anew. */
static int take_status(struct head *h, struct sl line, struct pg_err *err)
{
    size_t at = 5;
    struct head kept = {.nbytes = h->nbytes, .nlines = h->nlines, .arena = h->arena};

    while (at < line.n && (is_digit(line.p[at]) || line.p[at] == '.')) {
        at++;
    }
    if (at + 4 >= line.n || line.p[at] != ' ' || !is_digit(line.p[at + 1]) ||
        !is_digit(line.p[at + 2]) || !is_digit(line.p[at + 3]) ||
        strchr(" \r\n", line.p[at + 4]) == NULL)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream answers with a malformed status line");
    *h = kept;
    h->status = (line.p[at + 1] - '0') * 100 + (line.p[at + 2] - '0') * 10 + (line.p[at + 3] - '0');
    if (h->status < 100 || h->status > 599)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream answers with status %d", h->status);
    return 0;
}

static int take_length(struct head *h, struct sl value, struct pg_err *err)
{
    uint64_t n = 0;

    for (size_t i = 0; i < value.n; i++) {
        if (!is_digit(value.p[i]) || value.n > 18)
            return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream answers with a malformed length");
        n = n * 10 + (uint64_t)(value.p[i] - '0');
    }
    if (value.n == 0 || (h->has_length && n != h->length))
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream answers with two lengths, or none");
    h->has_length = true;
    h->length = n;
    return 0;
}

static bool named(struct sl name, const char *lower)
{
    return name.n == strlen(lower) && strncasecmp(name.p, lower, name.n) == 0;
}

static int take_once(struct head *h, struct sl *field, struct sl value, struct pg_err *err)
{
    if (field->p != NULL)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream answers with a header twice");
    *field = pg_copy(&h->arena, value);
    return 0;
}

/* Both are lists: pages may be linked in any of them. */
static void take_link(struct head *h, struct sl value)
{
    size_t room = h->link.n + 2 + value.n + 1;
    char *joined;

    if (h->link.p == NULL) {
        h->link = pg_copy(&h->arena, value);
        return;
    }
    joined = pg_alloc(&h->arena, room);
    PG_CHECK(snprintf(joined, room, SL_FMT ", " SL_FMT, SL_ARG(h->link), SL_ARG(value)) ==
             (int)room - 1);
    h->link = (struct sl){joined, room - 1};
}

/* What is left of how much we may ask. Of several the first counts. */
static void take_rate(struct head *h, struct sl name, struct sl value)
{
    struct {
        const char *name;
        struct sl *field;
    } rates[] = {{"ratelimit-limit", &h->rate_limit},
                 {"ratelimit-remaining", &h->rate_left},
                 {"ratelimit-reset", &h->rate_reset},
                 {"docker-ratelimit-source", &h->rate_source}};
    struct sl bare = name;

    if (name.n > 2 && strncasecmp(name.p, "x-", 2) == 0)
        bare = (struct sl){name.p + 2, name.n - 2};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        if (named(bare, rates[i].name) && rates[i].field->p == NULL && value.n <= HEAD_RATE_MAX)
            *rates[i].field = pg_copy(&h->arena, value);
    }
}

static int take_field(struct head *h, struct sl name, struct sl value, struct pg_err *err)
{
    if (named(name, "content-length"))
        return take_length(h, value, err);
    if (named(name, "location"))
        return take_once(h, &h->location, value, err);
    if (named(name, "content-range"))
        return take_once(h, &h->content_range, value, err);
    if (named(name, "transfer-encoding"))
        h->chunked = true;
    else if (named(name, "content-type") && h->content_type.p == NULL)
        h->content_type = pg_copy(&h->arena, value);
    else if (named(name, "docker-content-digest") && h->digest.p == NULL)
        h->digest = pg_copy(&h->arena, value);
    else if (named(name, "link") && h->link.n < HEAD_BYTES_MAX / 8)
        take_link(h, value);
    else if (named(name, "www-authenticate") && h->nchallenges < HEAD_CHALLENGES_MAX)
        h->challenges[h->nchallenges++] = pg_copy(&h->arena, value);
    else
        take_rate(h, name, value);
    return 0;
}

static int take_line(struct head *h, struct sl line, struct pg_err *err)
{
    const char *colon = memchr(line.p, ':', line.n);
    struct sl name, value;

    if (colon == NULL || colon == line.p)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream answers with a malformed header");
    name = (struct sl){line.p, (size_t)(colon - line.p)};
    value = strip((struct sl){colon + 1, line.n - name.n - 1});
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] <= ' ' || name.p[i] >= 0x7f)
            return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream answers with a malformed header");
    }
    for (size_t i = 0; i < value.n; i++) {
        if (((unsigned char)value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 0x7f)
            return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream answers with control bytes");
    }
    return take_field(h, name, value, err);
}

int head_line(struct head *h, struct sl line, struct pg_err *err)
{
    h->nbytes += line.n;
    if (h->nbytes > HEAD_BYTES_MAX || ++h->nlines > HEAD_LINES_MAX)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream answers with too many headers");
    if (h->over)
        return 0;
    if (sl_starts(line, SL("HTTP/")))
        return take_status(h, line, err);
    if (h->status == 0)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream answers without a status");
    if (strip(line).n > 0)
        return take_line(h, line, err);
    if (h->status < 200)
        return 0;
    if (h->chunked && h->has_length)
        return pg_fail(err, PG_E_UPSTREAM_WRONG,
                       "upstream answers with a length and a transfer coding");
    h->over = true;
    return 1;
}
