/* SPDX-License-Identifier: Apache-2.0 */
/* Lives of one store after another, each decided by a seed; tests/sim/README.md. */
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/log.h"
#include "sim/life.h"

#define SEEDS       500
#define LIVES_MAX   4
#define LIFE_S      120
#define WORKERS_MAX 16
#define TAIL        12000 /* bytes of the trace that are shown */

static char root[100], dir[140], trace[140];
static struct world_model *models; /* of each worker */

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe) */

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void clean(void)
{
    (void)nftw(dir, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

/* One of its threads runs at a time: on one processor they are faster. */
static void stay_here(void)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    (void)sched_setaffinity(0, sizeof(one), &one);
}

static void live(bool is_last)
{
    int fd = open(trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    PG_CHECK(fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    (void)alarm(LIFE_S);
    stay_here();
    pg_hash_setup();
    world_make(model->seed);
    life_run(dir, is_last);
}

/* 0, or how the process ended. */
static int live_in_child(bool is_last)
{
    pid_t pid = fork();
    int status;

    PG_CHECK(pid >= 0);
    if (pid == 0)
        live(is_last);
    PG_CHECK(waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == LIFE_CRASHED))
        return 0;
    return status;
}

static int run_seed(uint64_t seed)
{
    unsigned nlives = 2 + (unsigned)(seed % (LIVES_MAX - 1));
    int status = 0;

    clean();
    (void)unlink(trace);
    PG_CHECK(mkdir(dir, 0700) == 0);
    world_forget_all();
    model->seed = seed;
    model->is_tight = seed % 3 == 1;
    model->has_faults = seed % 7 > 4;
    model->has_uncached = seed % 2 == 1;
    model->lost_index = model->has_rotted = false;
    for (model->life = 0; model->life < nlives && status == 0; model->life++)
        status = live_in_child(model->life == nlives - 1);
    return status;
}

static void show_trace(uint64_t most)
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

#define SUM(n, what) sum_of(n, offsetof(struct world_model, what))

static uintmax_t sum_of(unsigned n, size_t at)
{
    uintmax_t sum = 0;

    for (unsigned i = 0; i < n; i++)
        sum += *(const uint64_t *)((const char *)&models[i] + at);
    return sum;
}

static void report(unsigned n, uint64_t nseeds)
{
    (void)printf("%ju seeds, %ju lives, %ju crashes, %ju faults, %ju purges\n", (uintmax_t)nseeds,
                 SUM(n, lives), SUM(n, crashes), SUM(n, faults), SUM(n, purged));
    (void)printf("pulls: %ju whole, %ju cut, %ju hits, %ju joined, %ju refused; %ju of upstream's "
                 "bodies were wrong\n",
                 SUM(n, whole), SUM(n, cut), SUM(n, hits), SUM(n, joined), SUM(n, refused),
                 SUM(n, wrong));
}

/* A directory on a disk that is memory, where there is one. */
static void begin(void)
{
    (void)snprintf(root, sizeof(root), "%s/pgsim.XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    PG_CHECK(mkdtemp(root) != NULL);
    models = mmap(NULL, WORKERS_MAX * sizeof(*models), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    PG_CHECK(models != MAP_FAILED);
}

/* Every nworkers-th seed. */
static int work(unsigned i, unsigned nworkers, uint64_t first, uint64_t n)
{
    int status = 0;

    model = &models[i];
    (void)snprintf(dir, sizeof(dir), "%s/store%u", root, i);
    (void)snprintf(trace, sizeof(trace), "%s/trace%u", root, i);
    for (uint64_t k = i; k < n && status == 0; k += nworkers)
        status = run_seed(first + k);
    if (status != 0 || n == 1)
        show_trace(n == 1 ? 0 : TAIL);
    if (status != 0)
        (void)printf("\nseed %ju failed in its life %u (status %x). Again, with the whole "
                     "trace:\n    PG_SEED=%ju build/dev/tests/sim.sim\n",
                     (uintmax_t)model->seed, model->life - 1, (unsigned)status,
                     (uintmax_t)model->seed);
    (void)fflush(stdout);
    clean();
    (void)unlink(trace);
    return status == 0 ? 0 : 1;
}

int main(void)
{
    uint64_t one = number_of("PG_SEED", 0), first = number_of("PG_SEED_FIRST", 1);
    uint64_t n = one > 0 ? 1 : number_of("PG_SEEDS", SEEDS);
    unsigned nworkers = one > 0 ? 1 : (unsigned)number_of("PG_WORKERS", 2), failed = 0;

    begin();
    PG_CHECK(nworkers > 0 && nworkers <= WORKERS_MAX);
    for (unsigned i = 0; i < nworkers; i++) {
        pid_t pid = fork();

        PG_CHECK(pid >= 0);
        if (pid == 0)
            _exit(work(i, nworkers, one > 0 ? one : first, n));
    }
    for (unsigned i = 0; i < nworkers; i++) {
        int status;

        PG_CHECK(wait(&status) > 0);
        failed += status != 0;
    }
    if (failed == 0)
        report(nworkers, n);
    (void)rmdir(root);
    return failed == 0 ? 0 : 1;
}
