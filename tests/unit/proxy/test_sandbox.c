/* SPDX-License-Identifier: Apache-2.0 */
/* What was not let in cannot be opened, and a call that is not on the list kills. Each test is a
 * process of its own: there is no way back. */
#include "harness/test.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/scratch.h"
#include "proxy/sandbox.h"
#include "proxy/sandbox_calls.h"

#define CANNOT 77 /* this kernel cannot do it */
#define FINE   0

/* The exit code of a child that ran it, or minus the signal that killed it. */
static int in_child(int (*body)(void))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0)
        _exit(body());
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void expect(int (*body)(void), int want)
{
    int got = in_child(body);

    if (got == CANNOT) {
        print_message("this kernel has no Landlock or no seccomp\n");
        skip();
    }
    assert_int_equal(got, want);
}

/* ---- files --------------------------------------------------------------------------------- */

static int made(const char *name)
{
    int fd = open(scratch_path(name), O_RDWR | O_CREAT | O_TRUNC, 0600);

    return fd < 0 ? -1 : close(fd);
}

static int setup(void **state)
{
    (void)state;
    scratch_make();
    assert_int_equal(mkdir(scratch_path("in"), 0700), 0);
    assert_int_equal(mkdir(scratch_path("in/a"), 0700), 0);
    assert_int_equal(mkdir(scratch_path("in/b"), 0700), 0);
    assert_int_equal(mkdir(scratch_path("seen"), 0700), 0);
    assert_int_equal(made("seen/file"), 0);
    assert_int_equal(made("outside"), 0);
    assert_int_equal(symlink("../outside", scratch_path("seen/link")), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove();
    return 0;
}

/* CANNOT, or FINE: in/ is written, seen/ is read. */
static int close_files(void)
{
    struct pg_err err = {0};
    int rc;

    if (sandbox_let(scratch_path("in"), SANDBOX_WRITE, &err) < 0 ||
        sandbox_let(scratch_path("seen"), SANDBOX_READ, &err) < 0 ||
        sandbox_let(scratch_path("absent"), SANDBOX_READ, &err) < 0)
        return 1;
    rc = sandbox_close_files(&err);
    return rc > 0 ? FINE : rc == 0 ? CANNOT : 2;
}

static bool is_denied(const char *name, int flags)
{
    return open(scratch_path(name), flags, 0600) < 0 && errno == EACCES;
}

static int outside_is_closed(void)
{
    int rc = close_files();

    if (rc != FINE)
        return rc;
    if (!is_denied("outside", O_RDONLY) || !is_denied("new", O_WRONLY | O_CREAT) ||
        !is_denied("seen/link", O_RDONLY) || open("/etc/passwd", O_RDONLY) >= 0)
        return 3;
    if (mkdir(scratch_path("dir"), 0700) == 0 || unlink(scratch_path("outside")) == 0 ||
        truncate(scratch_path("outside"), 1) == 0 ||
        rename(scratch_path("seen/file"), scratch_path("in/file")) == 0)
        return 4;
    return sandbox_hides(scratch_path("outside")) && sandbox_hides(scratch_path("input")) ? FINE
                                                                                          : 5;
}

TEST(what_is_outside_cannot_be_opened_made_changed_or_removed)
{
    expect(outside_is_closed, FINE);
}

static int inside_is_open(void)
{
    int rc = close_files(), fd;

    if (rc != FINE)
        return rc;
    fd = open(scratch_path("seen/file"), O_RDONLY);
    if (fd < 0 || !is_denied("seen/file", O_WRONLY) || !is_denied("seen/new", O_WRONLY | O_CREAT))
        return 3;
    if (made("in/a/new") < 0 || rename(scratch_path("in/a/new"), scratch_path("in/b/new")) < 0 ||
        truncate(scratch_path("in/b/new"), 5) < 0 || unlink(scratch_path("in/b/new")) < 0 ||
        rmdir(scratch_path("in/b")) < 0 || mkdir(scratch_path("in/b"), 0700) < 0)
        return 4;
    return sandbox_hides(scratch_path("seen/file")) || sandbox_hides(scratch_path("in")) ? 5 : FINE;
}

TEST(the_store_is_written_and_what_is_named_is_read)
{
    expect(inside_is_open, FINE);
}

static int link_is_followed(void)
{
    struct pg_err err = {0};
    int rc;

    if (sandbox_let_file(scratch_path("seen/link"), &err) < 0)
        return 1;
    rc = sandbox_close_files(&err);
    if (rc <= 0)
        return rc == 0 ? CANNOT : 2;
    return open(scratch_path("seen/link"), O_RDONLY) >= 0 && !sandbox_hides(scratch_path("outside"))
               ? FINE
               : 3;
}

TEST(a_file_behind_a_link_is_let_in_with_it)
{
    expect(link_is_followed, FINE);
}

static int cannot_run(void)
{
    char *const argv[] = {(char[]){"true"}, NULL};
    int rc = close_files();

    if (rc != FINE)
        return rc;
    (void)execve("/bin/true", argv, NULL);
    return errno == EACCES ? FINE : 3;
}

TEST(no_program_is_run_even_without_the_list_of_calls)
{
    expect(cannot_run, FINE);
}

/* ---- calls --------------------------------------------------------------------------------- */

static int close_calls(void)
{
    struct pg_err err = {0};
    int rc = sandbox_calls_close(&err);

    return rc > 0 ? FINE : rc == 0 ? CANNOT : 2;
}

static int runs(void)
{
    char *const argv[] = {(char[]){"true"}, NULL};
    int rc = close_calls();

    return rc != FINE ? rc : execve("/bin/true", argv, NULL);
}

static int mounts(void)
{
    int rc = close_calls();

    return rc != FINE ? rc : mount("none", "/", NULL, MS_REMOUNT, NULL);
}

static int listens(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), rc = close_calls();

    return rc != FINE ? rc : listen(fd, 1);
}

static int opens_raw_sockets(void)
{
    int rc = close_calls();

    return rc != FINE ? rc : socket(AF_PACKET, SOCK_RAW, 0);
}

static int makes_code(void)
{
    int rc = close_calls();
    void *p;

    if (rc != FINE)
        return rc;
    p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED;
}

static int makes_memory_runnable(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int rc = close_calls();

    return rc != FINE ? rc : mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static int types_for_the_terminal(void)
{
    int rc = close_calls();

    return rc != FINE ? rc : ioctl(STDIN_FILENO, TIOCSTI, "x");
}

static int kills_others(void)
{
    int rc = close_calls();

    return rc != FINE ? rc : kill(getppid(), 0);
}

TEST(a_call_that_is_not_on_the_list_kills)
{
    expect(kills_others, -SIGSYS);
    expect(runs, -SIGSYS);
    expect(mounts, -SIGSYS);
    expect(listens, -SIGSYS);
    expect(opens_raw_sockets, -SIGSYS);
    expect(makes_code, -SIGSYS);
    expect(makes_memory_runnable, -SIGSYS);
    expect(types_for_the_terminal, -SIGSYS);
}

static pthread_barrier_t closed;

static void *mount_later(void *arg)
{
    (void)pthread_barrier_wait(&closed);
    (void)mount("none", "/", NULL, MS_REMOUNT, NULL);
    return arg;
}

static int is_closed_for_threads_that_run(void)
{
    pthread_t thread;
    int rc;

    if (pthread_barrier_init(&closed, NULL, 2) != 0 ||
        pthread_create(&thread, NULL, mount_later, NULL) != 0)
        return 3;
    rc = close_calls();
    if (rc != FINE)
        return rc;
    (void)pthread_barrier_wait(&closed);
    (void)pthread_join(thread, NULL);
    return 4;
}

TEST(the_list_holds_for_threads_that_ran_before)
{
    expect(is_closed_for_threads_that_run, -SIGSYS);
}

static void *nothing(void *arg)
{
    return arg;
}

static int goes_on(void)
{
    const struct addrinfo hints = {.ai_flags = AI_ADDRCONFIG, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    pthread_t thread;
    int rc = close_calls();

    if (rc != FINE)
        return rc;
    if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return 3;
    if (getaddrinfo("localhost", "80", &hints, &list) != 0)
        return 4;
    freeaddrinfo(list);
    return memfd_create("x", MFD_CLOEXEC) >= 0 ? FINE : 5;
}

TEST(threads_and_names_are_had_still)
{
    expect(goes_on, FINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_outside_cannot_be_opened_made_changed_or_removed,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_store_is_written_and_what_is_named_is_read, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_file_behind_a_link_is_let_in_with_it, setup, teardown),
        cmocka_unit_test_setup_teardown(no_program_is_run_even_without_the_list_of_calls, setup,
                                        teardown),
        RUN(a_call_that_is_not_on_the_list_kills),
        RUN(the_list_holds_for_threads_that_ran_before),
        RUN(threads_and_names_are_had_still),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
