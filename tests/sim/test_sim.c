/* SPDX-License-Identifier: Apache-2.0 */
/* Lives of one store after another, each decided by a seed; tests/sim/README.md. */
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/life.h"
#include "sim/run.h"

#define SEEDS       500
#define LIVES_MAX   4
#define WORKERS_MAX 16
#define TAIL        12000 /* bytes of the trace that are shown */

static struct world_model *models; /* of each worker */

static void live(void *arg)
{
    const bool *is_last = arg;

    world_make(model->seed);
    life_run(run_dir, *is_last);
}

static int run_seed(uint64_t seed)
{
    unsigned nlives = 2 + (unsigned)(seed % (LIVES_MAX - 1));
    int status = 0;

    run_anew();
    world_forget_all();
    model->seed = seed;
    model->is_tight = seed % 3 == 1;
    model->has_faults = seed % 7 > 4;
    model->has_uncached = seed % 2 == 1;
    model->lost_index = model->has_rotted = false;
    for (model->life = 0; model->life < nlives && status == 0; model->life++) {
        bool is_last = model->life == nlives - 1;

        status = run_life(live, &is_last);
    }
    return status;
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

static void begin(void)
{
    run_begin();
    models = mmap(NULL, WORKERS_MAX * sizeof(*models), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    PG_CHECK(models != MAP_FAILED);
}

/* Every nworkers-th seed. */
static int work(unsigned i, unsigned nworkers, uint64_t first, uint64_t n)
{
    int status = 0;

    model = &models[i];
    run_use(i);
    for (uint64_t k = i; k < n && status == 0; k += nworkers)
        status = run_seed(first + k);
    if (status != 0 || n == 1)
        run_show_trace(n == 1 ? 0 : TAIL);
    if (status != 0)
        (void)printf("\nseed %ju failed in its life %u (status %x). Again, with the whole "
                     "trace:\n    PG_SEED=%ju build/dev/tests/sim.sim\n",
                     (uintmax_t)model->seed, model->life - 1, (unsigned)status,
                     (uintmax_t)model->seed);
    (void)fflush(stdout);
    run_clean();
    return status == 0 ? 0 : 1;
}

int main(void)
{
    uint64_t one = run_number("PG_SEED", 0), first = run_number("PG_SEED_FIRST", 1);
    uint64_t n = one > 0 ? 1 : run_number("PG_SEEDS", SEEDS);
    unsigned nworkers = one > 0 ? 1 : (unsigned)run_number("PG_WORKERS", 2), failed = 0;

    begin();
    PG_CHECK(nworkers > 0 && nworkers <= WORKERS_MAX);
    for (unsigned i = 0; i < nworkers; i++) {
        pid_t pid = fork();

        PG_CHECK(pid >= 0);
        if (pid > 0)
            continue;
        run_end_with_parent();
        _exit(work(i, nworkers, one > 0 ? one : first, n));
    }
    for (unsigned i = 0; i < nworkers; i++) {
        int status;

        PG_CHECK(wait(&status) > 0);
        failed += status != 0;
    }
    if (failed == 0)
        report(nworkers, n);
    run_end();
    return failed == 0 ? 0 : 1;
}
