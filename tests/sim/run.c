/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/run.h"

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "sim/life.h"

#define LIFE_S 120

static char root[100], trace[140];
char run_dir[140], run_copy[140];

uint64_t run_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe) */

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

/* On a disk that is memory, where there is one. */
void run_begin(void)
{
    (void)snprintf(root, sizeof(root), "%s/pgsim.XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    PG_CHECK(mkdtemp(root) != NULL);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void run_end(void)
{
    (void)nftw(root, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

void run_use(unsigned worker)
{
    (void)snprintf(run_dir, sizeof(run_dir), "%s/store%u", root, worker);
    (void)snprintf(run_copy, sizeof(run_copy), "%s/copy%u", root, worker);
    (void)snprintf(trace, sizeof(trace), "%s/trace%u", root, worker);
}

void run_clean(void)
{
    char note[160];

    (void)nftw(run_dir, remove_one, 32, FTW_DEPTH | FTW_PHYS);
    (void)nftw(run_copy, remove_one, 32, FTW_DEPTH | FTW_PHYS);
    (void)unlink(trace);
    (void)snprintf(note, sizeof(note), "%s.durable", run_dir);
    (void)unlink(note);
}

void run_anew(void)
{
    run_clean();
    PG_CHECK(mkdir(run_dir, 0700) == 0);
}

/* One of its threads runs at a time: on one processor they are faster. */
static void stay_here(void)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    (void)sched_setaffinity(0, sizeof(one), &one);
}

void run_end_with_parent(void)
{
    PG_CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
}

static void begin_life(void)
{
    int fd = open(trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    PG_CHECK(fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    run_end_with_parent();
    (void)alarm(LIFE_S);
    stay_here();
    pg_hash_setup();
}

int run_life(void (*live)(void *arg), void *arg)
{
    pid_t pid = fork();
    int status;

    PG_CHECK(pid >= 0);
    if (pid == 0) {
        begin_life();
        live(arg);
        _exit(1);
    }
    PG_CHECK(waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == LIFE_CRASHED))
        return 0;
    return status;
}

void run_show_trace(uint64_t most)
{
    char p[4096];
    ssize_t n;
    _fd_ int fd = open(trace, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (most > 0 && lseek(fd, 0, SEEK_END) > (off_t)most)
        (void)lseek(fd, -(off_t)most, SEEK_END);
    else
        (void)lseek(fd, 0, SEEK_SET);
    while ((n = read(fd, p, sizeof(p))) > 0)
        if (pg_fd_write(STDOUT_FILENO, p, (size_t)n) < 0)
            return;
}
