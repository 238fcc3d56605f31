/* SPDX-License-Identifier: Apache-2.0 */
/* Two different texts never mean the same bytes. */
#include "harness/test.h"

#include "signing/b64_int.h"

static struct pg_arena arena;

static void is(enum b64_form form, struct sl text, struct sl bytes)
{
    struct sl got;

    if (!b64_decode(form, text, &arena, &got))
        fail_msg("refused: %.*s", SL_ARG(text));
    assert_true(sl_eq(got, bytes));
    assert_non_null(got.p);
}

static void is_refused(enum b64_form form, struct sl text)
{
    struct sl got;

    if (b64_decode(form, text, &arena, &got))
        fail_msg("taken: %.*s", SL_ARG(text));
}

TEST(the_standard_alphabet_is_padded)
{
    is(B64_STANDARD, SL(""), SL(""));
    is(B64_STANDARD, SL("Zg=="), SL("f"));
    is(B64_STANDARD, SL("Zm8="), SL("fo"));
    is(B64_STANDARD, SL("Zm9v"), SL("foo"));
    is(B64_STANDARD, SL("+/+/"), SL("\xfb\xff\xbf"));
    is_refused(B64_STANDARD, SL("Zg"));
    is_refused(B64_STANDARD, SL("Zg="));
    is_refused(B64_STANDARD, SL("Zg==="));
    is_refused(B64_STANDARD, SL("===="));
    is_refused(B64_STANDARD, SL("Z==="));
    is_refused(B64_STANDARD, SL("Zg==Zg=="));
    is_refused(B64_STANDARD, SL("-_-_"));
}

TEST(the_other_one_is_not)
{
    is(B64_URL, SL(""), SL(""));
    is(B64_URL, SL("Zg"), SL("f"));
    is(B64_URL, SL("-_-_"), SL("\xfb\xff\xbf"));
    is_refused(B64_URL, SL("Z"));
    is_refused(B64_URL, SL("Zg=="));
    is_refused(B64_URL, SL("+/+/"));
}

TEST(blanks_and_left_over_bits_are_refused)
{
    is_refused(B64_STANDARD, SL("Zm9v\n"));
    is_refused(B64_STANDARD, SL("Zm\n9"));
    is_refused(B64_STANDARD, SL(" m9v"));
    is_refused(B64_STANDARD, SL("Zm9\0"));
    is_refused(B64_STANDARD, SL("Zh=="));
    is_refused(B64_STANDARD, SL("Zm9="));
    is_refused(B64_URL, SL("Zh"));
}

TEST(what_was_encoded_is_decoded)
{
    char bytes[70];

    for (size_t n = 0; n <= sizeof(bytes); n++) {
        struct sl in = {bytes, n}, text;

        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)(i * 37 + n);
        text = b64_encode(in, &arena);
        is(B64_STANDARD, text, in);
    }
}

TEST(exactly_as_many_bytes_as_asked_for)
{
    char out[3] = "";

    assert_true(b64_decode_exactly(SL("Zm8="), out, 2));
    assert_memory_equal(out, "fo", 3);
    assert_false(b64_decode_exactly(SL("Zm8="), out, 1));
    assert_false(b64_decode_exactly(SL("Zm8="), out, 3));
    assert_false(b64_decode_exactly(SL("Zm9v"), out, 2));
}

static int setup(void **state)
{
    (void)state;
    pg_arena_init(&arena, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pg_arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(the_standard_alphabet_is_padded),       RUN(the_other_one_is_not),
        RUN(blanks_and_left_over_bits_are_refused), RUN(what_was_encoded_is_decoded),
        RUN(exactly_as_many_bytes_as_asked_for),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
