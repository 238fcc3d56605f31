/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sched.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "sim/wrap.h"

#define THREADS_MAX 64
#define HELD_MAX    64
#define SEMS_MAX    256
#define NEVER       UINT64_MAX
#define WALL_0_NS   (INT64_C(1700000000) * 1000000000)

enum state { UNUSED, READY, WAITING, ENDED };

struct thread {
    enum state state;
    const void *on;  /* what it waits for; NULL: for the time alone */
    uint64_t due_us; /* NEVER: without a deadline */
    bool timed_out;
    sem_t baton;
    pthread_t real;
    void *(*run)(void *);
    void *arg;
};

struct held {
    const void *mutex;
    unsigned by;
};

struct counted {
    const void *sem;
    unsigned value;
};

static struct {
    bool on;
    uint64_t seed, points, crash_at, mono_us;
    int64_t wall_off_ns;
    unsigned one_in, nthreads, nheld, nsems;
    void (*crash)(void);
    struct thread threads[THREADS_MAX];
    struct held held[HELD_MAX];
    struct counted sems[SEMS_MAX];
} sc;

static _Thread_local unsigned me;

/* ---- chance ---- */

static uint64_t next_random(void)
{
    uint64_t z = (sc.seed += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t sched_chance(uint64_t below)
{
    PG_CHECK(below > 0);
    return next_random() % below;
}

/* ---- who is next ---- */

void sched_say(const char *format, ...)
{
    va_list args;
    char line[512];
    int n = snprintf(line, sizeof(line), "~ %7ju us %5ju. t%u  ", (uintmax_t)sc.mono_us,
                     (uintmax_t)sc.points, me);

    va_start(args, format);
    (void)vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
    va_end(args);
    (void)dprintf(STDERR_FILENO, "%s\n", line);
}

static void give_up(const char *why)
{
    (void)dprintf(STDERR_FILENO, "sched: %s\n", why);
    for (unsigned i = 0; i < sc.nthreads; i++)
        (void)dprintf(STDERR_FILENO, "  t%u state %d on %p due %jd\n", i, (int)sc.threads[i].state,
                      sc.threads[i].on, (intmax_t)sc.threads[i].due_us);
    abort();
}

static bool is_able(struct thread *t)
{
    return t->state == READY || (t->state == WAITING && t->due_us <= sc.mono_us);
}

static void jump_to_next_deadline(void)
{
    uint64_t due = NEVER;

    for (unsigned i = 0; i < sc.nthreads; i++)
        if (sc.threads[i].state == WAITING && sc.threads[i].due_us < due)
            due = sc.threads[i].due_us;
    if (due == NEVER)
        give_up("deadlock: every thread waits, and nothing will come");
    if (due > sc.mono_us)
        sc.mono_us = due;
}

static unsigned pick(void)
{
    unsigned able[THREADS_MAX], n = 0;

    for (;;) {
        for (unsigned i = 0; i < sc.nthreads; i++)
            if (is_able(&sc.threads[i]))
                able[n++] = i;
        if (n > 0)
            return able[sched_chance(n)];
        jump_to_next_deadline();
    }
}

static void take_baton(unsigned who)
{
    while (__real_sem_wait(&sc.threads[who].baton) < 0)
        PG_CHECK(errno == EINTR);
}

static void hand_over(unsigned to)
{
    struct thread *t = &sc.threads[to];

    if (t->state == WAITING) { /* its time came before what it waits for */
        t->state = READY;
        t->timed_out = true;
    }
    t->on = NULL;
    PG_CHECK(__real_sem_post(&t->baton) == 0);
}

static void run_another(void)
{
    unsigned self = me, next = pick();

    hand_over(next);
    take_baton(self);
}

/* True: it was woken; false: the time came first. */
static bool wait_on(const void *on, uint64_t due_us)
{
    struct thread *t = &sc.threads[me];

    t->state = WAITING;
    t->on = on;
    t->due_us = due_us;
    t->timed_out = false;
    run_another();
    return !t->timed_out;
}

static void wake(struct thread *t)
{
    t->state = READY;
    t->due_us = NEVER;
}

static void wake_all(const void *on)
{
    for (unsigned i = 0; i < sc.nthreads; i++)
        if (sc.threads[i].state == WAITING && sc.threads[i].on == on)
            wake(&sc.threads[i]);
}

static void wake_one(const void *on)
{
    unsigned waiting[THREADS_MAX], n = 0;

    for (unsigned i = 0; i < sc.nthreads; i++)
        if (sc.threads[i].state == WAITING && sc.threads[i].on == on)
            waiting[n++] = i;
    if (n > 0)
        wake(&sc.threads[waiting[sched_chance(n)]]);
}

void sched_point(void)
{
    if (!sc.on)
        return;
    if (++sc.points == sc.crash_at)
        sc.crash();
    if (sc.points == SCHED_POINTS_MAX)
        give_up("it goes on for ever");
    sc.mono_us += sched_chance(20);
    if (sched_chance(sc.one_in) == 0)
        run_another();
}

uint64_t sched_points(void)
{
    return sc.points;
}

void sched_crash_in(uint64_t npoints, void (*crash)(void))
{
    sc.crash = crash;
    sc.crash_at = sc.points + npoints;
}

void sched_begin(uint64_t seed, unsigned one_in)
{
    PG_CHECK(!sc.on && one_in > 0);
    sc.seed = seed;
    sc.one_in = one_in;
    sc.mono_us = 5000000;
    sc.nthreads = 1;
    sc.threads[0] = (struct thread){.state = READY, .due_us = NEVER};
    PG_CHECK(__real_sem_init(&sc.threads[0].baton, 0, 0) == 0);
    me = 0;
    sc.on = true;
}

bool sched_is_on(void)
{
    return sc.on;
}

void sched_sleep(uint64_t us)
{
    (void)wait_on(NULL, sc.mono_us + us);
}

bool sched_is_idle(void)
{
    for (unsigned i = 0; i < sc.nthreads; i++)
        if (i != me && sc.threads[i].state == READY)
            return false;
    return true;
}

/* ---- time ---- */

uint64_t sched_mono_us(void)
{
    return sc.mono_us;
}

int64_t sched_wall_ns(void)
{
    return WALL_0_NS + sc.wall_off_ns + (int64_t)sc.mono_us * 1000;
}

void sched_jump_wall(int64_t seconds)
{
    sc.wall_off_ns += seconds * 1000000000;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
    int64_t ns;

    if (!sc.on)
        return __real_clock_gettime(id, t);
    ns = id == CLOCK_MONOTONIC ? (int64_t)sc.mono_us * 1000 : sched_wall_ns();
    t->tv_sec = ns / 1000000000;
    t->tv_nsec = ns % 1000000000;
    return 0;
}

void __wrap_pg_random_bytes(void *p, size_t n)
{
    unsigned char *at = p;

    if (!sc.on) {
        __real_pg_random_bytes(p, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        at[i] = (unsigned char)next_random();
}

int __wrap_sched_yield(void)
{
    if (!sc.on)
        return __real_sched_yield();
    sched_point();
    sched_sleep(50);
    return 0;
}

/* ---- threads ---- */

static void *begin_thread(void *arg)
{
    struct thread *t = arg;
    void *result;

    me = (unsigned)(t - sc.threads);
    take_baton(me);
    result = t->run(t->arg);
    t->state = ENDED;
    wake_all(t);
    hand_over(pick());
    return result;
}

int __wrap_pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg)
{
    struct thread *t;
    unsigned i;

    if (!sc.on)
        return __real_pthread_create(id, attr, run, arg);
    for (i = 1; i < sc.nthreads && sc.threads[i].state != UNUSED; i++)
        ;
    PG_CHECK(i < THREADS_MAX);
    t = &sc.threads[i];
    *t = (struct thread){.state = READY, .due_us = NEVER, .run = run, .arg = arg};
    PG_CHECK(__real_sem_init(&t->baton, 0, 0) == 0);
    if (i == sc.nthreads)
        sc.nthreads++;
    PG_CHECK(__real_pthread_create(&t->real, attr, begin_thread, t) == 0);
    *id = t->real;
    sched_point();
    return 0;
}

int __wrap_pthread_join(pthread_t id, void **result)
{
    struct thread *t = NULL;

    if (!sc.on)
        return __real_pthread_join(id, result);
    for (unsigned i = 1; i < sc.nthreads; i++)
        if (sc.threads[i].state != UNUSED && pthread_equal(sc.threads[i].real, id))
            t = &sc.threads[i];
    PG_CHECK(t != NULL);
    while (t->state != ENDED)
        (void)wait_on(t, NEVER);
    t->state = UNUSED;
    return __real_pthread_join(id, result);
}

/* ---- mutexes and conditions ---- */

static struct held *held_of(const void *mutex)
{
    for (unsigned i = 0; i < sc.nheld; i++)
        if (sc.held[i].mutex == mutex)
            return &sc.held[i];
    return NULL;
}

static void hold(const void *mutex)
{
    struct held *h = held_of(mutex);

    if (h != NULL && h->by == me)
        give_up("a mutex is locked by who holds it");
    while (held_of(mutex) != NULL)
        (void)wait_on(mutex, NEVER);
    PG_CHECK(sc.nheld < HELD_MAX);
    sc.held[sc.nheld++] = (struct held){mutex, me};
}

static void let_go(const void *mutex)
{
    struct held *h = held_of(mutex);

    PG_CHECK(h != NULL && h->by == me);
    *h = sc.held[--sc.nheld];
    wake_all(mutex);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    if (!sc.on)
        return __real_pthread_mutex_lock(mutex);
    sched_point();
    hold(mutex);
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    if (!sc.on)
        return __real_pthread_mutex_unlock(mutex);
    let_go(mutex);
    sched_point();
    return 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    if (!sc.on)
        return __real_pthread_cond_wait(cond, mutex);
    let_go(mutex);
    (void)wait_on(cond, NEVER);
    hold(mutex);
    return 0;
}

static uint64_t us_of(const struct timespec *at)
{
    return (uint64_t)at->tv_sec * 1000000 + (uint64_t)at->tv_nsec / 1000;
}

/* All of ours are of the monotonic clock. */
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                  const struct timespec *at)
{
    bool woken;

    if (!sc.on)
        return __real_pthread_cond_timedwait(cond, mutex, at);
    let_go(mutex);
    woken = wait_on(cond, us_of(at));
    hold(mutex);
    return woken ? 0 : ETIMEDOUT;
}

int __wrap_pthread_cond_signal(pthread_cond_t *cond)
{
    if (!sc.on)
        return __real_pthread_cond_signal(cond);
    wake_one(cond);
    return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *cond)
{
    if (!sc.on)
        return __real_pthread_cond_broadcast(cond);
    wake_all(cond);
    return 0;
}

/* ---- semaphores ---- */

static struct counted *count_of(const void *sem)
{
    for (unsigned i = 0; i < sc.nsems; i++)
        if (sc.sems[i].sem == sem)
            return &sc.sems[i];
    PG_BUG("a semaphore that was not made");
}

int __wrap_sem_init(sem_t *sem, int shared, unsigned value)
{
    if (!sc.on)
        return __real_sem_init(sem, shared, value);
    PG_CHECK(sc.nsems < SEMS_MAX);
    sc.sems[sc.nsems++] = (struct counted){sem, value};
    return 0;
}

int __wrap_sem_destroy(sem_t *sem)
{
    struct counted *c;

    if (!sc.on)
        return __real_sem_destroy(sem);
    c = count_of(sem);
    *c = sc.sems[--sc.nsems];
    return 0;
}

int __wrap_sem_post(sem_t *sem)
{
    if (!sc.on)
        return __real_sem_post(sem);
    count_of(sem)->value++;
    wake_one(sem);
    sched_point();
    return 0;
}

static bool take_one(const void *sem, uint64_t due_us)
{
    while (count_of(sem)->value == 0)
        if (!wait_on(sem, due_us))
            return false;
    count_of(sem)->value--;
    return true;
}

int __wrap_sem_wait(sem_t *sem)
{
    if (!sc.on)
        return __real_sem_wait(sem);
    sched_point();
    (void)take_one(sem, NEVER);
    return 0;
}

int __wrap_sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *at)
{
    if (!sc.on)
        return __real_sem_clockwait(sem, clock, at);
    PG_CHECK(clock == CLOCK_MONOTONIC);
    sched_point();
    if (take_one(sem, us_of(at)))
        return 0;
    errno = ETIMEDOUT;
    return -1;
}
