/* SPDX-License-Identifier: Apache-2.0 */
/* Columns that line up, whatever stands in them. */
#include "harness/test.h"

#include "cli/table.h"

static struct table t;
static struct pg_buf out;

static int open_table(void **state)
{
    (void)state;
    pg_buf_init(&out, 1 << 20);
    return 0;
}

static int close_table(void **state)
{
    (void)state;
    table_free(&t);
    pg_buf_free(&out);
    return 0;
}

TEST(columns_are_as_wide_as_their_widest_cell)
{
    table_init(&t, 3);
    table_put(&t, SL("NAME"));
    table_put(&t, SL(">SIZE"));
    table_put(&t, SL("STATE"));
    table_put(&t, SL("docker.io"));
    table_put_bytes(&t, 5);
    table_put(&t, SL("up"));
    table_put(&t, SL("x"));
    table_put_bytes(&t, 3 << 20);
    table_put(&t, SL(""));
    table_print(&t, " ", &out);
    assert_true(sl_eq(pg_buf_sl(&out), SL(" NAME          SIZE  STATE\n"
                                          " docker.io      5 B  up\n"
                                          " x          3.0 MiB  \n")));
}

TEST(a_cell_cannot_drive_the_terminal_or_end_its_line)
{
    table_init(&t, 2);
    table_put(&t, SL("a\nb\033[2J"));
    table_put(&t, SL("\xc3\xa9"));
    table_print(&t, "", &out);
    assert_true(sl_eq(pg_buf_sl(&out), SL("a\\nb\\u001b[2J  \xc3\xa9\n")));
}

TEST(a_row_that_is_not_whole_is_not_shown)
{
    table_init(&t, 2);
    table_put_number(&t, -7);
    table_put(&t, SL("z"));
    table_put(&t, SL("half"));
    table_print(&t, "", &out);
    assert_true(sl_eq(pg_buf_sl(&out), SL("-7    z\n")));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_table, close_table)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(columns_are_as_wide_as_their_widest_cell),
        CASE(a_cell_cannot_drive_the_terminal_or_end_its_line),
        CASE(a_row_that_is_not_whole_is_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
