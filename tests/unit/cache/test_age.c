/* SPDX-License-Identifier: Apache-2.0 */
#include "shelf.h"

#include "base/clock.h"
#include "base/steady.h"
#include "cache/age.h"

static struct shelf shelf;

static int set_up(void **state)
{
    (void)state;
    shelf_begin(&shelf);
    shelf_open(&shelf);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    shelf_end(&shelf);
    return 0;
}

/* The machine is started anew, and the clock stood there then: what passes until the store is
 * closed has passed. */
static void begin_at(int64_t steady_s)
{
    const struct pg_steady_mark m = {.steady_s = steady_s, .wall_s = pg_clock_wall_s(), .boot = 1};

    pg_steady_begin(&m, 2);
}

TEST(N08_where_the_clock_stood_is_kept_when_the_store_closes)
{
    int64_t then_s = pg_clock_wall_s() - 1000000;

    begin_at(then_s); /* and no tag moves */
    shelf_close(&shelf);
    pg_steady_begin(NULL, 0);
    shelf_open(&shelf);
    assert_in_range(pg_steady_of(pg_clock_wall_s()), then_s, then_s + 60);
}

TEST(N08_where_the_clock_stood_is_kept_while_the_store_is_open)
{
    struct age a = {.saved_ms = UINT64_MAX / 2}; /* long ago */
    struct pg_err err = {0};
    uint64_t kept_s = 0;

    begin_at(12345);
    age_tick(shelf.store, &a);
    assert_true(a.is_apart);
    _index_view_ struct index_view v = index_view_begin(shelf.store->index);
    assert_int_equal(index_get_meta(&v, SL(".steady"), &kept_s, &err), 1);
    assert_in_range(kept_s, 12345, 12345 + 60);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(N08_where_the_clock_stood_is_kept_when_the_store_closes),
        CASE(N08_where_the_clock_stood_is_kept_while_the_store_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
