/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/listen.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#define LISTENERS_MAX 64
#define BATCH         64 /* connections taken of one listener before the next has its turn */
#define PAUSE_MS      20
#define SAY_MS        10000 /* what may come again and again is said so often */

struct listener {
    struct socket_bound socket; /* its fd is -1 once it is closed */
    const struct conn_door *door;
};

struct listen {
    struct loop **loops;
    unsigned nloops, nlisteners;
    struct listener listeners[LISTENERS_MAX];
    _Atomic uint64_t connections_max;
    pthread_t thread;
    pthread_mutex_t lock; /* around the listeners' descriptors: drain closes, the thread accepts */
    int wake_fd;
    atomic_bool stopping;
    bool running;
    bool paused;     /* under the lock */
    bool starved;    /* no descriptors */
    uint64_t say_ms; /* not before then is the next news for the log */
};

/* ---- opening ------------------------------------------------------------------------------- */

int listen_open(struct listen *a, const struct socket_want *want, const struct conn_door *door,
                char bound_r[SOCKET_BOUND_MAX], struct pg_err *err)
{
    struct listener *l = &a->listeners[a->nlisteners];

    PG_CHECK(!a->running);
    if (a->nlisteners == LISTENERS_MAX)
        return pg_fail(err, PG_E_STORE_IO, "cannot listen on %s: there are too many listeners",
                       want->address);
    if (socket_open(want, &l->socket, err) < 0)
        return -1;
    l->door = door;
    memcpy(bound_r, l->socket.address, SOCKET_BOUND_MAX);
    a->nlisteners++;
    return 0;
}

/* ---- accepting ----------------------------------------------------------------------------- */

static bool is_counted(const struct listener *l)
{
    return !l->door->service->is_admin && !l->door->service->is_control;
}

static uint64_t count(const struct listen *a)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < a->nloops; i++)
        n += atomic_load_explicit(&a->loops[i]->nconns, memory_order_relaxed);
    return n;
}

static struct loop *least_loaded(const struct listen *a)
{
    struct loop *best = a->loops[0];

    for (unsigned i = 1; i < a->nloops; i++) {
        if (atomic_load_explicit(&a->loops[i]->nconns, memory_order_relaxed) <
            atomic_load_explicit(&best->nconns, memory_order_relaxed))
            best = a->loops[i];
    }
    return best;
}

static void say(struct listen *a, const char *what)
{
    uint64_t now = pg_clock_mono_ms();

    if (now < a->say_ms)
        return;
    a->say_ms = now + SAY_MS;
    pg_log_say(PG_LOG_WARN, PG_LOG_LOOP, "new clients wait: %s", what);
}

static bool is_full(struct listen *a)
{
    return count(a) >= atomic_load(&a->connections_max);
}

/* Without descriptors a connection stays in the kernel's queue; it is asked for again soon. */
static void accept_some(struct listen *a, struct listener *l)
{
    for (int i = 0; i < BATCH && (!is_counted(l) || !is_full(a)); i++) {
        int fd = accept4(l->socket.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            a->starved = false;
            if (l->door->take != NULL)
                l->door->take(l->door->owner, fd);
            else
                loop_adopt(least_loaded(a), fd, l->door);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            say(a, strerrordesc_np(errno));
            a->starved = true;
            return;
        }
        if (errno == EAGAIN)
            return;
        /* anything else is that connection's trouble, not the listener's (accept(2)) */
    }
}

/* Which listeners to poll now; the last is the wake-up. */
static int choose(struct listen *a, struct pollfd *polls)
{
    bool full = is_full(a);

    if (full)
        say(a, "limits.connections is reached");
    for (unsigned i = 0; i < a->nlisteners; i++) {
        struct listener *l = &a->listeners[i];
        bool rests = a->paused || a->starved || (full && is_counted(l));

        polls[i] = (struct pollfd){.fd = rests ? -1 : l->socket.fd, .events = POLLIN};
    }
    polls[a->nlisteners] = (struct pollfd){.fd = a->wake_fd, .events = POLLIN};
    return full || a->starved ? PAUSE_MS : -1;
}

static void lock(struct listen *a)
{
    PG_CHECK(pthread_mutex_lock(&a->lock) == 0);
}

static void unlock(struct listen *a)
{
    PG_CHECK(pthread_mutex_unlock(&a->lock) == 0);
}

static void *work(void *arg)
{
    struct listen *a = arg;
    struct pollfd polls[LISTENERS_MAX + 1];

    (void)pthread_setname_np(pthread_self(), "pg-accept");
    while (!atomic_load(&a->stopping)) {
        uint64_t rung;
        int timeout;
        bool was_starved;

        lock(a);
        timeout = choose(a, polls);
        unlock(a);
        (void)poll(polls, a->nlisteners + 1, timeout);
        if (polls[a->nlisteners].revents != 0)
            (void)!read(a->wake_fd, &rung, sizeof(rung));
        was_starved = a->starved;
        lock(a);
        for (unsigned i = 0; i < a->nlisteners; i++) {
            if (a->listeners[i].socket.fd >= 0 && !a->paused &&
                (was_starved || polls[i].revents != 0))
                accept_some(a, &a->listeners[i]);
        }
        unlock(a);
    }
    return NULL;
}

static void wake(struct listen *a)
{
    (void)!write(a->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
}

/* ---- life ---------------------------------------------------------------------------------- */

struct listen *listen_new(struct loop **loops, unsigned nloops, uint64_t connections_max)
{
    struct listen *a = calloc(1, sizeof(*a));

    PG_CHECK(a != NULL && nloops > 0);
    a->loops = loops;
    a->nloops = nloops;
    atomic_init(&a->connections_max, connections_max);
    PG_CHECK(pthread_mutex_init(&a->lock, NULL) == 0);
    a->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    PG_CHECK(a->wake_fd >= 0);
    return a;
}

void listen_start(struct listen *a)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    PG_CHECK(pthread_create(&a->thread, NULL, work, a) == 0);
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    a->running = true;
}

void listen_limit(struct listen *a, uint64_t connections_max)
{
    atomic_store(&a->connections_max, connections_max);
    wake(a);
}

void listen_pause(struct listen *a, bool pauses)
{
    lock(a);
    a->paused = pauses;
    unlock(a);
    wake(a);
}

bool listen_share(const struct listen *a, unsigned no, struct socket_bound *bound_r)
{
    if (no >= a->nlisteners)
        return false;
    *bound_r = a->listeners[no].socket;
    return true;
}

void listen_bequeath(struct listen *a)
{
    lock(a);
    for (unsigned i = 0; i < a->nlisteners; i++) {
        a->listeners[i].socket.is_passed = true;
        a->listeners[i].socket.path[0] = '\0';
    }
    unlock(a);
    listen_drain(a, false);
}

void listen_drain(struct listen *a, bool keep_admin)
{
    lock(a);
    for (unsigned i = 0; i < a->nlisteners; i++) {
        struct listener *l = &a->listeners[i];

        if (l->socket.fd < 0 || (keep_admin && !is_counted(l)))
            continue;
        /* at once, also while the acceptor polls it; what systemd holds too goes on for the next
         * process, which finds there who comes from now on */
        if (!l->socket.is_passed)
            (void)shutdown(l->socket.fd, SHUT_RDWR);
        pg_fd_close(&l->socket.fd);
        if (l->socket.path[0] != '\0')
            (void)unlink(l->socket.path);
    }
    unlock(a);
    wake(a);
}

void listen_stop(struct listen *a)
{
    atomic_store(&a->stopping, true);
    listen_drain(a, false);
    if (a->running)
        PG_CHECK(pthread_join(a->thread, NULL) == 0);
    pg_fd_close(&a->wake_fd);
    PG_CHECK(pthread_mutex_destroy(&a->lock) == 0);
    free(a);
}
