/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WWW-Authenticate headers, one a line, read one after another. A refused one changes nothing; the
 * first Bearer stays; what is kept may go into a URL.
 */
#include "oci/challenge.h"

#include <stdint.h>
#include <string.h>

#include "base/check.h"

#define HEADERS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same(const struct challenge *a, const struct challenge *b)
{
    return a->has_bearer == b->has_bearer && a->has_basic == b->has_basic &&
           a->realm.p == b->realm.p && a->service.p == b->service.p &&
           a->insufficient_scope == b->insufficient_scope;
}

static void check_text(struct sl s, char least)
{
    PG_CHECK(s.n == 0 || s.p != NULL);
    for (size_t i = 0; i < s.n; i++)
        PG_CHECK(s.p[i] >= least && s.p[i] <= 0x7e);
}

static void read_header(struct sl value, struct pg_arena *arena, struct challenge *c)
{
    struct challenge before = *c;
    struct pg_err err = {0};

    if (challenge_parse(value, arena, c, &err) < 0) {
        PG_CHECK(err.kind == PG_E_UPSTREAM_WRONG && is_same(&before, c));
    } else {
        PG_CHECK(value.n <= CHALLENGE_MAX && err.kind == PG_E_NONE);
        PG_CHECK(!before.has_basic || c->has_basic);
        PG_CHECK(!before.has_bearer || (c->has_bearer && c->realm.p == before.realm.p &&
                                        c->service.p == before.service.p));
    }
    PG_CHECK(c->has_bearer || (c->realm.p == NULL && c->service.p == NULL));
    PG_CHECK(c->realm.p == NULL || c->realm.n > 0);
    check_text(c->realm, 0x21);
    check_text(c->service, 0x20);
    pg_err_clear(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl rest = {(const char *)data, size};
    struct challenge c = {0};
    struct pg_arena arena;

    pg_arena_init(&arena, (size_t)4 * HEADERS_MAX * CHALLENGE_MAX);
    for (int i = 0; i < HEADERS_MAX; i++) {
        const char *newline = rest.n > 0 ? memchr(rest.p, '\n', rest.n) : NULL;
        struct sl value = {rest.p, newline != NULL ? (size_t)(newline - rest.p) : rest.n};

        read_header(value, &arena, &c);
        if (newline == NULL)
            break;
        rest = (struct sl){newline + 1, rest.n - value.n - 1};
    }
    PG_CHECK(!arena.over);
    pg_arena_free(&arena);
    return 0;
}
