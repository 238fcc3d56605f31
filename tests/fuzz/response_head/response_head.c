/* SPDX-License-Identifier: Apache-2.0 */
/* An upstream's response head, line by line: bounded, and no control byte in what is kept. */
#include "proxy/upstream/budget.h"

#include <stdint.h>
#include <string.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct sl s)
{
    for (size_t i = 0; i < s.n; i++)
        PG_CHECK((unsigned char)s.p[i] >= ' ' || s.p[i] == '\t');
}

/* Whatever it says, what is left is no more than the limit, and the slowness is one of the curve's.
 */
static void check_budget(const struct head *h)
{
    struct budget b = {0};
    uint64_t now_ms = 1000000;

    if (!budget_read(&b, h, now_ms, 1700000000))
        return;
    PG_CHECK(b.limit > 0 && b.left <= b.limit && b.window_s > 0);
    PG_CHECK(strnlen(b.source, sizeof(b.source)) < sizeof(b.source));
    for (int i = 0; i < 40; i++, now_ms *= 2) {
        unsigned slowness = budget_slowness(&b, i % 2 == 0, now_ms);

        PG_CHECK(budget_left(&b, now_ms) <= b.limit);
        PG_CHECK(slowness == BUDGET_RESERVE || slowness == 1 || slowness == 2 || slowness == 8);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl rest = {(const char *)data, size};
    struct pg_err err = {0};
    struct head h;
    int result = 0;

    head_init(&h);
    while (rest.n > 0 && result >= 0) {
        const char *newline = memchr(rest.p, '\n', rest.n);
        size_t n = newline == NULL ? rest.n : (size_t)(newline - rest.p) + 1;

        result = head_line(&h, (struct sl){rest.p, n}, &err);
        PG_CHECK((result < 0) == (err.kind == PG_E_UPSTREAM_WRONG));
        PG_CHECK(result != 1 || (h.over && h.status >= 200 && h.status <= 599));
        rest = (struct sl){rest.p + n, rest.n - n};
    }
    PG_CHECK(h.nchallenges <= HEAD_CHALLENGES_MAX && h.arena.used <= 8 * HEAD_BYTES_MAX);
    check_budget(&h);
    check_text(h.location);
    check_text(h.link);
    check_text(h.content_type);
    pg_err_clear(&err);
    head_free(&h);
    return 0;
}
