/* SPDX-License-Identifier: Apache-2.0 */
/* Who has taken the server over says to the spawner what he likes. */
#include "harness/test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "proxy/spawner_int.h"

#define GIB ((uint64_t)1 << 30)

static pid_t spawner;
static int spawner_sock;

static void order(enum spawner_what what, uint32_t program, const int *fds, size_t nfds)
{
    static const char text[] = "/bin/true\0get";
    char bytes[sizeof(struct spawner_order) + sizeof(text)];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(SPAWNER_FDS_MAX * sizeof(int))] = {0};
    struct spawner_order o = {.what = what, .id = 1, .program = program};
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(o)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    o.cpu_s = 60;
    o.memory_bytes = GIB;
    o.files = 64;
    if (what == SPAWNER_PERMIT) {
        o.argc = 2;
        iov.iov_len = sizeof(bytes);
    }
    memcpy(bytes, &o, sizeof(o));
    memcpy(bytes + sizeof(o), text, sizeof(text));
    if (nfds > 0) {
        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
        *CMSG_FIRSTHDR(&msg) = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                                .cmsg_type = SCM_RIGHTS,
                                                .cmsg_len = CMSG_LEN(nfds * sizeof(int))};
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, nfds * sizeof(int));
    }
    assert_int_equal(sendmsg(spawner_sock, &msg, MSG_NOSIGNAL), iov.iov_len);
}

static void begin_spawner(void)
{
    pid_t self = getpid();
    int socks[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
    spawner = fork();
    assert_true(spawner >= 0);
    if (spawner == 0) {
        int null = open("/dev/null", O_WRONLY);

        (void)dup2(null, STDERR_FILENO); /* it says why it ends */
        spawner_live(socks[1], self);
    }
    pg_fd_close(&socks[1]);
    spawner_sock = socks[0];
}

/* No news: it has ended. */
static void ends_of_it(void)
{
    struct spawner_news news;
    int status;

    assert_int_equal(recv(spawner_sock, &news, sizeof(news), 0), 0);
    assert_int_equal(waitpid(spawner, &status, 0), spawner);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    pg_fd_close(&spawner_sock);
}

TEST(orders_for_what_was_not_permitted_are_the_end_of_the_spawner)
{
    static const struct {
        enum spawner_what what;
        uint32_t program;
        size_t nfds;
    } bad[] = {{SPAWNER_RUN, 1, 3},   {SPAWNER_RUN, UINT32_MAX, 3}, {SPAWNER_START, 0, 4},
               {SPAWNER_START, 1, 4}, {SPAWNER_PERMIT, 0, 0},       {SPAWNER_RUN, 0, 4}};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int fds[4] = {null, null, null, null};
    struct spawner_news news;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        begin_spawner();
        order(SPAWNER_PERMIT, 0, NULL, 0);
        order(SPAWNER_SEAL, 0, NULL, 0);
        order(SPAWNER_RUN, 0, fds, 3);
        assert_int_equal(recv(spawner_sock, &news, sizeof(news), 0), sizeof(news));
        assert_int_equal(news.how, SPAWNER_EXITED);
        order(bad[i].what, bad[i].program, fds, bad[i].nfds);
        ends_of_it();
    }
    begin_spawner();
    order(SPAWNER_PERMIT, 0, NULL, 0);
    order(SPAWNER_RUN, 0, fds, 3); /* before the list is closed nothing runs */
    ends_of_it();
    pg_fd_close(&null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(orders_for_what_was_not_permitted_are_the_end_of_the_spawner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
