/* SPDX-License-Identifier: Apache-2.0 */
/* Counted bytes are a copy, end in a NUL that is not counted, and die with their last holder. */
#include "harness/test.h"

#include "base/bytes.h"

TEST(bytes_are_a_copy_and_end_in_a_nul)
{
    char from[] = "a\0b";
    struct pg_bytes *b = pg_bytes_new((struct sl){from, 3});

    from[0] = 'x';
    assert_int_equal(b->n, 3);
    assert_memory_equal(pg_bytes_sl(b).p, "a\0b", 4);
    pg_bytes_unref(b);
}

TEST(no_bytes_are_bytes_too)
{
    struct pg_bytes *b = pg_bytes_new((struct sl){NULL, 0});

    assert_int_equal(pg_bytes_sl(b).n, 0);
    assert_string_equal(pg_bytes_sl(b).p, "");
    pg_bytes_unref(b);
}

TEST(every_holder_may_let_go_in_any_order)
{
    struct pg_bytes *b = pg_bytes_new(SL("manifest"));

    assert_ptr_equal(pg_bytes_ref(b), b);
    pg_bytes_unref(b);
    assert_true(sl_eq(pg_bytes_sl(b), SL("manifest")));
    pg_bytes_unref(b);
    pg_bytes_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(bytes_are_a_copy_and_end_in_a_nul),
        RUN(no_bytes_are_bytes_too),
        RUN(every_holder_may_let_go_in_any_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
