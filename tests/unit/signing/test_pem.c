/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of PEM, and nothing else between them. */
#include "harness/test.h"

#include "signing/pem_int.h"

static struct pg_arena arena;

#define BLOCK "-----BEGIN X-----\nZm9v\nYmFy\n-----END X-----\n"

TEST(blocks_come_one_after_the_other)
{
    struct sl text = SL("\n" BLOCK "\r\n-----BEGIN Y-----\r\nZg==\r\n-----END Y-----"), label, der;
    struct pg_err err = {0};

    assert_int_equal(pem_next(&text, &arena, &label, &der, &err), 1);
    assert_true(sl_eq(label, SL("X")) && sl_eq(der, SL("foobar")));
    assert_int_equal(pem_next(&text, &arena, &label, &der, &err), 1);
    assert_true(sl_eq(label, SL("Y")) && sl_eq(der, SL("f")));
    assert_int_equal(pem_next(&text, &arena, &label, &der, &err), 0);
}

static void is_wrong(struct sl text)
{
    struct sl der;
    struct pg_err err = {0};

    if (pem_only(text, SL("X"), &arena, &der, &err) == 0)
        fail_msg("taken: %.*s", SL_ARG(text));
    assert_int_equal(err.kind, PG_E_DENIED);
    pg_err_clear(&err);
}

TEST(exactly_one_block_means_that)
{
    struct sl der;
    struct pg_err err = {0};

    assert_int_equal(pem_only(SL(BLOCK), SL("X"), &arena, &der, &err), 0);
    assert_true(sl_eq(der, SL("foobar")));
    is_wrong(SL(""));
    is_wrong(SL(BLOCK BLOCK));
    is_wrong(SL("subject\n" BLOCK));
    is_wrong(SL(BLOCK "x"));
    is_wrong(SL("-----BEGIN Y-----\nZm9v\n-----END Y-----\n"));
}

TEST(a_block_that_is_not_whole_is_refused)
{
    is_wrong(SL("-----BEGIN X-----\n"));
    is_wrong(SL("-----BEGIN X-----\nZm9v\n"));
    is_wrong(SL("-----BEGIN X-----\nZm9v-----END X-----\n"));
    is_wrong(SL("-----BEGIN X-----\n-----END X-----\n"));
    is_wrong(SL("-----BEGIN X-----\nZm9v\n-----END Y-----\n"));
    is_wrong(SL("-----BEGIN X-----\nZm9\n-----END X-----\n"));
    is_wrong(SL("-----BEGIN X-----\nA: b\n\nZm9v\n-----END X-----\n"));
    is_wrong(SL("-----BEGIN X----\nZm9v\n-----END X-----\n"));
    is_wrong(SL("-----BEGIN -----\nZm9v\n-----END -----\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(blocks_come_one_after_the_other),
        RUN(exactly_one_block_means_that),
        RUN(a_block_that_is_not_whole_is_refused),
    };
    int failed;

    pg_arena_init(&arena, 1 << 16);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_arena_free(&arena);
    return failed;
}
