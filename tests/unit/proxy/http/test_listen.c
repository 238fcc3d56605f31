/* SPDX-License-Identifier: Apache-2.0 */
/* Who is let in, through which door, and how many at a time. */
#include "unit/proxy/http/rig.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static void on_sent(struct conn *c, const struct send_result *r)
{
    conn_done(c, r->ok);
}

/* Says who asks, and on which loop. */
static void begin(const struct conn_service *service, struct conn *c)
{
    (void)service;
    send_head(c, 200);
    send_field_u64(c, SL("Loop"), conn_loop(c)->no);
    send_mem(c, (struct sl){conn_request(c)->peer, strlen(conn_request(c)->peer)});
    send_go(c, on_sent);
}

static void on_gone(struct conn *c)
{
    conn_done(c, false);
}

static struct conn_service service = {.name = "test", .begin = begin, .gone = on_gone};
static struct conn_service admin = {
    .name = "admin", .begin = begin, .gone = on_gone, .is_admin = true};
static struct conn_service control = {
    .name = "control", .begin = begin, .gone = on_gone, .is_control = true};

static char folder[] = "/tmp/pullgate-listen-XXXXXX";
static char path[64];

#define GET "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

static struct rig_got ask(int fd)
{
    rig_send(fd, SL(GET));
    return rig_read_response(fd);
}

static bool answers(int fd)
{
    struct rig_got g = ask(fd);
    bool ok = rig_status_of(&g) == 200;

    rig_forget(&g);
    return ok;
}

/* Nothing comes back in ms. */
static bool is_silent(int fd, int ms)
{
    struct rig_got g = {0};
    bool silent;

    rig_send(fd, SL(GET));
    silent = !rig_read_once(fd, &g, ms);
    rig_forget(&g);
    return silent;
}

static int connect_unix(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/control.sock", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* and so that no socket is left in it */
}

/* CPU of this process so far, in milliseconds. */
static uint64_t cpu_ms(void)
{
    struct timespec t;

    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

TEST(connections_are_spread_over_the_loops)
{
    int fds[6];
    unsigned on_second = 0;

    rig_open(rig_config(), 2, 1000);
    rig_listen(&service, NULL);
    rig_run();
    for (int i = 0; i < 6; i++) {
        struct rig_got g;

        fds[i] = rig_connect();
        g = ask(fds[i]);
        on_second += rig_count(&g, "\r\nLoop: 1\r\n") > 0 ? 1 : 0;
        assert_true(sl_starts(rig_body_of(&g), SL("127.0.0.1:")));
        rig_forget(&g);
    }
    assert_int_equal(on_second, 3);
    for (int i = 0; i < 6; i++)
        close(fds[i]);
    rig_close();
}

TEST(K04_at_the_limit_clients_wait_and_admin_does_not)
{
    int first, second, third;
    uint16_t admin_port;
    uint64_t cpu;

    rig_open(rig_config(), 1, 2);
    rig_listen(&admin, NULL);
    admin_port = rig.port;
    rig_listen(&service, NULL);
    rig_run();
    first = rig_connect();
    second = rig_connect();
    assert_true(answers(first) && answers(second));
    third = rig_connect();
    cpu = cpu_ms();
    assert_true(is_silent(third, 500));
    assert_true(cpu_ms() - cpu < 60); /* nobody spins meanwhile */

    int a = rig_connect_to(admin_port);
    assert_true(answers(a));
    close(a);
    close(first);
    struct rig_got g = rig_read_response(third); /* there is room now: it was only late */
    assert_int_equal(rig_status_of(&g), 200);
    rig_forget(&g);

    int fourth = rig_connect();
    assert_true(is_silent(fourth, 100));
    listen_limit(rig.listen, 10);
    g = rig_read_response(fourth);
    assert_int_equal(rig_status_of(&g), 200);
    rig_forget(&g);
    close(second);
    close(third);
    close(fourth);
    rig_close();
}

TEST(K04_without_descriptors_accepting_pauses_and_recovers)
{
    struct rlimit before, few;
    int clients[4], hogs[64];
    unsigned nhogs = 0;
    struct rig_got g;
    uint64_t cpu;

    rig_open(rig_config(), 1, 1000);
    rig_listen(&service, NULL);
    rig_run();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < 4; i++)
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    few = before;
    few.rlim_cur = (rlim_t)clients[3] + 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (nhogs < 64 && (hogs[nhogs] = dup(clients[0])) >= 0)
        nhogs++;
    assert_int_equal(errno, EMFILE);

    for (int i = 0; i < 4; i++) {
        struct sockaddr_in at = {.sin_family = AF_INET,
                                 .sin_port = htons(rig.port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

        assert_int_equal(connect(clients[i], (struct sockaddr *)&at, sizeof(at)), 0);
    }
    cpu = cpu_ms();
    assert_true(is_silent(clients[3], 500));
    assert_true(cpu_ms() - cpu < 60);
    while (nhogs > 0)
        close(hogs[--nhogs]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    g = rig_read_response(clients[3]);
    assert_int_equal(rig_status_of(&g), 200);
    rig_forget(&g);
    for (int i = 0; i < 4; i++)
        close(clients[i]);
    rig_close();
}

TEST(the_control_socket_is_for_its_owner)
{
    struct pg_err err = {0};
    struct stat st;
    struct rig_got g;
    int fd;

    control.peer_uid = getuid();
    rig_open(rig_config(), 1, 1000);
    assert_int_equal(rig_open_at(path, &control, NULL, &err), 0);
    assert_string_equal(rig.bound, path);
    rig_run();
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    fd = connect_unix();
    g = ask(fd);
    assert_int_equal(rig_status_of(&g), 200);
    assert_true(sl_starts(rig_body_of(&g), SL("unix:uid=")));
    rig_forget(&g);
    close(fd);
    rig_close();
    assert_int_equal(stat(path, &st), -1); /* gone with its listener */
}

/* A socketpair's peer is this process; the service expects somebody else. */
TEST(a_stranger_on_the_control_socket_is_closed)
{
    const struct conn_door door = {.service = &control, .listener = CONN_NO_LISTENER};
    int pair[2];
    struct rig_got g;

    if (getuid() == 0)
        assert_int_equal(seteuid(65534), 0); /* SO_PEERCRED tells the effective uid */
    control.peer_uid = 12345;
    rig_open(rig_config(), 1, 1000);
    rig_listen(&service, NULL);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    rig_run();
    loop_adopt(rig.loops[0], pair[0], &door);
    rig_send(pair[1], SL(GET));
    g = rig_read_all(pair[1]);
    assert_int_equal(g.n, 0);
    rig_forget(&g);
    close(pair[1]);
    rig_close();
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
}

TEST(draining_closes_the_doors_but_those_of_admin)
{
    uint16_t admin_port;
    struct pg_err err = {0};
    int fd;

    control.peer_uid = getuid();
    rig_open(rig_config(), 1, 1000);
    rig_listen(&admin, NULL);
    admin_port = rig.port;
    assert_int_equal(rig_open_at(path, &control, NULL, &err), 0);
    rig_listen(&service, NULL);
    rig_run();
    fd = rig_connect();
    assert_true(answers(fd));
    close(fd);
    listen_drain(rig.listen, true);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(rig.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
    fd = rig_connect_to(admin_port);
    assert_true(answers(fd));
    close(fd);
    fd = connect_unix();
    assert_true(answers(fd));
    close(fd);
    rig_close();
}

static void fails_with(const char *address, const char *words)
{
    struct pg_err err = {0};

    assert_int_equal(rig_open_at(address, &service, NULL, &err), -1);
    assert_int_equal(err.kind, PG_E_STORE_IO);
    if (strstr(err.msg, words) == NULL || strstr(err.msg, address) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.msg, words);
    pg_err_clear(&err);
}

TEST(addresses_that_cannot_be_listened_on_are_named)
{
    char taken[128];
    struct pg_err err = {0};

    rig_open(rig_config(), 1, 1000);
    rig_listen(&service, NULL);
    (void)snprintf(taken, sizeof(taken), "%s", rig.bound);
    fails_with(taken, "in use");
    fails_with("localhost:5000", "not of the form");
    fails_with("127.0.0.1", "not of the form");
    fails_with("127.0.0.1:", "not of the form");
    fails_with("127.0.0.1:99999", "not of the form");
    fails_with("::1:5000", "not of the form");
    fails_with("[::1:5000", "not of the form");
    fails_with("192.0.2.1:5000", "no such address");
    fails_with("/nowhere/control.sock", "its directory does not exist");
    assert_int_equal(rig_open_at(path, &control, NULL, &err), 0);
    fails_with(path, "in use"); /* alive: it is not taken over */
    rig_close();
}

TEST(a_socket_that_a_dead_process_left_is_replaced)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct pg_err err = {0};
    int fd;

    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    assert_int_equal(bind(dead, (struct sockaddr *)&at, sizeof(at)), 0);
    close(dead);
    control.peer_uid = getuid();
    rig_open(rig_config(), 1, 1000);
    assert_int_equal(rig_open_at(path, &control, NULL, &err), 0);
    rig_run();
    fd = connect_unix();
    assert_true(answers(fd));
    close(fd);
    rig_close();
}

TEST(ipv6_where_there_is_one)
{
    struct pg_err err = {0};

    rig_open(rig_config(), 1, 1000);
    if (rig_open_at("[::1]:0", &service, NULL, &err) == 0) {
        assert_true(strncmp(rig.bound, "[::1]:", 6) == 0);
        assert_int_not_equal(rig_port_of(rig.bound), 0);
    }
    pg_err_clear(&err);
    rig_close(); /* never started: listen_stop() and loop_stop() do not mind */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(connections_are_spread_over_the_loops),
        RUN(K04_at_the_limit_clients_wait_and_admin_does_not),
        RUN(K04_without_descriptors_accepting_pauses_and_recovers),
        RUN(the_control_socket_is_for_its_owner),
        RUN(a_stranger_on_the_control_socket_is_closed),
        RUN(draining_closes_the_doors_but_those_of_admin),
        RUN(addresses_that_cannot_be_listened_on_are_named),
        RUN(a_socket_that_a_dead_process_left_is_replaced),
        RUN(ipv6_where_there_is_one),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
