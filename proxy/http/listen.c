/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

#define LISTENERS_MAX 64
#define BATCH         64 /* connections taken of one listener before the next has its turn */
#define PAUSE_MS      20
#define SAY_MS        10000 /* what may come again and again is said so often */

struct listener {
    int fd; /* -1: closed */
    const struct conn_service *service;
    struct tls_server *tls;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; /* "" when not a unix socket */
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
    bool starved;    /* no descriptors */
    uint64_t say_ms; /* not before then is the next news for the log */
};

/* ---- opening ------------------------------------------------------------------------------- */

static int fail_at(struct pg_err *err, const char *address, const char *why)
{
    return pg_fail(err, PG_E_STORE_IO, "cannot listen on %s: %s", address, why);
}

static int fail_bind(struct pg_err *err, const char *address)
{
    switch (errno) {
    case EADDRINUSE:
        return fail_at(
            err, address,
            "the address is in use: another program, or another pullgate, listens there");
    case EACCES:
        return fail_at(err, address,
                       "not permitted: choose a port from 1024 on, or give the right to this one");
    case EADDRNOTAVAIL:
        return fail_at(err, address, "this machine has no such address");
    default:
        return fail_at(err, address, strerrordesc_np(errno));
    }
}

static bool is_port(const char *s)
{
    unsigned long port = 0;
    size_t n = 0;

    for (; s[n] >= '0' && s[n] <= '9' && n < 6; n++)
        port = port * 10 + (unsigned long)(s[n] - '0');
    return n > 0 && s[n] == '\0' && port <= 65535;
}

/* "127.0.0.1:5000", "[::1]:5000": literals only, nothing is asked of a name server. NULL: not so.
 */
static struct addrinfo *parse_address(const char *address)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    const char *colon = strrchr(address, ':');
    struct addrinfo *list = NULL;
    char host[64];
    size_t n = colon != NULL ? (size_t)(colon - address) : 0;
    bool bracketed = n >= 2 && address[0] == '[' && address[n - 1] == ']';

    if (n == 0 || n >= sizeof(host) || !is_port(colon + 1) ||
        (!bracketed && memchr(address, ':', n) != NULL))
        return NULL;
    (void)snprintf(host, sizeof(host), "%.*s", (int)(bracketed ? n - 2 : n),
                   address + (bracketed ? 1 : 0));
    return getaddrinfo(host, colon + 1, &hints, &list) == 0 ? list : NULL;
}

/* A descriptor, or -1. */
static int open_tcp(const char *address, struct pg_err *err)
{
    struct addrinfo *at = parse_address(address);

    if (at == NULL)
        return fail_at(err, address, "not of the form 127.0.0.1:5000 or [::1]:5000");
    _fd_ int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
        bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0) {
        (void)fail_bind(err, address);
        pg_fd_close(&fd);
    }
    freeaddrinfo(at);
    return TAKE_FD(fd);
}

/* A socket that a dead process left behind; of a living one, connecting succeeds. */
static void remove_stale(const struct sockaddr_un *at)
{
    struct stat st;

    if (lstat(at->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    _fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 &&
        errno == ECONNREFUSED)
        (void)unlink(at->sun_path);
}

/* The mode is there from the first moment: the umask makes it, and main is alone. */
static int open_unix(const char *path, struct pg_err *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    mode_t before;
    int r;

    if (strlen(path) >= sizeof(at.sun_path))
        return fail_at(err, path, "the path of a unix socket may not be that long");
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    remove_stale(&at);
    _fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    before = umask(0177);
    r = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&at, sizeof(at));
    (void)umask(before);
    if (r < 0 || listen(fd, SOMAXCONN) < 0)
        return fail_bind(err, path);
    return TAKE_FD(fd);
}

static void name_bound(int fd, const char *address, char bound_r[128])
{
    struct sockaddr_storage at = {0};
    socklen_t n = sizeof(at);
    char host[64], port[8];

    if (address[0] == '/' || getsockname(fd, (struct sockaddr *)&at, &n) < 0 ||
        getnameinfo((struct sockaddr *)&at, n, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        (void)snprintf(bound_r, 128, "%s", address);
    else
        (void)snprintf(bound_r, 128, at.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

int listen_open(struct listen *a, const char *address, const struct conn_service *service,
                struct tls_server *tls, char bound_r[128], struct pg_err *err)
{
    struct listener *l = &a->listeners[a->nlisteners];
    int fd;

    PG_CHECK(!a->running);
    if (a->nlisteners == LISTENERS_MAX)
        return fail_at(err, address, "there are too many listeners");
    fd = address[0] == '/' ? open_unix(address, err) : open_tcp(address, err);
    if (fd < 0)
        return -1;
    *l = (struct listener){.fd = fd, .service = service, .tls = tls};
    if (address[0] == '/')
        (void)snprintf(l->path, sizeof(l->path), "%s", address);
    name_bound(fd, address, bound_r);
    a->nlisteners++;
    return 0;
}

/* ---- accepting ----------------------------------------------------------------------------- */

static bool is_counted(const struct listener *l)
{
    return !l->service->is_admin && !l->service->is_control;
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
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            a->starved = false;
            loop_adopt(least_loaded(a), fd, l->service, l->tls);
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
        bool rests = a->starved || (full && is_counted(l));

        polls[i] = (struct pollfd){.fd = rests ? -1 : l->fd, .events = POLLIN};
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
            if (a->listeners[i].fd >= 0 && (was_starved || polls[i].revents != 0))
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

void listen_drain(struct listen *a, bool keep_admin)
{
    lock(a);
    for (unsigned i = 0; i < a->nlisteners; i++) {
        struct listener *l = &a->listeners[i];

        if (l->fd < 0 || (keep_admin && !is_counted(l)))
            continue;
        /* first: a poll under way on the descriptor ends only so */
        (void)shutdown(l->fd, SHUT_RDWR);
        pg_fd_close(&l->fd);
        if (l->path[0] != '\0')
            (void)unlink(l->path);
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
