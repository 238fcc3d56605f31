/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/heir.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "audit/trail.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "cache/handover.h"
#include "cache/version.h"
#include "cli/relay.h"

#define FD_WANTED  3
#define SOCKETS_MS 10000
#define STORE_MS   60000
#define COLLECT_MS 100

static int fail_relay(struct pg_err *err)
{
    return pg_fail(err, PG_E_INTERNAL, "the server whose heir this is says nothing of use");
}

static int inherit(const struct relay_message *m, int fd, struct pg_err *err)
{
    struct socket_bound bound = {.fd = fd, .is_passed = m->is_passed != 0};

    memcpy(bound.asked, m->asked, sizeof(bound.asked));
    memcpy(bound.address, m->address, sizeof(bound.address));
    (void)snprintf(bound.path, sizeof(bound.path), "%.*s", (int)sizeof(bound.path) - 1, m->text);
    return socket_inherit(&bound, err);
}

static int take_listeners(struct heir *h, struct pg_err *err)
{
    struct relay_message m;

    for (;;) {
        int fd, rc = relay_recv(h->fd, SOCKETS_MS, &m, &fd, err);
        if (rc < 0) {
            return -1;
        }
        if (rc == 1 && m.what == RELAY_LISTENERS) {
            return 0;
        }
        if (rc == 0 || m.what != RELAY_LISTENER || fd < 0) {
            pg_fd_close(&fd);
            return fail_relay(err);
        }
        if (inherit(&m, fd, err) < 0) {
            return -1;
        }
    }
}

int heir_open(struct heir *h, struct pg_err *err)
{
    const char *number = getenv(HEIR_VARIABLE);
    socklen_t n = sizeof(int);
    int type = 0;

    *h = (struct heir){.fd = -1};
    if (number == NULL) {
        return 0;
    }
    (void)unsetenv(HEIR_VARIABLE);
    if (strcmp(number, "3") != 0 || getsockopt(FD_WANTED, SOL_SOCKET, SO_TYPE, &type, &n) < 0 ||
        type != SOCK_SEQPACKET || fcntl(FD_WANTED, F_SETFD, FD_CLOEXEC) < 0) {
        return pg_fail(err, PG_E_INTERNAL,
                       HEIR_VARIABLE " is set, and descriptor 3 is none of a server's: it is not "
                                     "for people, unset it");
    }
    h->fd = FD_WANTED;
    h->is_heir = true;
    return take_listeners(h, err);
}

int heir_await_store(struct heir *h, const char *store_path, struct pg_err *err)
{
    struct relay_message m;
    int fd;

    if (h->fd < 0) {
        return 0;
    }
    if (version_is_current(store_path, err) < 0) {
        return -1;
    }
    (void)relay_say(h->fd, RELAY_PREPARED, "");
    int rc = relay_recv(h->fd, STORE_MS, &m, &fd, err);
    pg_fd_close(&fd);
    if (rc < 0) {
        return -1;
    }
    if (rc == 1 && m.what == RELAY_GONE) {
        pg_log_say(PG_LOG_WARN, PG_LOG_START, "the server whose heir this is has ended");
        return 0;
    }
    return rc == 1 && m.what == RELAY_STORE ? 0 : fail_relay(err);
}

void heir_serves(struct heir *h)
{
    if (h->fd >= 0) {
        (void)relay_say(h->fd, RELAY_SERVES, "");
    } else {
        h->collect_ms = pg_clock_mono_ms(); /* of whose heir was killed, and who drains yet */
    }
}

void heir_refuses(struct heir *h, const char *why)
{
    if (h->fd >= 0) {
        (void)relay_say(h->fd, RELAY_REFUSES, why);
    }
}

/* Whatever it says now is not of interest. */
static bool has_ended(struct heir *h)
{
    struct relay_message m;
    struct pg_err ignored = {0};
    int fd, rc = relay_recv(h->fd, 0, &m, &fd, &ignored);

    pg_fd_close(&fd);
    pg_err_clear(&ignored);
    return rc < 0 || (rc == 1 && m.what == RELAY_GONE);
}

int heir_turn(struct heir *h, struct store *store, struct trail *trail)
{
    uint64_t now_ms = pg_clock_mono_ms();

    if (h->fd >= 0 && has_ended(h)) {
        pg_log_say(PG_LOG_INFO, PG_LOG_START, "the server whose heir this is has ended");
        pg_fd_close(&h->fd);
        h->collect_ms = now_ms;
    }
    if (h->collect_ms == 0 || now_ms < h->collect_ms) {
        return h->collect_ms == 0 ? -1 : (int)(h->collect_ms - now_ms);
    }
    unsigned left = handover_collect(store) + trail_adopt(trail);
    h->collect_ms = left > 0 ? now_ms + COLLECT_MS : 0;
    return h->collect_ms > 0 ? COLLECT_MS : -1;
}

void heir_close(struct heir *h)
{
    pg_fd_close(&h->fd);
}
