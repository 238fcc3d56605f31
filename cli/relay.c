/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

#define VERSION 1

int relay_open(int ends_r[2], struct pg_err *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_r) < 0) {
        return pg_fail(err, PG_E_INTERNAL, "no socket to speak with: %s", strerror(errno));
    }
    return 0;
}

bool relay_send(int to, const struct relay_message *m, int fd)
{
    struct relay_message out = *m;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {.iov_base = &out, .iov_len = sizeof(out)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    out.version = VERSION;
    if (fd >= 0) {
        msg.msg_control = control;
        msg.msg_controllen = sizeof(control);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    return sendmsg(to, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof(out);
}

bool relay_say(int to, enum relay_what what, const char *text)
{
    struct relay_message m = {.what = what, .pid = getpid()};

    (void)snprintf(m.text, sizeof(m.text), "%s", text);
    return relay_send(to, &m, -1);
}

static int wait_for(int from, int wait_ms)
{
    struct pollfd ready = {.fd = from, .events = POLLIN};
    int n;

    do {
        n = poll(&ready, 1, wait_ms);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* Texts end, whatever the other side is. */
static int check(struct relay_message *m, ssize_t n, struct pg_err *err)
{
    if (n != (ssize_t)sizeof(*m) || m->version != VERSION || m->what == RELAY_GONE ||
        m->what > RELAY_REFUSES) {
        return pg_fail(err, PG_E_INTERNAL,
                       "the other process is of a version that cannot be "
                       "spoken with: restart instead");
    }
    m->asked[sizeof(m->asked) - 1] = '\0';
    m->address[sizeof(m->address) - 1] = '\0';
    m->text[sizeof(m->text) - 1] = '\0';
    return 1;
}

int relay_recv(int from, int wait_ms, struct relay_message *m_r, int *fd_r, struct pg_err *err)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {.iov_base = m_r, .iov_len = sizeof(*m_r)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};

    *fd_r = -1;
    if (wait_for(from, wait_ms) <= 0) {
        return 0;
    }
    ssize_t n = recvmsg(from, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    if (n <= 0) {
        *m_r = (struct relay_message){.what = RELAY_GONE};
        return 1;
    }
    const struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (c != NULL && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(fd_r, CMSG_DATA(c), sizeof(int));
    }
    int rc = check(m_r, n, err);
    if (rc < 0) {
        pg_fd_close(fd_r);
    }
    return rc;
}
