/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define STATE_MAX 128

struct question {
    struct pg_mail mail;
    atomic_bool is_asked;
};

struct notify {
    int fd; /* -1: nobody wants to know */
    struct sockaddr_un to;
    socklen_t to_len;
    uint64_t every_ms, next_ms; /* the watchdog's; 0: none */
    struct loop *const *loops;
    unsigned nloops;
    struct question questions[FLIGHT_LOOPS_MAX];
};

static uint64_t number_of(const char *name)
{
    const char *text = getenv(name);

    return text != NULL && text[0] >= '0' && text[0] <= '9' ? strtoull(text, NULL, 10) : 0;
}

/* "/run/systemd/notify", or "@name" in the abstract namespace. */
static bool find_manager(struct notify *n)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path != NULL ? strlen(path) : 0;

    if (len < 2 || len >= sizeof(n->to.sun_path) || (path[0] != '/' && path[0] != '@')) {
        return false;
    }
    n->to.sun_family = AF_UNIX;
    memcpy(n->to.sun_path, path, len);
    n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (path[0] == '@') {
        n->to.sun_path[0] = '\0';
    }
    return true;
}

struct notify *notify_open(bool is_heir)
{
    struct notify *n = calloc(1, sizeof(*n));

    PG_CHECK(n != NULL);
    n->fd = -1;
    if (!find_manager(n)) {
        return n;
    }
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    uint64_t pid = number_of("WATCHDOG_PID");
    if (is_heir || pid == 0 || pid == (uint64_t)getpid()) {
        n->every_ms = number_of("WATCHDOG_USEC") / 1000 / 2;
    }
    return n;
}

void notify_say(struct notify *n, const char *state)
{
    if (n->fd >= 0) {
        (void)sendto(n->fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&n->to,
                     n->to_len);
    }
}

void notify_reloading(struct notify *n)
{
    char state[STATE_MAX];

    (void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu",
                   (unsigned long long)pg_clock_mono_us());
    notify_say(n, state);
}

/* ---- the watchdog -------------------------------------------------------------------------- */

static void on_asked(struct pg_mail *mail)
{
    struct question *q = pg_container_of(mail, struct question, mail);

    atomic_store(&q->is_asked, false);
}

static bool have_all_answered(const struct notify *n)
{
    for (unsigned i = 0; i < n->nloops; i++) {
        if (atomic_load(&n->questions[i].is_asked)) {
            return false;
        }
    }
    return true;
}

static void ask(struct notify *n)
{
    for (unsigned i = 0; i < n->nloops; i++) {
        struct question *q = &n->questions[i];
        q->mail = (struct pg_mail){.deliver = on_asked};
        atomic_store(&q->is_asked, true);
        pg_mailbox_post(&n->loops[i]->mail, &q->mail);
    }
}

void notify_watch(struct notify *n, struct loop *const *loops, unsigned nloops)
{
    n->loops = loops;
    n->nloops = nloops;
    n->next_ms = pg_clock_mono_ms();
}

int notify_turn(struct notify *n)
{
    uint64_t now_ms = pg_clock_mono_ms();

    if (n->fd < 0 || n->every_ms == 0) {
        return -1;
    }
    if (now_ms >= n->next_ms) {
        n->next_ms = now_ms + n->every_ms;
        if (have_all_answered(n)) {
            notify_say(n, "WATCHDOG=1");
            ask(n);
        }
    }
    return (int)(n->next_ms - now_ms);
}

void notify_close(struct notify *n)
{
    if (n != NULL) {
        pg_fd_close(&n->fd);
        free(n);
    }
}
