/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/budget.h"

#include <string.h>

#define NUMBER_MAX    UINT64_C(1000000000000)
#define EPOCH_MIN     1000000000 /* a reset beyond it is a point in time, else seconds from now */
#define WINDOW_S_MAX  ((uint64_t)31 * 86400)
#define SPENT_PHRASE  "pull rate limit"
#define SHARE_RESERVE 10

/* The digits at the beginning; false: there are none, or too many. */
static bool read_number(struct sl *s, uint64_t *n_r)
{
    uint64_t n = 0;
    size_t i = 0;

    *n_r = 0;
    if (s->n == 0)
        return false;
    while (i < s->n && s->p[i] >= '0' && s->p[i] <= '9' && n < NUMBER_MAX) {
        n = n * 10 + (uint64_t)(s->p[i] - '0');
        i++;
    }
    s->p += i;
    s->n -= i;
    *n_r = n;
    return i > 0 && n < NUMBER_MAX;
}

/* "100;w=21600", "100, 100;window=60", "100": the first number, and its window where it is said. */
static bool read_limit(struct sl said, uint64_t *n_r, uint64_t *window_s_r)
{
    static const struct sl names[] = {SL(";w="), SL(";window=")};
    const char *at = NULL;
    struct sl rest = said;
    uint64_t window;

    if (!read_number(&rest, n_r))
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && at == NULL; i++) {
        at = rest.n > 0 ? memmem(rest.p, rest.n, names[i].p, names[i].n) : NULL;
        if (at != NULL) {
            rest.n -= (size_t)(at - rest.p) + names[i].n;
            rest.p = at + names[i].n;
        }
    }
    if (at != NULL && read_number(&rest, &window) && window > 0)
        *window_s_r = window;
    return true;
}

static void read_reset(struct sl said, int64_t wall_s, uint64_t *window_s_r)
{
    uint64_t n;

    if (!read_number(&said, &n) || n == 0)
        return;
    if (n < EPOCH_MIN)
        *window_s_r = n;
    else if ((int64_t)n > wall_s)
        *window_s_r = n - (uint64_t)wall_s;
}

static void read_source(struct budget *b, struct sl said)
{
    size_t n = said.n < BUDGET_SOURCE_MAX - 1 ? said.n : BUDGET_SOURCE_MAX - 1;

    for (size_t i = 0; i < n; i++)
        b->source[i] =
            (char)(said.p[i] > ' ' && said.p[i] <= '~' && said.p[i] != '"' && said.p[i] != '\\'
                       ? said.p[i]
                       : '_');
    b->source[n] = '\0';
}

bool budget_read(struct budget *b, const struct head *h, uint64_t now_ms, int64_t wall_s)
{
    uint64_t limit = 0, left = 0, window_s = 0;

    if (h->rate_left.p == NULL || !read_limit(h->rate_left, &left, &window_s))
        return false;
    if (h->rate_limit.p == NULL || !read_limit(h->rate_limit, &limit, &window_s))
        limit = b->known && b->limit >= left ? b->limit : left;
    if (limit == 0)
        return false; /* of nothing no share can be told */
    if (window_s == 0)
        read_reset(h->rate_reset, wall_s, &window_s);
    if (window_s == 0)
        window_s = BUDGET_WINDOW_S;
    *b = (struct budget){.known = true,
                         .limit = limit,
                         .left = left < limit ? left : limit,
                         .window_s = window_s < WINDOW_S_MAX ? window_s : WINDOW_S_MAX,
                         .seen_ms = now_ms};
    read_source(b, h->rate_source);
    return true;
}

uint64_t budget_left(const struct budget *b, uint64_t now_ms)
{
    uint64_t passed_s = now_ms > b->seen_ms ? (now_ms - b->seen_ms) / 1000 : 0;
    uint64_t back;

    if (!b->known)
        return 0;
    if (passed_s >= b->window_s)
        return b->limit;
    back = (uint64_t)((double)b->limit * (double)passed_s / (double)b->window_s);
    return back >= b->limit - b->left ? b->limit : b->left + back;
}

unsigned budget_slowness(const struct budget *b, bool costs_get, uint64_t now_ms)
{
    static const struct {
        uint64_t of_hundred;
        unsigned slowness;
    } curve[] = {{50, 1}, {25, 2}, {SHARE_RESERVE, 8}};
    uint64_t left;

    if (!b->known)
        return 1;
    left = budget_left(b, now_ms) / (costs_get ? 2 : 1);
    for (size_t i = 0; i < sizeof(curve) / sizeof(curve[0]); i++) {
        if (left * 100 >= b->limit * curve[i].of_hundred)
            return curve[i].slowness;
    }
    return BUDGET_RESERVE;
}

bool budget_is_spent(const struct head *h, struct sl body)
{
    uint64_t left, window_s;
    struct sl said = h->rate_left;

    if (said.p != NULL && read_limit(said, &left, &window_s) && left == 0)
        return true;
    return body.n > 0 && memmem(body.p, body.n, SPENT_PHRASE, strlen(SPENT_PHRASE)) != NULL;
}
