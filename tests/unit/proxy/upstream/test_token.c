/* SPDX-License-Identifier: Apache-2.0 */
/* E15: what a token server may answer. */
#include "harness/test.h"

#include <stdio.h>

#include "base/arena.h"
#include "proxy/upstream/token.h"

static int parse(const char *body, char text_r[TOKEN_TEXT_MAX + 1], unsigned *life_r)
{
    struct token_grant g = {0};
    struct pg_err err = {0};
    struct pg_arena arena;
    int result;

    pg_arena_init(&arena, TOKEN_ANSWER_MAX);
    result = token_parse((struct sl){body, strlen(body)}, &arena, &g, &err);
    assert_int_equal(result < 0, err.kind == PG_E_UPSTREAM_DOWN);
    assert_null(err.detail); /* what is wrong may be near a token */
    if (result == 0) {
        assert_true(snprintf(text_r, TOKEN_TEXT_MAX + 1, "%s", g.text) >= 0);
        *life_r = g.life_s;
    }
    pg_err_clear(&err);
    pg_arena_free(&arena);
    return result;
}

TEST(E15_answers_that_are_taken)
{
    static const struct {
        const char *body, *text;
        unsigned life_s;
    } good[] = {
        {"{\"token\":\"a\",\"expires_in\":300}", "a", 300},
        {"{\"access_token\":\"b\",\"expires_in\":300}", "b", 300},
        {"{\"token\":\"a\",\"access_token\":\"b\"}", "a", 60},
        {"{\"token\":\"\",\"access_token\":\"b\"}", "b", 60},
        {"{\"token\":\"a\",\"expires_in\":0}", "a", 60},
        {"{\"token\":\"a\",\"expires_in\":-1}", "a", 60},
        {"{\"token\":\"a\",\"expires_in\":59}", "a", 60},
        {"{\"token\":\"a\",\"expires_in\":\"60000\"}", "a", 60},
        {"{\"token\":\"a\",\"expires_in\":1000000000000}", "a", 3600},
        {"{\"token\":\"a\",\"expires_in\":1e12}", "a", 60},
        {"{\"token\":\"a\",\"expires_in\":null,\"other\":[1,{}]}", "a", 60},
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char text[TOKEN_TEXT_MAX + 1] = "";
        unsigned life_s = 0;

        if (parse(good[i].body, text, &life_s) < 0)
            fail_msg("refused: %s", good[i].body);
        assert_string_equal(text, good[i].text);
        assert_int_equal(life_s, good[i].life_s);
    }
}

TEST(E15_answers_that_are_not)
{
    static const char *const bad[] = {
        "",
        "<html>sign in</html>",
        "[]",
        "\"token\"",
        "{}",
        "{\"token\":1}",
        "{\"token\":null}",
        "{\"token\":\"\"}",
        "{\"token\":\"a b\"}",
        "{\"token\":\"a\\r\\nX: y\"}",
        "{\"token\":\"a\\u0000b\"}",
        "{\"token\":\"\\u00e4\"}",
        "{\"token\":\"a\",\"token\":\"b\"}",
        "{\"token\":\"a\"} {\"token\":\"b\"}",
        "{\"token\":\"a\"",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[TOKEN_TEXT_MAX + 1];
        unsigned life_s;

        if (parse(bad[i], text, &life_s) == 0)
            fail_msg("passes: %s", bad[i]);
    }
}

TEST(E15_a_token_that_no_header_would_hold)
{
    static char body[TOKEN_TEXT_MAX + 100], text[TOKEN_TEXT_MAX + 1];
    unsigned life_s;
    int over = (int)TOKEN_TEXT_MAX + 1;

    assert_true(snprintf(body, sizeof(body), "{\"token\":\"%0*d\"}", over, 1) > over);
    assert_int_equal(parse(body, text, &life_s), -1);
    assert_true(snprintf(body, sizeof(body), "{\"token\":\"%0*d\"}", over - 1, 1) >= over);
    assert_int_equal(parse(body, text, &life_s), 0);
    assert_int_equal(strlen(text), TOKEN_TEXT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(E15_answers_that_are_taken),
        RUN(E15_answers_that_are_not),
        RUN(E15_a_token_that_no_header_would_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
