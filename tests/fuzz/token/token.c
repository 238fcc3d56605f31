/* SPDX-License-Identifier: Apache-2.0 */
/* What a token server answers: what is taken of it fits into a header and lives a sane time. */
#include "proxy/upstream/token.h"

#include <stdint.h>

#include "base/arena.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct token_grant g = {0};
    struct pg_err err = {0};
    struct pg_arena arena;

    if (size > TOKEN_ANSWER_MAX)
        return 0;
    pg_arena_init(&arena, TOKEN_ANSWER_MAX);
    if (token_parse((struct sl){(const char *)data, size}, &arena, &g, &err) < 0) {
        PG_CHECK(err.kind == PG_E_UPSTREAM_DOWN);
    } else {
        PG_CHECK(g.life_s >= TOKEN_LIFE_MIN_S && g.life_s <= TOKEN_LIFE_MAX_S);
        PG_CHECK(g.text[0] != '\0' && strlen(g.text) <= TOKEN_TEXT_MAX);
        for (const char *p = g.text; *p != '\0'; p++)
            PG_CHECK(*p > 0x20 && *p < 0x7f);
    }
    pg_err_clear(&err);
    pg_arena_free(&arena);
    return 0;
}
