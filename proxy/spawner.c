/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/spawner_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/fd.h"
#include "proxy/cage_int.h"

/* Where descriptors stand: in the spawner its socket, in a child the way to say why there was no
 * exec. What is handed over is moved up first, so that nothing is overwritten on the way down. */
#define SOCK_FD   3
#define STATUS_FD 3
#define HIGH_FD   16
#define STDIO     3

#define CHILDREN_MAX (SPAWN_RUNNING_MAX + 1) /* and one that was started */

static struct child {
    pid_t pid; /* 0: free */
    uint32_t id;
    int status_fd;
    bool is_started; /* not run: it goes on without us */
} children[CHILDREN_MAX];

/* Strings of its own, and the lists of them that execve() takes. */
struct program {
    char **argv, **env;
    char **reads, **writes; /* of its cage; NULL: it has none */
    bool is_started;
};

static struct program programs[SPAWN_PROGRAMS_MAX];
static size_t nprograms;
static bool sealed;

static int close_from(unsigned first)
{
    return (int)syscall(SYS_close_range, first, ~0U, 0U);
}

/* --- in the child, until it is the helper --- */

static int limit(int what, uint64_t soft, uint64_t hard)
{
    struct rlimit now, then = {.rlim_cur = soft, .rlim_max = hard};

    if (getrlimit(what, &now) < 0)
        return -1;
    if (then.rlim_max > now.rlim_max)
        then.rlim_max = now.rlim_max;
    if (then.rlim_cur > then.rlim_max)
        then.rlim_cur = then.rlim_max;
    return setrlimit(what, &then);
}

/* The address space last: nothing may want memory after it. One more second of CPU between the
 * signal that says why and the one that cannot be ignored. */
static int set_limits(const struct spawner_order *o, bool is_caged)
{
    if (is_caged && limit(RLIMIT_FSIZE, SPAWN_CAGED_FILE, SPAWN_CAGED_FILE) < 0)
        return -1;
    if (limit(RLIMIT_CORE, 0, 0) < 0 || limit(RLIMIT_CPU, o->cpu_s, o->cpu_s + 1) < 0 ||
        limit(RLIMIT_NOFILE, o->files, o->files) < 0)
        return -1;
    return limit(RLIMIT_AS, o->memory_bytes, o->memory_bytes);
}

static int arrange_fds(int fds[STDIO], int status)
{
    for (int i = 0; i < STDIO; i++)
        if ((fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, HIGH_FD)) < 0)
            return -1;
    status = fcntl(status, F_DUPFD_CLOEXEC, HIGH_FD);
    for (int i = 0; i < STDIO; i++)
        if (dup2(fds[i], i) < 0)
            return -1;
    if (dup3(status, STATUS_FD, O_CLOEXEC) < 0)
        return -1;
    return close_from(STATUS_FD + 1);
}

static void forget_signals(void)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int sig = 1; sig < NSIG; sig++)
        (void)sigaction(sig, &plain, NULL); /* KILL and STOP refuse */
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static noreturn void become(const struct spawner_order *o, const struct program *p, int fds[STDIO],
                            int status)
{
    int error;

    forget_signals();
    (void)setpgid(0, 0);
    if (arrange_fds(fds, status) == 0) {
        status = STATUS_FD;
        if ((p->reads == NULL || cage_enter(p->argv[0], p->reads, p->writes) == 0) &&
            set_limits(o, p->reads != NULL) == 0)
            (void)execve(p->argv[0], p->argv, p->env);
    }
    error = errno;
    (void)!write(status, &error, sizeof(error));
    _exit(127);
}

/* The fourth descriptor stands where others have their status; that moves up, and goes with the
 * exec. */
static noreturn void start(const struct program *p, int fds[], int status)
{
    int error;

    forget_signals();
    (void)setsid();
    status = fcntl(status, F_DUPFD_CLOEXEC, HIGH_FD);
    for (int i = 0; i < SPAWNER_FDS_MAX; i++)
        if ((fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, HIGH_FD)) < 0)
            _exit(127);
    for (int i = 0; i < SPAWNER_FDS_MAX; i++)
        if (dup2(fds[i], i) < 0)
            _exit(127);
    (void)syscall(SYS_close_range, SPAWNER_FDS_MAX, ~0U, CLOSE_RANGE_CLOEXEC);
    (void)execve(p->argv[0], p->argv, p->env);
    error = errno;
    (void)!write(status, &error, sizeof(error));
    _exit(127);
}

/* A child whose parent died before the prctl() would never be told. */
static void die_with(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(127);
}

/* --- in the spawner --- */

static noreturn void leave(void)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (children[i].pid > 0 && !children[i].is_started)
            (void)kill(-children[i].pid, SIGKILL);
    _exit(0);
}

static void tell(uint32_t id, enum spawner_how how, int value)
{
    struct spawner_news news = {.id = id, .how = how, .value = value};
    ssize_t n;

    do
        n = send(SOCK_FD, &news, sizeof(news), MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(news))
        leave();
}

static struct child *free_child(void)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (children[i].pid == 0)
            return &children[i];
    PG_BUG("more helpers than the asker may run");
}

static void run(const struct spawner_order *o, int fds[])
{
    struct child *c = free_child();
    const struct program *p = &programs[o->program];
    bool is_started = p->is_started;
    pid_t self = getpid(), pid;
    int status[2];

    if (pipe2(status, O_CLOEXEC | O_NONBLOCK) < 0) {
        tell(o->id, SPAWNER_NOT_RUN, errno);
        return;
    }
    pid = fork();
    if (pid == 0 && is_started)
        start(p, fds, status[1]);
    if (pid == 0) {
        die_with(self);
        become(o, p, fds, status[1]);
    }
    if (pid < 0) {
        tell(o->id, SPAWNER_NOT_RUN, errno);
        pg_fd_close(&status[0]);
    } else {
        if (!is_started)
            (void)setpgid(pid, pid); /* both do it: whoever is first, a kill finds the group */
        *c = (struct child){
            .pid = pid, .id = o->id, .status_fd = status[0], .is_started = is_started};
    }
    pg_fd_close(&status[1]);
}

/* count strings out of the n bytes at *text, which goes on behind them. */
static char **take_strings(const char **text, size_t *n, size_t count)
{
    char **strings = calloc(count + 1, sizeof(*strings));

    PG_CHECK(strings != NULL);
    for (size_t i = 0; i < count; i++) {
        size_t len = strnlen(*text, *n);

        PG_CHECK(len < *n);
        strings[i] = strdup(*text);
        PG_CHECK(strings[i] != NULL);
        *text += len + 1;
        *n -= len + 1;
    }
    return strings;
}

static void permit(const struct spawner_order *o, size_t n)
{
    const char *text = (const char *)(o + 1);
    struct program *p = &programs[nprograms];

    PG_CHECK(!sealed && nprograms < SPAWN_PROGRAMS_MAX);
    PG_CHECK(o->nreads <= SPAWN_PATHS_MAX && o->nwrites <= SPAWN_PATHS_MAX);
    PG_CHECK(o->argc > 0 && o->argc <= SPAWN_STRINGS_MAX && o->envc <= SPAWN_STRINGS_MAX);
    n -= sizeof(*o);
    p->argv = take_strings(&text, &n, o->argc);
    p->env = take_strings(&text, &n, o->envc);
    if (o->is_caged != 0) {
        p->reads = take_strings(&text, &n, o->nreads);
        p->writes = take_strings(&text, &n, o->nwrites);
    }
    p->is_started = o->is_started != 0;
    PG_CHECK(n == 0);
    nprograms++;
}

static void obey(const struct spawner_order *o, size_t n, int fds[], size_t nfds)
{
    PG_CHECK(n >= sizeof(*o));
    if (o->what == SPAWNER_PERMIT) {
        PG_CHECK(nfds == 0);
        permit(o, n);
        return;
    }
    PG_CHECK(n == sizeof(*o));
    if (o->what == SPAWNER_SEAL) {
        sealed = true;
        return;
    }
    PG_CHECK(sealed);
    if (o->what == SPAWNER_RUN || o->what == SPAWNER_START) {
        bool is_started = o->what == SPAWNER_START;

        PG_CHECK(o->program < nprograms && programs[o->program].is_started == is_started);
        PG_CHECK(nfds == (is_started ? SPAWNER_FDS_MAX : STDIO));
        run(o, fds);
        return;
    }
    PG_CHECK(o->what == SPAWNER_KILL && nfds == 0);
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        if (children[i].pid > 0 && children[i].id == o->id)
            (void)kill(children[i].is_started ? children[i].pid : -children[i].pid, SIGKILL);
}

static void take_order(void)
{
    static _Alignas(struct spawner_order) char bytes[SPAWNER_ORDER_MAX];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(SPAWNER_FDS_MAX * sizeof(int))];
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(SOCK_FD, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    const struct cmsghdr *c;
    int fds[SPAWNER_FDS_MAX] = {-1, -1, -1, -1};
    size_t nfds = 0;

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0)
        leave();
    PG_CHECK((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0);
    c = CMSG_FIRSTHDR(&msg);
    if (c != NULL) {
        nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        PG_CHECK(c->cmsg_type == SCM_RIGHTS && nfds <= SPAWNER_FDS_MAX);
        memcpy(fds, CMSG_DATA(c), nfds * sizeof(int));
    }
    obey((const struct spawner_order *)(const void *)bytes, (size_t)n, fds, nfds);
    for (size_t i = 0; i < nfds; i++)
        pg_fd_close(&fds[i]);
}

static void report(struct child *c, int status)
{
    int error;

    if (read(c->status_fd, &error, sizeof(error)) == (ssize_t)sizeof(error))
        tell(c->id, SPAWNER_NOT_RUN, error);
    else if (WIFEXITED(status))
        tell(c->id, SPAWNER_EXITED, WEXITSTATUS(status));
    else
        tell(c->id, SPAWNER_SIGNALED, WTERMSIG(status));
    pg_fd_close(&c->status_fd);
    *c = (struct child){0};
}

/* The group is killed while its dead leader still holds the number: it cannot be another's. Who
 * is no child of ours by birth was left behind by one, and came to us. */
static void reap(void)
{
    for (;;) {
        siginfo_t who = {0};
        struct child *c = NULL;
        int status;

        if (waitid(P_ALL, 0, &who, WEXITED | WNOHANG | WNOWAIT) < 0 || who.si_pid == 0)
            return;
        for (size_t i = 0; i < CHILDREN_MAX; i++)
            if (children[i].pid == who.si_pid)
                c = &children[i];
        if (c != NULL && !c->is_started)
            (void)kill(-c->pid, SIGKILL);
        PG_CHECK(waitpid(who.si_pid, &status, 0) == who.si_pid);
        if (c != NULL)
            report(c, status);
    }
}

/* Signals for the server's group or its service are the server's business: while it drains,
 * helpers go on, and when it ends, so do we. */
static int set_signals(void)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t child;

    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        PG_CHECK(sigaction(ignored[i], &ignore, NULL) == 0);
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    PG_CHECK(sigprocmask(SIG_SETMASK, &child, NULL) == 0);
    return signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Standard error stays: what this process itself has to say goes where the server's words go. */
static void settle(int sock, pid_t parent)
{
    int null;

    die_with(parent);
    (void)setsid();
    PG_CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    PG_CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    (void)prctl(PR_SET_NAME, "pg-spawner");
    (void)umask(077);
    PG_CHECK(chdir("/") == 0);
    sock = fcntl(sock, F_DUPFD_CLOEXEC, HIGH_FD);
    PG_CHECK(sock >= 0 && dup3(sock, SOCK_FD, O_CLOEXEC) == SOCK_FD);
    PG_CHECK(close_from(SOCK_FD + 1) == 0);
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    PG_CHECK(null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0);
    pg_fd_close(&null);
}

void spawner_live(int sock, pid_t parent)
{
    struct pollfd fds[2] = {{.events = POLLIN}, {.events = POLLIN}};

    settle(sock, parent);
    fds[0].fd = SOCK_FD;
    fds[1].fd = set_signals();
    PG_CHECK(fds[1].fd >= 0);
    for (;;) {
        struct signalfd_siginfo info;

        if (poll(fds, 2, -1) < 0) {
            PG_CHECK(errno == EINTR);
            continue;
        }
        if (fds[1].revents != 0) {
            (void)!read(fds[1].fd, &info, sizeof(info));
            reap();
        }
        if (fds[0].revents != 0)
            take_order();
    }
}
