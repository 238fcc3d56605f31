/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cache/use.h"

#define MANY 5000u

static char dir[64];
static int dir_fd;

static int set_up(void **state)
{
    (void)state;
    pg_hash_setup();
    (void)snprintf(dir, sizeof(dir), "/tmp/pguse.XXXXXX");
    assert_non_null(mkdtemp(dir));
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
    return dir_fd < 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlinkat(dir_fd, "use", 0);
    (void)close(dir_fd);
    return rmdir(dir); /* nothing else was left behind */
}

static struct digest blob(unsigned i)
{
    return digest_of(i % 2 ? PG_SHA512 : PG_SHA256, (struct sl){(char *)&i, sizeof(i)});
}

TEST(the_last_use_counts)
{
    struct use *u = use_new();
    struct digest a = blob(1), b = blob(2);

    assert_int_equal(use_last(u, &a), 0);
    use_touch(u, &a, 100);
    use_touch(u, &a, 200);
    assert_int_equal(use_last(u, &a), 200);
    assert_int_equal(use_last(u, &b), 0);
    assert_int_equal(use_count(u), 1);
    use_forget(u, &a);
    use_forget(u, &a);
    assert_int_equal(use_last(u, &a), 0);
    assert_int_equal(use_count(u), 0);
    use_free(u);
}

TEST(forgetting_some_loses_none_of_the_others)
{
    struct use *u = use_new();

    for (unsigned i = 0; i < MANY; i++) {
        struct digest d = blob(i);

        use_touch(u, &d, 1000 + i);
    }
    for (unsigned i = 0; i < MANY; i += 3) {
        struct digest d = blob(i);

        use_forget(u, &d);
    }
    for (unsigned i = 0; i < MANY; i++) {
        struct digest d = blob(i);

        assert_int_equal(use_last(u, &d), i % 3 == 0 ? 0 : 1000 + i);
    }
    assert_int_equal(use_count(u), MANY - (MANY + 2) / 3);
    use_free(u);
}

static void save(struct use *u)
{
    struct pg_err err = {0};

    assert_int_equal(use_save(u, dir_fd, "use", &err), 0);
}

TEST(a_table_survives_in_its_file)
{
    struct use *u = use_new(), *again = use_new();

    for (unsigned i = 0; i < MANY; i++) {
        struct digest d = blob(i);

        use_touch(u, &d, 5 + i);
    }
    assert_true(use_is_dirty(u));
    save(u);
    assert_false(use_is_dirty(u));
    use_load(again, dir_fd, "use");
    assert_int_equal(use_count(again), MANY);
    assert_false(use_is_dirty(again));
    for (unsigned i = 0; i < MANY; i++) {
        struct digest d = blob(i);

        assert_int_equal(use_last(again, &d), 5 + i);
    }
    use_free(u);
    use_free(again);
}

static size_t loaded(void)
{
    struct use *u = use_new();
    size_t n;

    use_load(u, dir_fd, "use");
    n = use_count(u);
    use_free(u);
    return n;
}

TEST(a_damaged_file_is_no_file)
{
    struct use *u = use_new();
    struct digest d = blob(1);
    struct stat st;
    int fd;

    assert_int_equal(loaded(), 0);
    use_touch(u, &d, 77);
    save(u);
    use_free(u);
    assert_int_equal(loaded(), 1);
    fd = openat(dir_fd, "use", O_RDWR);
    assert_int_equal(fstat(fd, &st), 0);
    for (off_t at = 0; at < st.st_size; at++) { /* any byte of it */
        char was, other;

        assert_int_equal(pg_fd_pread(fd, &was, 1, (uint64_t)at), 0);
        other = (char)(was ^ 0x40);
        assert_int_equal(pg_fd_pwrite(fd, &other, 1, (uint64_t)at), 0);
        assert_int_equal(loaded(), 0);
        assert_int_equal(pg_fd_pwrite(fd, &was, 1, (uint64_t)at), 0);
    }
    assert_int_equal(loaded(), 1);
    for (off_t n = st.st_size - 1; n >= 0; n--) { /* any length */
        assert_int_equal(ftruncate(fd, n), 0);
        assert_int_equal(loaded(), 0);
    }
    (void)close(fd);
    assert_int_equal(unlinkat(dir_fd, "use", 0), 0);
    assert_int_equal(symlinkat("/etc/passwd", dir_fd, "use"), 0);
    assert_int_equal(loaded(), 0);
}

TEST(a_save_that_fails_keeps_the_old_file_and_is_due_again)
{
    struct use *u = use_new();
    struct digest a = blob(1), b = blob(2);
    struct pg_err err = {0};

    use_touch(u, &a, 1);
    save(u);
    use_touch(u, &b, 2);
    assert_int_equal(mkdirat(dir_fd, "use.new", 0700), 0);
    assert_int_equal(use_save(u, dir_fd, "use", &err), -1);
    assert_int_equal(err.kind, PG_E_STORE_IO);
    pg_err_clear(&err);
    assert_true(use_is_dirty(u));
    assert_int_equal(unlinkat(dir_fd, "use.new", AT_REMOVEDIR), 0);
    assert_int_equal(loaded(), 1);
    use_free(u);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_last_use_counts),
        CASE(forgetting_some_loses_none_of_the_others),
        CASE(a_table_survives_in_its_file),
        CASE(a_damaged_file_is_no_file),
        CASE(a_save_that_fails_keeps_the_old_file_and_is_due_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
