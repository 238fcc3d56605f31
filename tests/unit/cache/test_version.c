/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "cache/version.h"

static char dir[64];
static int dir_fd;
static struct pg_err err;
static unsigned steps_run;

/* A layout of old: blobs stood in `things`. A step may find its work half done. */
static int rename_things(int fd, struct pg_err *e)
{
    steps_run++;
    if (faccessat(fd, "things", F_OK, 0) == 0 && renameat(fd, "things", fd, "blobs") < 0)
        return pg_fail(e, PG_E_STORE_IO, "cannot rename");
    return 0;
}

static int fail_step(int fd, struct pg_err *e)
{
    (void)fd;
    steps_run++;
    return pg_fail(e, PG_E_STORE_IO, "the power went");
}

static int count_step(int fd, struct pg_err *e)
{
    (void)fd;
    (void)e;
    steps_run++;
    return 0;
}

/* Half of its work, and then the power. */
static int die_step(int fd, struct pg_err *e)
{
    (void)e;
    (void)!renameat(fd, "things", fd, "blobs");
    return raise(SIGKILL);
}

static int set_up(void **state)
{
    (void)state;
    steps_run = 0;
    (void)snprintf(dir, sizeof(dir), "/tmp/pgversion.XXXXXX");
    assert_non_null(mkdtemp(dir));
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
    return dir_fd < 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_err_clear(&err);
    (void)unlinkat(dir_fd, "version", 0);
    (void)unlinkat(dir_fd, "version.new", 0);
    (void)unlinkat(dir_fd, "something", 0);
    (void)unlinkat(dir_fd, "CACHEDIR.TAG", 0);
    (void)unlinkat(dir_fd, "lost+found", AT_REMOVEDIR);
    (void)unlinkat(dir_fd, "blobs", AT_REMOVEDIR);
    (void)close(dir_fd);
    return rmdir(dir);
}

static void write_version(const char *text)
{
    int fd = openat(dir_fd, "version", O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_int_equal(pg_fd_write(fd, text, strlen(text)), 0);
    (void)close(fd);
}

static void assert_version(const char *text)
{
    char is[32] = {0};
    int fd = openat(dir_fd, "version", O_RDONLY);

    assert_true(read(fd, is, sizeof(is) - 1) > 0);
    assert_string_equal(is, text);
    (void)close(fd);
}

static int settle(void)
{
    struct version_config c = version_known(dir_fd, dir, false);

    return version_settle(&c, &err);
}

static int settle_with(const struct version_step *steps, unsigned nsteps, unsigned now)
{
    struct version_config c = version_known(dir_fd, dir, false);

    c.steps = steps;
    c.nsteps = nsteps;
    c.now = now;
    return version_settle(&c, &err);
}

TEST(an_empty_directory_becomes_one_of_this_version)
{
    assert_int_equal(mkdirat(dir_fd, "lost+found", 0700), 0);
    assert_int_equal(settle(), 0);
    assert_version("2\npullgate " VERSION_READER "\n");
    assert_int_equal(faccessat(dir_fd, "CACHEDIR.TAG", R_OK, 0), 0);
    assert_int_equal(settle(), 0);
}

TEST(the_first_layout_is_brought_up) /* G18 */
{
    write_version("1\n");
    assert_int_equal(pg_fault_set("version.tag:ENOSPC@1,version.rename:EIO@1"), 0);
    assert_int_equal(settle(), -1); /* the step */
    pg_err_clear(&err);
    assert_version("1\n");
    assert_int_equal(settle(), -1); /* the number */
    pg_err_clear(&err);
    assert_version("1\n");
    assert_int_equal(pg_fault_set(NULL), 0);
    assert_int_equal(settle(), 0);
    assert_version("2\npullgate " VERSION_READER "\n");
    assert_int_equal(faccessat(dir_fd, "CACHEDIR.TAG", R_OK, 0), 0);
}

TEST(a_directory_that_holds_something_else_is_refused)
{
    int fd = openat(dir_fd, "something", O_WRONLY | O_CREAT, 0600);

    (void)close(fd);
    assert_int_equal(settle(), -1);
    assert_non_null(strstr(err.msg, dir));
    assert_non_null(strstr(err.msg, "not empty"));
    assert_int_equal(faccessat(dir_fd, "version", F_OK, 0), -1);
}

TEST(a_newer_layout_is_refused)
{
    write_version("3\n");
    assert_int_equal(settle(), -1);
    assert_non_null(strstr(err.msg, "newer pullgate (layout 3"));
    assert_version("3\n");
    pg_err_clear(&err);
    write_version("3\npullgate 1.2.0~rc1\n");
    assert_int_equal(settle(), -1);
    assert_non_null(strstr(err.msg, "run pullgate 1.2.0~rc1 or a later one"));
    assert_version("3\npullgate 1.2.0~rc1\n");
}

TEST(a_damaged_number_is_refused)
{
    static const char *const bad[] = {"",
                                      "\n",
                                      "one\n",
                                      "1",
                                      "1\n\n",
                                      "-1\n",
                                      "1 \n",
                                      "99999999\n",
                                      "3\npullgate \n",
                                      "3\npullgate 1",
                                      "3\nother 1\n",
                                      "3\npullgate 1 2\n",
                                      "3\npullgate \033[2J\n"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        write_version(bad[i]);
        assert_int_equal(settle(), -1);
        assert_non_null(strstr(err.msg, "damaged"));
        pg_err_clear(&err);
    }
}

TEST(an_older_layout_is_brought_up_step_by_step)
{
    const struct version_step steps[] = {{1, count_step}, {0, rename_things}};

    write_version("0\n");
    assert_int_equal(mkdirat(dir_fd, "things", 0700), 0);
    assert_int_equal(settle_with(steps, 2, 2), 0);
    assert_version("2\npullgate " VERSION_READER "\n");
    assert_int_equal(steps_run, 2);
    assert_int_equal(faccessat(dir_fd, "blobs", F_OK, 0), 0);
    assert_int_equal(settle_with(steps, 2, 2), 0);
    assert_int_equal(steps_run, 2);
}

TEST(a_step_that_was_cut_short_is_begun_anew) /* G18 */
{
    const struct version_step broken[] = {{0, rename_things}, {1, fail_step}};
    const struct version_step whole[] = {{0, rename_things}, {1, count_step}};

    write_version("0\n");
    assert_int_equal(mkdirat(dir_fd, "things", 0700), 0);
    assert_int_equal(settle_with(broken, 2, 2), -1);
    assert_non_null(strstr(err.msg, "from layout 1 up"));
    pg_err_clear(&err);
    assert_version("1\n"); /* the first step is not repeated */
    assert_int_equal(settle_with(whole, 2, 2), 0);
    assert_version("2\npullgate " VERSION_READER "\n");
    assert_int_equal(steps_run, 3);
}

TEST(a_step_that_was_killed_is_begun_anew) /* G18 */
{
    const struct version_step deadly[] = {{0, die_step}, {1, count_step}};
    const struct version_step whole[] = {{0, rename_things}, {1, count_step}};
    pid_t child;
    int status;

    write_version("0\n");
    assert_int_equal(mkdirat(dir_fd, "things", 0700), 0);
    child = fork();
    if (child == 0)
        _exit(settle_with(deadly, 2, 2));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_version("0\n");
    assert_int_equal(settle_with(whole, 2, 2), 0);
    assert_int_equal(faccessat(dir_fd, "blobs", F_OK, 0), 0);
    assert_int_equal(steps_run, 2);
}

TEST(a_layout_too_old_is_refused_and_nothing_is_written_by_a_reader)
{
    const struct version_step steps[] = {{1, count_step}};
    struct version_config c = version_known(dir_fd, dir, true);

    assert_int_equal(version_settle(&c, &err), -1);
    assert_non_null(strstr(err.msg, "there is no cache"));
    pg_err_clear(&err);
    write_version("0\n");
    assert_int_equal(settle_with(steps, 1, 2), -1);
    assert_non_null(strstr(err.msg, "no longer knows"));
    pg_err_clear(&err);
    write_version("1\n");
    c.steps = steps;
    c.nsteps = 1;
    c.now = 2;
    assert_int_equal(version_settle(&c, &err), -1);
    assert_int_equal(steps_run, 0);
    assert_version("1\n");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(an_empty_directory_becomes_one_of_this_version),
        CASE(a_directory_that_holds_something_else_is_refused),
        CASE(a_newer_layout_is_refused),
        CASE(a_damaged_number_is_refused),
        CASE(the_first_layout_is_brought_up),
        CASE(an_older_layout_is_brought_up_step_by_step),
        CASE(a_step_that_was_cut_short_is_begun_anew),
        CASE(a_step_that_was_killed_is_begun_anew),
        CASE(a_layout_too_old_is_refused_and_nothing_is_written_by_a_reader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
