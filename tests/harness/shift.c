/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shift - preloaded into the server by e2e tests: its clocks are those of the machine and so many
 * seconds, which the test writes into the file $PG_SHIFT as two int64_t: of the wall clock, of the
 * monotonic clock. Deadlines that are handed to the kernel are taken back by as much.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("PG_SHIFT");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map =
        fd >= 0 ? mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

    if (fd >= 0)
        (void)close(fd);
    shift = map == MAP_FAILED ? NULL : map;
}

static int64_t of(clockid_t id)
{
    if (shift == NULL)
        return 0;
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
        return shift[0];
    return id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE ? shift[1] : 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int clock_gettime(clockid_t id, struct timespec *t)
{
    static __typeof__(&clock_gettime) real;
    int rc;

    if (real == NULL)
        real = REAL(clock_gettime);
    rc = real(id, t);
    if (rc == 0)
        t->tv_sec += of(id);
    return rc;
}

int sem_clockwait(sem_t *sem, clockid_t id, const struct timespec *until)
{
    struct timespec at = *until;

    at.tv_sec -= of(id);
    return REAL(sem_clockwait)(sem, id, &at);
}

int sem_timedwait(sem_t *sem, const struct timespec *until)
{
    struct timespec at = *until;

    at.tv_sec -= of(CLOCK_REALTIME);
    return REAL(sem_timedwait)(sem, &at);
}

/* The server's conditions have the monotonic clock. */
int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                           const struct timespec *until)
{
    struct timespec at = *until;

    at.tv_sec -= of(CLOCK_MONOTONIC);
    return ((int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))dlvsym(
        RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2"))(cond, lock, &at);
}
