/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "audit/entry.h"

static struct pg_buf out;
static struct pg_err err;

static struct sl written(const struct entry *e)
{
    pg_buf_clear(&out);
    entry_write(e, &out);
    assert_false(out.over);
    return pg_buf_sl(&out);
}

static int set_up(void **state)
{
    (void)state;
    pg_buf_init(&out, ENTRY_LINE_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_buf_free(&out);
    pg_err_clear(&err);
    return 0;
}

static void refuses(const char *text)
{
    struct entry e;

    if (entry_read(sl_str(text), &e, &err) == 0)
        fail_msg("%s was read", text);
    assert_true(err.msg != NULL);
    pg_err_clear(&err);
}

TEST(it_is_one_line_of_json)
{
    struct entry e = {.kind = ENTRY_DECISION, .seq = 7, .when_ms = 1700000000123};

    e.number[ENTRY_NUMBER_REQUEST] = 5;
    e.text[ENTRY_TEXT_REPOSITORY] = SL("docker.io/library/nginx");
    e.text[ENTRY_TEXT_VERDICT] = SL("deny");
    e.text[ENTRY_TEXT_REASON] = SL("not \"signed\"\nby us");
    struct sl text = written(&e);
    assert_true(sl_eq(text, SL("{\"seq\":7,\"time\":\"2023-11-14T22:13:20.123Z\","
                               "\"kind\":\"decision\",\"request\":5,"
                               "\"repository\":\"docker.io/library/nginx\",\"verdict\":\"deny\","
                               "\"reason\":\"not \\\"signed\\\"\\nby us\"}")));
    assert_int_equal(entry_seq(text), 7);
}

TEST(what_was_written_is_read)
{
    struct entry e = {.kind = ENTRY_ACT, .seq = 1, .when_ms = 1}, r;
    static char texts[ENTRY_NTEXTS][16];

    for (size_t i = 0; i < ENTRY_NTEXTS; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "t%zu", i);
        e.text[i] = sl_str(texts[i]);
    }
    for (size_t i = 0; i < ENTRY_NNUMBERS; i++)
        e.number[i] = i + 1;
    assert_int_equal(entry_read(written(&e), &r, &err), 0);
    assert_int_equal(r.kind, ENTRY_ACT);
    assert_int_equal(r.seq, 1);
    assert_int_equal(r.when_ms, 1);
    for (size_t i = 0; i < ENTRY_NTEXTS; i++)
        assert_true(sl_eq(r.text[i], e.text[i]));
    for (size_t i = 0; i < ENTRY_NNUMBERS; i++)
        assert_int_equal(r.number[i], i + 1);
    entry_free(&r);
}

/* Whatever stands in it, it can be read, and written again as it is. */
TEST(hostile_texts_stay_in_their_place)
{
    static const char overrides[] = {(char)0xe2, (char)0x80, (char)0xae, 'g', 'p', 'j', 0};
    const char *const texts[] = {
        "\xff\xfe",      "a\x01\x1b[31m",    "\"},{\"x\":\"", overrides,
        "\xed\xa0\x80x", "\xf4\x90\x80\x80", "\\u0000",       "\n\r\t",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct entry e = {.kind = ENTRY_DECISION, .seq = 1}, r;

        e.text[ENTRY_TEXT_REFERENCE] = sl_str(texts[i]);
        struct sl text = written(&e);
        assert_null(memchr(text.p, '\n', text.n));
        if (entry_read(text, &r, &err) < 0)
            fail_msg("no. %zu, " SL_FMT ": %s", i, SL_ARG(text), err.msg);
        entry_free(&r);
    }
    struct entry nul = {.kind = ENTRY_DECISION, .seq = 1}, r;
    nul.text[ENTRY_TEXT_REFERENCE] = SL("a\0b");
    assert_int_equal(entry_read(written(&nul), &r, &err), 0);
    assert_true(sl_eq(r.text[ENTRY_TEXT_REFERENCE], SL("a\xef\xbf\xbd"
                                                       "b")));
    entry_free(&r);
}

TEST(what_is_too_long_is_cut_and_says_so)
{
    static char text[3000];
    struct entry e = {.kind = ENTRY_DECISION, .seq = 1}, r;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = "\xe2\x82\xac"[i % 3]; /* cut between code points */
    for (size_t i = 0; i < ENTRY_NTEXTS; i++)
        e.text[i] = (struct sl){text, sizeof(text)};
    assert_int_equal(entry_read(written(&e), &r, &err), 0);
    for (size_t i = 0; i < ENTRY_NTEXTS; i++) {
        assert_true(r.text[i].n <= entry_text_max((enum entry_text)i));
        assert_int_equal(r.text[i].p[r.text[i].n - 1], '~');
    }
    entry_free(&r);
    memset(text, 1, sizeof(text)); /* six bytes each */
    (void)written(&e);
    e.text[ENTRY_TEXT_METHOD] = SL("0123456789abcdef"); /* as long as it may be: whole */
    assert_int_equal(entry_read(written(&e), &r, &err), 0);
    assert_true(sl_eq(r.text[ENTRY_TEXT_METHOD], SL("0123456789abcdef")));
    entry_free(&r);
}

TEST(only_what_is_written_so_is_read)
{
    static const char good[] = "{\"seq\":1,\"time\":\"2026-01-31T00:00:00.000Z\",\"kind\":\"act\"}";
    struct entry e;

    assert_int_equal(entry_read(sl_str(good), &e, &err), 0);
    entry_free(&e);
    refuses("");
    refuses("[]");
    refuses("{\"seq\":1,\"time\":\"2026-01-31T00:00:00.000Z\",\"kind\":\"act\"} ");
    refuses("{\"seq\": 1,\"time\":\"2026-01-31T00:00:00.000Z\",\"kind\":\"act\"}");
    refuses("{\"time\":\"2026-01-31T00:00:00.000Z\",\"seq\":1,\"kind\":\"act\"}");
    refuses("{\"seq\":1,\"time\":\"2026-02-30T00:00:00.000Z\",\"kind\":\"act\"}");
    refuses("{\"seq\":1,\"time\":\"2026-01-31T00:00:00.00ZZ\",\"kind\":\"act\"}");
    refuses("{\"seq\":1,\"time\":\"2026-01-31T00:00:00.000Z\",\"kind\":\"other\"}");
    refuses("{\"seq\":1,\"time\":\"2026-01-31T00:00:00.000Z\",\"kind\":\"act\",\"x\":\"y\"}");
    refuses("{\"seq\":1,\"time\":\"2026-01-31T00:00:00.000Z\",\"kind\":\"act\",\"act\":\"\"}");
    refuses("{\"seq\":1,\"time\":\"2026-01-31T00:00:00.000Z\",\"kind\":\"act\",\"act\":1}");
    refuses("{\"seq\":1,\"time\":\"2026-01-31T00:00:00.000Z\",\"kind\":\"act\",\"count\":0}");
    refuses("{\"seq\":1,\"time\":\"2026-01-31T00:00:00.000Z\",\"kind\":\"act\",\"count\":-1}");
    refuses(
        "{\"seq\":1,\"time\":\"2026-01-31T00:00:00.000Z\",\"kind\":\"act\",\"act\":\"\\u0061\"}");
    refuses("{\"seq\":1,\"seq\":1,\"time\":\"2026-01-31T00:00:00.000Z\",\"kind\":\"act\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(it_is_one_line_of_json),
        RUN(what_was_written_is_read),
        RUN(hostile_texts_stay_in_their_place),
        RUN(what_is_too_long_is_cut_and_says_so),
        RUN(only_what_is_written_so_is_read),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
