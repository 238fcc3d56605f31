/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

/* input -1: none, and both outputs are one. */
static int start(char *const argv[], int input, int output, pid_t *pid_r)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;

    (void)sigemptyset(&none);
    PG_CHECK(posix_spawn_file_actions_init(&actions) == 0);
    PG_CHECK(posix_spawnattr_init(&attributes) == 0);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    (void)posix_spawnattr_setpgroup(&attributes, 0);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    if (input >= 0) {
        (void)posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
        (void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    } else {
        (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        (void)posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    }
    (void)posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    int rc = posix_spawnp(pid_r, argv[0], &actions, &attributes, argv, environ);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* Reads to the end of all who hold the pipe. false: time was up before. */
static bool read_all(int fd, uint64_t until_ms, struct pg_buf *out)
{
    char chunk[4096];

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        uint64_t now_ms = pg_clock_mono_ms();
        int n = now_ms < until_ms ? poll(&p, 1, (int)(until_ms - now_ms)) : 0;
        if (n == 0) {
            return false;
        }
        ssize_t got = n > 0 ? read(fd, chunk, sizeof chunk) : -1;
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return true;
        }
        if (got > 0) {
            (void)pg_buf_put(out, (struct sl){chunk, (size_t)got});
        }
    }
}

/* Waits; false: time was up before. */
static bool has_ended(pid_t pid, uint64_t until_ms)
{
    _fd_ int fd = pidfd_open(pid, 0);
    int n = -1;

    if (fd < 0) {
        return false;
    }
    do {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        uint64_t now_ms = pg_clock_mono_ms();
        n = poll(&p, 1, now_ms < until_ms ? (int)(until_ms - now_ms) : 0);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

static int run(char *const argv[], int input, int timeout_ms, struct pg_buf *out,
               struct program_result *result_r, struct pg_err *err)
{
    uint64_t until_ms = pg_clock_mono_ms() + (uint64_t)timeout_ms;
    int ends[2], status = 0;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0) {
        return pg_fail(err, PG_E_INTERNAL, "cannot make a pipe: %s", strerror(errno));
    }
    _fd_ int in = ends[0], output = ends[1];
    int rc = start(argv, input, output, &pid);
    if (rc == ENOENT) {
        *result_r = (struct program_result){.end = PROGRAM_ABSENT};
        return 0;
    }
    if (rc != 0) {
        return pg_fail(err, PG_E_INTERNAL, "cannot run %s: %s", argv[0], strerror(rc));
    }
    pg_fd_close(&output);
    bool is_whole = read_all(in, until_ms, out) && has_ended(pid, until_ms);
    if (!is_whole) {
        (void)kill(-pid, SIGKILL);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    *result_r = (struct program_result){
        .end = is_whole ? PROGRAM_EXITED : PROGRAM_TIMEOUT,
        .status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
    };
    return 0;
}

int program_run(char *const argv[], int timeout_ms, struct pg_buf *out,
                struct program_result *result_r, struct pg_err *err)
{
    return run(argv, -1, timeout_ms, out, result_r, err);
}

/* A pipe takes that much without a reader. */
int program_run_fed(char *const argv[], struct sl input, int timeout_ms, struct pg_buf *out,
                    struct program_result *result_r, struct pg_err *err)
{
    int ends[2];

    PG_CHECK(input.n <= PROGRAM_INPUT_MAX);
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return pg_fail(err, PG_E_INTERNAL, "cannot make a pipe: %s", strerror(errno));
    }
    _fd_ int in = ends[0], feed = ends[1];
    if (pg_fd_write(feed, input.p, input.n) < 0) {
        return pg_fail(err, PG_E_INTERNAL, "cannot write to a pipe: %s", strerror(errno));
    }
    pg_fd_close(&feed);
    return run(argv, in, timeout_ms, out, result_r, err);
}
