/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "cache/growth.h"
#include "harness/scratch.h"

#define TODAY_S INT64_C(1795046400) /* a midnight */

static struct store store;
static struct growth growth;

static int setup(void **state)
{
    (void)state;
    scratch_make();
    store = (struct store){.config.path = scratch};
    store.dir_fd = open(store.config.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return store.dir_fd < 0;
}

static int teardown(void **state)
{
    (void)state;
    pg_fd_close(&store.dir_fd);
    scratch_remove();
    return 0;
}

static void note(int64_t day, uint64_t bytes, uint64_t reclaimed)
{
    struct pg_err err = {0};

    atomic_store(&store.bytes, bytes);
    assert_int_equal(growth_note(&store, TODAY_S + day * GROWTH_DAY_S + 3600, reclaimed, &err), 0);
}

static void put(const char *text)
{
    _fd_ int fd = openat(store.dir_fd, GROWTH_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_equal(pg_fd_write(fd, text, strlen(text)), 0);
}

TEST(a_day_has_one_line_and_what_it_reclaimed_adds_up)
{
    note(0, 100, 5);
    note(0, 200, 7);
    note(1, 300, 0);
    growth_read(store.dir_fd, &growth);
    assert_int_equal(growth.n, 2);
    assert_int_equal(growth.days[0].begin_s, TODAY_S);
    assert_int_equal(growth.days[0].bytes, 200);
    assert_int_equal(growth.days[0].reclaimed, 12);
    assert_int_equal(growth.days[1].bytes, 300);
}

TEST(G16_days_of_a_clock_that_was_ahead_go_when_it_is_right_again)
{
    note(0, 100, 0);
    note(3650, 100, 0);
    note(1, 200, 0);
    growth_read(store.dir_fd, &growth);
    assert_int_equal(growth.n, 2);
    assert_int_equal(growth.days[1].begin_s, TODAY_S + GROWTH_DAY_S);
}

TEST(no_more_days_are_kept_than_there_is_room_for)
{
    for (int day = 0; day < GROWTH_DAYS_MAX + 30; day++) {
        note(day, (uint64_t)day, 0);
    }
    growth_read(store.dir_fd, &growth);
    assert_int_equal(growth.n, GROWTH_DAYS_MAX);
    assert_int_equal(growth.days[0].bytes, 30);
}

TEST(lines_that_are_none_are_left_out)
{
    put("2026-11-20 1 2 3\n2026-13-20 1 2 3\n2026-11-21 1 2\n2026-11-22 1 2 3 4\n\n"
        "2026-11-19 9 9 9\n2026-11-23 99999999999999999999999 2 3\n2026-11-24 4 5 6\n2026-11-25 1");
    growth_read(store.dir_fd, &growth);
    assert_int_equal(growth.n, 2);
    assert_int_equal(growth.days[1].reclaimed, 6);
}

TEST(a_rate_needs_two_days_and_is_that_of_a_line)
{
    double rate = 1;

    note(0, 1000, 0);
    note(1, 1100, 0);
    growth_read(store.dir_fd, &growth);
    assert_false(growth_rate(&growth, &rate));
    note(2, 1200, 0);
    note(5, 1500, 0);
    growth_read(store.dir_fd, &growth);
    assert_true(growth_rate(&growth, &rate));
    assert_true(rate > 99.9 && rate < 100.1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_day_has_one_line_and_what_it_reclaimed_adds_up),
        CASE(G16_days_of_a_clock_that_was_ahead_go_when_it_is_right_again),
        CASE(no_more_days_are_kept_than_there_is_room_for),
        CASE(lines_that_are_none_are_left_out),
        CASE(a_rate_needs_two_days_and_is_that_of_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
