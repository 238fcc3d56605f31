/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "proxy/cage_int.h"
#include "proxy/spawn_list_int.h"
#include "proxy/spawner_int.h"

#define READ_BYTES  16384
#define READS_MAX   64   /* of what a dead helper left in a pipe; the kernel's default is 64 KiB */
#define GIVE_UP_MS  5000 /* from the kill on: a helper that the kernel cannot end */
#define POLLED_MAX  (2 + 3 * SPAWN_RUNNING_MAX)
#define PARENT_SIDE 0
#define CHILD_SIDE  1

/* One helper. Its place is free again when the spawner has told its end, even if the request was
 * given up before. */
struct run {
    uint32_t id;              /* 0: free */
    struct spawn_request *rq; /* NULL: given up */
    int in, out, err;         /* -1: closed */
    size_t written;
    uint64_t until_ms; /* the deadline; once it is being killed, when to give up */
    bool killed, kill_sent;
};

struct spawn {
    pid_t pid;
    int sock; /* -1: the spawner is gone, and was waited for */
    int wake_fd;
    unsigned running_max, running, nwaiting;
    uint32_t last_id;
    bool started, blocked; /* the socket took no more */
    atomic_bool ending, lost;
    pthread_t thread;
    struct pg_mailbox box;
    struct pg_list waiting;
    struct run runs[SPAWN_RUNNING_MAX];
    struct spawn_list programs;
};

/* --- the end of a request --- */

static void on_delivered(struct pg_mail *mail)
{
    struct spawn_request *rq = pg_container_of(mail, struct spawn_request, mail);

    rq->done(rq);
}

static void finish(struct spawn_request *rq)
{
    PG_CHECK((rq->exit_code >= 0) == (rq->err.kind == PG_E_NONE));
    PG_CHECK(pg_list_empty(&rq->link));
    rq->mail = (struct pg_mail){.deliver = on_delivered};
    if (rq->home != NULL)
        pg_mailbox_post(rq->home, &rq->mail);
    else
        rq->done(rq);
}

static void close_pipes(struct run *r)
{
    pg_fd_close(&r->in);
    pg_fd_close(&r->out);
    pg_fd_close(&r->err);
}

static void finish_run(struct run *r)
{
    struct spawn_request *rq = r->rq;

    close_pipes(r);
    r->rq = NULL;
    if (rq != NULL)
        finish(rq);
}

static void free_run(struct spawn *s, struct run *r)
{
    finish_run(r);
    *r = (struct run){.in = -1, .out = -1, .err = -1};
    PG_CHECK(s->running > 0);
    s->running--;
}

/* The request's err says why. Its output is not wanted any more, what it complains of is. */
static void kill_run(struct run *r)
{
    PG_CHECK(!r->killed && r->rq->err.kind != PG_E_NONE);
    r->killed = true;
    r->until_ms = pg_clock_mono_ms() + GIVE_UP_MS;
    pg_fd_close(&r->in);
    pg_fd_close(&r->out);
}

/* --- a start --- */

static int make_order(struct spawn *s, struct spawn_request *rq, uint32_t id,
                      struct spawner_order *o_r)
{
    int no = spawn_list_find(&s->programs, rq->argv);

    if (no < 0) {
        (void)pg_fail(&rq->err, PG_E_INTERNAL,
                      "a helper program that was not known when this server started is not run; "
                      "an upgrade or a restart takes it in");
        return rq->argv[0] != NULL ? pg_detail(&rq->err, "%s", rq->argv[0]) : -1;
    }
    *o_r = (struct spawner_order){.what = SPAWNER_RUN,
                                  .id = id,
                                  .program = (uint32_t)no,
                                  .cpu_s = rq->limits.cpu_s,
                                  .memory_bytes = rq->limits.memory_bytes,
                                  .files = rq->limits.files};
    return 0;
}

static int make_pipe(int ends[2], bool child_reads, struct pg_err *err)
{
    int p[2];

    if (PG_FAULT("spawn.pipe") || pipe2(p, O_CLOEXEC) < 0) {
        int code = errno;

        (void)pg_fail(err, PG_E_INTERNAL, "a helper program could not be run");
        return pg_detail(err, "pipe: %s", strerror(code));
    }
    ends[PARENT_SIDE] = p[child_reads ? 1 : 0];
    ends[CHILD_SIDE] = p[child_reads ? 0 : 1];
    PG_CHECK(fcntl(ends[PARENT_SIDE], F_SETFL, O_NONBLOCK) == 0);
    return 0;
}

/* 1: sent; 0: the socket is full, later; -1: the spawner is gone, as reading will show. */
static int send_order(struct spawn *s, const struct spawner_order *o, const int *fds, size_t nfds)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(SPAWNER_FDS_MAX * sizeof(int))] = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)o, .iov_len = sizeof(*o)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t sent;

    if (nfds > 0) {
        struct cmsghdr *c;

        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
    }
    sent = sendmsg(s->sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0)
        return 1;
    s->blocked = errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ETOOMANYREFS;
    return s->blocked ? 0 : -1;
}

static struct run *free_place(struct spawn *s)
{
    for (size_t i = 0; i < SPAWN_RUNNING_MAX; i++)
        if (s->runs[i].id == 0)
            return &s->runs[i];
    PG_BUG("more helpers than places");
}

static uint32_t next_id(struct spawn *s)
{
    s->last_id++;
    if (s->last_id == SPAWNER_LAUNCHED) /* after four thousand million: 0 means none */
        s->last_id = 1;
    return s->last_id;
}

/* 1: it runs; 0: the socket is full, later; -1: rq->err says why not. */
static int start_run(struct spawn *s, struct spawn_request *rq)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1}, rc = -1;
    uint32_t id = next_id(s);
    struct spawner_order o;

    if (make_order(s, rq, id, &o) == 0 && make_pipe(in, true, &rq->err) == 0 &&
        make_pipe(out, false, &rq->err) == 0 && make_pipe(err, false, &rq->err) == 0) {
        const int fds[3] = {in[CHILD_SIDE], out[CHILD_SIDE], err[CHILD_SIDE]};

        rc = send_order(s, &o, fds, 3);
        if (rc < 0)
            (void)pg_fail(&rq->err, PG_E_INTERNAL, "what runs helper programs has ended");
    }
    if (rc > 0) {
        *free_place(s) = (struct run){.id = id,
                                      .rq = rq,
                                      .in = TAKE_FD(in[PARENT_SIDE]),
                                      .out = TAKE_FD(out[PARENT_SIDE]),
                                      .err = TAKE_FD(err[PARENT_SIDE]),
                                      .until_ms = pg_clock_mono_ms() + rq->limits.time_ms};
        s->running++;
    }
    for (int i = 0; i < 2; i++) {
        pg_fd_close(&in[i]);
        pg_fd_close(&out[i]);
        pg_fd_close(&err[i]);
    }
    return rc;
}

static void start_waiting(struct spawn *s)
{
    while (!s->blocked && s->running < s->running_max && !pg_list_empty(&s->waiting)) {
        struct spawn_request *rq = pg_container_of(s->waiting.next, struct spawn_request, link);
        int rc = start_run(s, rq);

        if (rc == 0)
            return;
        pg_list_remove(&rq->link);
        s->nwaiting--;
        if (rc < 0)
            finish(rq);
    }
}

/* --- its pipes --- */

static void feed(struct run *r)
{
    struct sl left = {r->rq->input.p + r->written, r->rq->input.n - r->written};
    ssize_t n = left.n > 0 ? write(r->in, left.p, left.n) : 0;

    if (n > 0)
        r->written += (size_t)n;
    else if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0 || r->written == r->rq->input.n) /* it need not read all of it */
        pg_fd_close(&r->in);
}

/* A read; false: nothing more now, or ever, and then the descriptor is closed. */
static bool take(int *fd, char *bytes, size_t *n_r)
{
    ssize_t n;

    if (*fd < 0)
        return false;
    n = read(*fd, bytes, READ_BYTES);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        pg_fd_close(fd);
    *n_r = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static bool take_output(struct run *r)
{
    char bytes[READ_BYTES];
    size_t n;

    if (!take(&r->out, bytes, &n))
        return false;
    if (pg_buf_put(&r->rq->output, (struct sl){bytes, n}) == 0)
        return true;
    (void)pg_fail(&r->rq->err, PG_E_INTERNAL, "a helper program wrote more than %zu bytes",
                  r->rq->limits.output_bytes);
    kill_run(r);
    return false;
}

static bool take_complaint(struct run *r)
{
    struct spawn_request *rq = r->rq;
    char bytes[READ_BYTES];
    size_t n, keep;
    const char *from = bytes;

    if (!take(&r->err, bytes, &n))
        return false;
    if (n > SPAWN_TAIL_MAX) {
        from += n - SPAWN_TAIL_MAX;
        n = SPAWN_TAIL_MAX;
    }
    keep = rq->ntail < SPAWN_TAIL_MAX - n ? rq->ntail : SPAWN_TAIL_MAX - n;
    memmove(rq->tail, rq->tail + rq->ntail - keep, keep);
    memcpy(rq->tail + keep, from, n);
    rq->ntail = keep + n;
    return true;
}

/* --- news from the spawner --- */

static void not_run(struct spawn_request *rq, int code)
{
    (void)pg_fail(&rq->err, PG_E_INTERNAL, "a helper program could not be run");
    (void)pg_detail(&rq->err, "%s: %s", rq->argv[0], strerror(code));
}

static void conclude(struct spawn_request *rq, const struct spawner_news *news)
{
    if (rq->err.kind != PG_E_NONE) /* what it was killed for */
        return;
    if (news->how == SPAWNER_EXITED) {
        rq->exit_code = news->value;
    } else if (news->how == SPAWNER_NOT_RUN) {
        not_run(rq, news->value);
    } else if (news->value == SIGXCPU) {
        (void)pg_fail(&rq->err, PG_E_TIMEOUT, "a helper program took more than %u s of CPU time",
                      rq->limits.cpu_s);
    } else {
        (void)pg_fail(&rq->err, PG_E_INTERNAL, "a helper program was ended by a signal");
        (void)pg_detail(&rq->err, "%s: signal %d", rq->argv[0], (int)news->value);
    }
}

/* It is dead, so what it wrote is in the pipes. Their end may never come: a child of its own may
 * have left the group and hold them. */
static void end_run(struct spawn *s, struct run *r, const struct spawner_news *news)
{
    if (r->rq != NULL) {
        for (int i = 0; i < READS_MAX && take_complaint(r); i++)
            ;
        for (int i = 0; i < READS_MAX && take_output(r); i++)
            ;
        conclude(r->rq, news);
    }
    free_run(s, r);
}

/* It ends with its socket; we may not kill (proxy/sandbox_calls.h). */
static void lose_spawner(struct spawn *s)
{
    int status = 0;

    atomic_store(&s->lost, true);
    pg_fd_close(&s->sock);
    PG_CHECK(waitpid(s->pid, &status, 0) == s->pid);
    if (!atomic_load(&s->ending))
        pg_log_say(PG_LOG_ERROR, PG_LOG_HELPER,
                   "the spawner has ended, wait status %#x: no helper runs until a restart",
                   (unsigned)status);
}

static void launch_ended(const struct spawner_news *news)
{
    if (news->how == SPAWNER_NOT_RUN)
        pg_log_say(PG_LOG_ERROR, PG_LOG_HELPER, "the program cannot be run: %s",
                   strerror(news->value));
    else
        pg_log_say(PG_LOG_WARN, PG_LOG_HELPER, "the program that was started has ended: %s %d",
                   news->how == SPAWNER_EXITED ? "status" : "signal", (int)news->value);
}

static void take_news(struct spawn *s)
{
    for (;;) {
        struct spawner_news news;
        ssize_t n = recv(s->sock, &news, sizeof(news), MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n != (ssize_t)sizeof(news)) {
            lose_spawner(s);
            return;
        }
        if (news.id == SPAWNER_LAUNCHED)
            launch_ended(&news);
        for (size_t i = 0; i < SPAWN_RUNNING_MAX; i++)
            if (s->runs[i].id == news.id && news.id != 0)
                end_run(s, &s->runs[i], &news);
    }
}

/* --- the thread --- */

static void on_submitted(struct pg_mail *mail)
{
    struct spawn_request *rq = pg_container_of(mail, struct spawn_request, mail);
    struct spawn *s = rq->spawn;

    if (s->nwaiting == SPAWN_WAITING_MAX) {
        (void)pg_fail(&rq->err, PG_E_TOO_MANY_REQUESTS, "too many helper programs are waiting");
        finish(rq);
        return;
    }
    pg_list_push(&s->waiting, &rq->link);
    s->nwaiting++;
}

static bool is_stopped(struct spawn_request *rq)
{
    if (!atomic_load(&rq->stopped))
        return false;
    (void)pg_fail(&rq->err, PG_E_CANCELED, "a helper program was stopped");
    return true;
}

static void look_for_stopped(struct spawn *s)
{
    pg_list_each_safe (it, tmp, &s->waiting) {
        struct spawn_request *rq = pg_container_of(it, struct spawn_request, link);

        if (is_stopped(rq)) {
            pg_list_remove(it);
            s->nwaiting--;
            finish(rq);
        }
    }
    for (size_t i = 0; i < SPAWN_RUNNING_MAX; i++) {
        struct run *r = &s->runs[i];

        if (r->rq != NULL && !r->killed && is_stopped(r->rq))
            kill_run(r);
    }
}

static void look_at_clock(struct spawn *s)
{
    uint64_t now_ms = pg_clock_mono_ms();

    for (size_t i = 0; i < SPAWN_RUNNING_MAX; i++) {
        struct run *r = &s->runs[i];

        if (r->rq == NULL || now_ms < r->until_ms)
            continue;
        if (r->killed) {
            finish_run(r);
            continue;
        }
        (void)pg_fail(&r->rq->err, PG_E_TIMEOUT, "a helper program took more than %u ms",
                      r->rq->limits.time_ms);
        kill_run(r);
    }
}

static void send_kills(struct spawn *s)
{
    for (size_t i = 0; i < SPAWN_RUNNING_MAX && !s->blocked; i++) {
        struct run *r = &s->runs[i];
        struct spawner_order o = {.what = SPAWNER_KILL, .id = r->id};

        if (!r->killed || r->kill_sent)
            continue;
        r->kill_sent = send_order(s, &o, NULL, 0) != 0;
    }
}

static void add(struct pollfd *fds, size_t *n, int fd, short events)
{
    if (fd >= 0)
        fds[(*n)++] = (struct pollfd){.fd = fd, .events = events};
}

/* Returns how many; *wait_ms_r is -1 or the time to the next deadline. */
static size_t gather(const struct spawn *s, struct pollfd fds[POLLED_MAX], int *wait_ms_r)
{
    uint64_t now_ms = pg_clock_mono_ms(), next_ms = UINT64_MAX;
    size_t n = 0;

    add(fds, &n, s->wake_fd, POLLIN);
    add(fds, &n, s->sock, (short)(s->blocked ? POLLIN | POLLOUT : POLLIN));
    for (size_t i = 0; i < SPAWN_RUNNING_MAX; i++) {
        const struct run *r = &s->runs[i];

        if (r->rq == NULL)
            continue;
        add(fds, &n, r->in, POLLOUT);
        add(fds, &n, r->out, POLLIN);
        add(fds, &n, r->err, POLLIN);
        next_ms = r->until_ms < next_ms ? r->until_ms : next_ms;
    }
    *wait_ms_r = -1;
    if (next_ms != UINT64_MAX) {
        uint64_t wait_ms = next_ms > now_ms ? next_ms - now_ms : 0;

        *wait_ms_r = wait_ms < INT32_MAX ? (int)wait_ms : INT32_MAX;
    }
    return n;
}

static short seen(const struct pollfd *fds, size_t n, int fd)
{
    for (size_t i = 0; i < n && fd >= 0; i++)
        if (fds[i].fd == fd)
            return fds[i].revents;
    return 0;
}

static void move_bytes(struct spawn *s, const struct pollfd *fds, size_t n)
{
    for (size_t i = 0; i < SPAWN_RUNNING_MAX; i++) {
        struct run *r = &s->runs[i];

        if (r->rq == NULL)
            continue;
        if (seen(fds, n, r->in) != 0)
            feed(r);
        if (seen(fds, n, r->err) != 0)
            (void)take_complaint(r);
        if (seen(fds, n, r->out) != 0)
            (void)take_output(r);
    }
}

static void fail_all(struct spawn *s, enum pg_ekind kind, const char *why)
{
    for (size_t i = 0; i < SPAWN_RUNNING_MAX; i++) {
        struct run *r = &s->runs[i];

        if (r->rq != NULL && r->rq->err.kind == PG_E_NONE)
            (void)pg_fail(&r->rq->err, kind, "%s", why);
        if (r->id != 0)
            free_run(s, r);
    }
    pg_list_each_safe (it, tmp, &s->waiting) {
        struct spawn_request *rq = pg_container_of(it, struct spawn_request, link);

        pg_list_remove(it);
        s->nwaiting--;
        (void)pg_fail(&rq->err, kind, "%s", why);
        finish(rq);
    }
}

static void turn(struct spawn *s)
{
    struct pollfd fds[POLLED_MAX];
    uint64_t rung;
    int wait_ms;
    size_t n = gather(s, fds, &wait_ms);

    if (poll(fds, n, wait_ms) < 0) {
        PG_CHECK(errno == EINTR);
        return;
    }
    if (seen(fds, n, s->wake_fd) != 0)
        (void)!read(s->wake_fd, &rung, sizeof(rung));
    (void)pg_mailbox_drain(&s->box);
    move_bytes(s, fds, n);
    if (seen(fds, n, s->sock) != 0) {
        s->blocked = false;
        take_news(s);
    }
    if (s->sock < 0) {
        fail_all(s, PG_E_INTERNAL, "what runs helper programs has ended");
        return;
    }
    look_for_stopped(s);
    look_at_clock(s);
    send_kills(s);
    start_waiting(s);
}

static void *live(void *arg)
{
    struct spawn *s = arg;

    (void)pthread_setname_np(pthread_self(), "pg-spawn");
    while (!atomic_load(&s->ending))
        turn(s);
    (void)pg_mailbox_drain(&s->box);
    fail_all(s, PG_E_CANCELED, "the program ends");
    return NULL;
}

static void wake(struct pg_mailbox *box)
{
    struct spawn *s = box->owner;
    uint64_t one = 1;

    PG_CHECK(write(s->wake_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

/* --- for everybody else --- */

static int fail_open(struct pg_err *err, const char *what)
{
    int code = errno;

    (void)pg_fail(err, PG_E_INTERNAL, "the process that runs helper programs did not start");
    return pg_detail(err, "%s: %s", what, strerror(code));
}

int spawn_open(unsigned running_max, struct spawn **spawn_r, struct pg_err *err)
{
    pid_t self = getpid(), pid;
    struct spawn *s;
    int socks[2];

    PG_CHECK(running_max > 0 && running_max <= SPAWN_RUNNING_MAX);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
        return fail_open(err, "socketpair");
    pid = fork();
    if (pid == 0)
        spawner_live(socks[1], self);
    pg_fd_close(&socks[1]);
    if (pid < 0) {
        pg_fd_close(&socks[0]);
        return fail_open(err, "fork");
    }
    s = calloc(1, sizeof(*s));
    PG_CHECK(s != NULL);
    s->pid = pid;
    s->sock = s->programs.sock = socks[0];
    s->running_max = running_max;
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    PG_CHECK(s->wake_fd >= 0);
    pg_mailbox_init(&s->box, wake, s);
    pg_list_init(&s->waiting);
    for (size_t i = 0; i < SPAWN_RUNNING_MAX; i++)
        s->runs[i] = (struct run){.in = -1, .out = -1, .err = -1};
    *spawn_r = s;
    return 0;
}

int spawn_permit(struct spawn *s, const char *const *argv, const char *const *env,
                 struct pg_err *err)
{
    PG_CHECK(!s->started);
    if (spawn_list_find(&s->programs, argv) >= 0)
        return 0;
    return spawn_list_add(&s->programs, &(struct spawn_list_entry){.argv = argv, .env = env}, err);
}

bool spawn_can_cage(void)
{
    return cage_is_possible();
}

int spawn_permit_caged(struct spawn *s, const char *const *argv, const char *const *env,
                       const struct spawn_cage *cage, struct pg_err *err)
{
    const struct spawn_list_entry e = {.argv = argv, .env = env, .cage = cage};

    PG_CHECK(!s->started);
    if (spawn_list_find(&s->programs, argv) >= 0)
        return pg_fail(err, PG_E_INTERNAL, "a helper program stands twice in the configuration");
    return spawn_list_add(&s->programs, &e, err);
}

int spawn_permit_launch(struct spawn *s, const char *const *argv, const char *const *env,
                        struct pg_err *err)
{
    PG_CHECK(!s->started && spawn_list_find(&s->programs, NULL) < 0);
    const struct spawn_list_entry e = {.is_started = true, .argv = argv, .env = env};

    return spawn_list_add(&s->programs, &e, err);
}

void spawn_start(struct spawn *s)
{
    sigset_t all, before;

    const struct spawner_order seal = {.what = SPAWNER_SEAL};

    PG_CHECK(!s->started);
    s->started = true;
    (void)!send(s->sock, &seal, sizeof(seal), MSG_NOSIGNAL); /* if it is gone, reading will show */
    (void)sigfillset(&all); /* a helper that does not read is an error of the write, no signal */
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    PG_CHECK(pthread_create(&s->thread, NULL, live, s) == 0);
    PG_CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

pid_t spawn_pid(const struct spawn *s)
{
    return s->pid;
}

bool spawn_is_alive(const struct spawn *s)
{
    return !atomic_load(&s->lost);
}

void spawn_submit(struct spawn *s, struct spawn_request *rq)
{
    const struct spawn_limits *l = &rq->limits;

    PG_CHECK(rq->argv != NULL && rq->done != NULL);
    PG_CHECK(l->time_ms > 0 && l->cpu_s > 0 && l->memory_bytes > 0 && l->files > 0);
    PG_CHECK(l->output_bytes > 0 && s->started);
    rq->err = (struct pg_err){0};
    rq->exit_code = -1;
    rq->ntail = 0;
    pg_buf_init(&rq->output, l->output_bytes);
    atomic_store(&rq->stopped, false);
    pg_list_init(&rq->link);
    rq->spawn = s;
    rq->mail = (struct pg_mail){.deliver = on_submitted};
    pg_mailbox_post(&s->box, &rq->mail);
}

void spawn_stop(struct spawn *s, struct spawn_request *rq)
{
    atomic_store(&rq->stopped, true);
    wake(&s->box);
}

/* ---- a program that goes on without us ---- */

struct launch {
    struct pg_mail mail;
    struct spawn *spawn;
    int fds[SPAWNER_FDS_MAX];
    struct spawner_order order;
};

static void on_launch(struct pg_mail *mail)
{
    struct launch *l = pg_container_of(mail, struct launch, mail);
    size_t nfds = l->fds[0] >= 0 ? SPAWNER_FDS_MAX : 0;

    if (l->spawn->sock < 0 || send_order(l->spawn, &l->order, l->fds, nfds) <= 0)
        pg_log_say(PG_LOG_ERROR, PG_LOG_HELPER, "what runs programs takes no orders");
    for (size_t i = 0; i < nfds; i++)
        pg_fd_close(&l->fds[i]);
    free(l);
}

static struct launch *launch_new(struct spawn *s, enum spawner_what what)
{
    struct launch *l = malloc(sizeof(*l));

    PG_CHECK(l != NULL);
    l->mail = (struct pg_mail){.deliver = on_launch};
    l->spawn = s;
    l->order = (struct spawner_order){.what = what, .id = SPAWNER_LAUNCHED};
    for (size_t i = 0; i < SPAWNER_FDS_MAX; i++)
        l->fds[i] = -1;
    return l;
}

int spawn_launch(struct spawn *s, const int fds[4], struct pg_err *err)
{
    struct launch *l;
    int no = spawn_list_find(&s->programs, NULL), rc = 0;

    if (no < 0)
        return pg_fail(err, PG_E_INTERNAL, "this server was not told what it may start");
    l = launch_new(s, SPAWNER_START);
    l->order.program = (uint32_t)no;
    for (size_t i = 0; i < SPAWNER_FDS_MAX && rc == 0; i++)
        if ((l->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0)) < 0)
            rc = pg_fail(err, PG_E_INTERNAL, "no descriptor is left: %s", strerror(errno));
    if (rc == 0) {
        pg_mailbox_post(&s->box, &l->mail);
        return 0;
    }
    for (size_t i = 0; i < SPAWNER_FDS_MAX; i++)
        pg_fd_close(&l->fds[i]);
    free(l);
    return -1;
}

void spawn_launch_kill(struct spawn *s)
{
    pg_mailbox_post(&s->box, &launch_new(s, SPAWNER_KILL)->mail);
}

void spawn_request_free(struct spawn_request *rq)
{
    pg_buf_free(&rq->output);
    pg_err_clear(&rq->err);
}

/* The spawner kills its helpers and ends when the socket closes. */
void spawn_close(struct spawn *s)
{
    if (s == NULL)
        return;
    atomic_store(&s->ending, true);
    wake(&s->box);
    if (s->started)
        PG_CHECK(pthread_join(s->thread, NULL) == 0);
    PG_CHECK(s->running == 0 && s->nwaiting == 0);
    if (s->sock >= 0) {
        pg_fd_close(&s->sock);
        PG_CHECK(waitpid(s->pid, NULL, 0) == s->pid);
    }
    pg_fd_close(&s->wake_fd);
    spawn_list_free(&s->programs);
    free(s);
}
