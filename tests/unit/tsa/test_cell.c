/* SPDX-License-Identifier: Apache-2.0 */
/* What the process can still do once its cell is closed, and what ends it. */
#include "harness/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tsa/cell.h"

/* How a child ended that closed its cell and did this. */
static int ended(void (*act)(void))
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        struct pg_err err = {0};

        if (cell_close(&err) < 0)
            _exit(99);
        act();
        _exit(7);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void computes(void)
{
    void *p = malloc((size_t)8 << 20);

    memset(p, 1, (size_t)8 << 20);
    free(p);
    if (write(STDOUT_FILENO, "", 0) != 0)
        _exit(98);
}

static void opens(void)
{
    (void)syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

static void makes_socket(void)
{
    (void)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}

static void makes_process(void)
{
    (void)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static void runs_program(void)
{
    static char *const argv[] = {NULL};

    (void)syscall(SYS_execve, "/bin/true", argv, argv);
}

static void makes_code(void)
{
    (void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void reads_elsewhere(void)
{
    char c;

    (void)!read(STDERR_FILENO, &c, 1);
}

TEST(it_can_compute_and_answer)
{
    int status = ended(computes);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

TEST(all_else_ends_it)
{
    void (*const acts[])(void) = {opens,        makes_socket, makes_process,
                                  runs_program, makes_code,   reads_elsewhere};

    for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++) {
        int status = ended(acts[i]);

        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
            fail_msg("act %zu ended with status %#x", i, (unsigned)status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {RUN(it_can_compute_and_answer), RUN(all_else_ends_it)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
