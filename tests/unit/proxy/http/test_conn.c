/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a connection: one request after the other, deadlines, draining, stopping. */
#include "unit/proxy/http/echo.h"

TEST(an_answer_is_what_the_service_said)
{
    int fd = rig_connect();
    struct rig_got g;

    rig_send(fd, SL(GET));
    g = rig_read_response(fd);
    assert_int_equal(rig_status_of(&g), 200);
    assert_int_equal(rig_count(&g, "\r\nContent-Length: 5\r\n"), 1);
    assert_int_equal(rig_count(&g, "\r\nContent-Type: text/plain\r\n"), 1);
    assert_int_equal(rig_count(&g, "\r\nDate: "), 1);
    assert_int_equal(rig_count(&g, " GMT\r\n"), 1);
    assert_int_equal(rig_count(&g, "Connection:"), 0);
    assert_true(sl_eq(rig_body_of(&g), SL("hello")));
    rig_forget(&g);
    close(fd);
}

TEST(A22_nothing_is_encoded)
{
    struct rig_got g =
        rig_talk(SL(HOSTED "Accept-Encoding: zstd, gzip\r\nConnection: close\r\n\r\n"));

    assert_int_equal(rig_status_of(&g), 200);
    assert_int_equal(rig_count(&g, "Content-Encoding"), 0);
    assert_true(sl_eq(rig_body_of(&g), SL("hello")));
    rig_forget(&g);
}

TEST(A23_resets_at_any_byte_leave_nothing_behind)
{
    static const char bytes[] =
        "GET /keep HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" GET GET;
    const struct linger now = {.l_onoff = 1};

    for (size_t i = 0; i < 300; i++) {
        int fd = rig_connect();

        rig_send(fd, (struct sl){bytes, i % sizeof(bytes)});
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
        close(fd);
    }
    RIG_WAIT(atomic_load(&rig.loops[0]->nconns) == 0);
    assert_int_equal(pg_metric_read(PG_M_CONNECTIONS), 0);
    host_is("/host", "still.here"); /* that nothing leaked, LSan checks */
}

TEST(a_connection_serves_one_request_after_the_other)
{
    int fd = rig_connect();

    for (int i = 0; i < 5; i++) {
        struct rig_got g;

        rig_send(fd, SL(GET));
        g = rig_read_response(fd);
        assert_int_equal(rig_status_of(&g), 200);
        rig_forget(&g);
    }
    close(fd);
    RIG_WAIT(atomic_load(&rig.loops[0]->nconns) == 0);
}

TEST(a_head_may_come_byte_by_byte)
{
    static const char bytes[] =
        "\r\nGET /agent HTTP/1.1\r\nHost: x\r\nUser-Agent:  slow one \r\n\r\n";
    int fd = rig_connect();
    struct rig_got g;

    (void)setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &(int){1}, sizeof(int));
    for (size_t i = 0; i < sizeof(bytes) - 1; i++)
        rig_send(fd, (struct sl){bytes + i, 1});
    g = rig_read_response(fd);
    assert_true(sl_eq(rig_body_of(&g), SL("slow one")));
    rig_forget(&g);
    close(fd);
}

TEST(who_says_close_or_speaks_1_0_is_closed)
{
    struct rig_got g = rig_talk(SL("GET / HTTP/1.0\r\nHost: x\r\n\r\n"));

    assert_int_equal(rig_status_of(&g), 200);
    assert_int_equal(rig_count(&g, "\r\nConnection: close\r\n"), 1);
    assert_false(g.reset);
    rig_forget(&g);
    g = rig_talk(SL("GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
                    "GET / HTTP/1.0\r\nHost: x\r\n\r\n"));
    assert_int_equal(rig_count(&g, "HTTP/1.1 200 "), 2);
    assert_int_equal(rig_count(&g, "\r\nConnection: keep-alive\r\n"), 1);
    rig_forget(&g);
    g = rig_talk(SL(HOSTED "Connection: keep-alive, Close\r\n\r\n" GET));
    assert_int_equal(rig_count(&g, "HTTP/1.1 "), 1);
    assert_false(g.reset);
    rig_forget(&g);
}

TEST(a_client_that_ends_its_side_is_answered_at_once_or_not)
{
    int fd = rig_connect();
    struct rig_got g;

    rig_send(fd, SL(GET));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    g = rig_read_all(fd);
    assert_int_equal(rig_status_of(&g), 200);
    rig_forget(&g);
    close(fd);

    fd = rig_connect(); /* while the service waits, it counts as gone */
    rig_send(fd, SL("GET /keep HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_int_equal(sem_wait(&kept), 0);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    RIG_WAIT(atomic_load(&gone) == 1);
    close(fd);
}

TEST(head_is_get_without_its_body)
{
    struct rig_got g =
        rig_talk(SL("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" HOSTED "Connection: close\r\n\r\n"));

    assert_int_equal(rig_count(&g, "\r\nContent-Length: 5\r\n"), 2);
    assert_int_equal(rig_count(&g, "hello"), 1);
    rig_forget(&g);
}

TEST(a_field_that_would_split_the_response_does_not_leave)
{
    struct rig_got g = rig_talk(SL("GET /bad-field HTTP/1.1\r\nHost: x\r\n\r\n"));

    assert_int_equal(rig_status_of(&g), 500);
    assert_int_equal(rig_count(&g, "Set-Cookie"), 0);
    assert_int_equal(rig_count(&g, "secret"), 0);
    rig_forget(&g);
}

TEST(K02_a_head_that_takes_too_long)
{
    struct rig_got g = rig_talk(SL("GET / HTTP/1.1\r\nHost: x"));

    assert_int_equal(rig_status_of(&g), 408);
    assert_int_equal(rig_count(&g, "\r\nConnection: close\r\n"), 1);
    rig_forget(&g);
    g = rig_talk(SL("")); /* not a byte: closed without a word */
    assert_int_equal(g.n, 0);
    rig_forget(&g);
    g = rig_talk(SL(POSTED "Content-Length: 5\r\n\r\nhel"));
    assert_int_equal(rig_status_of(&g), 408);
    rig_forget(&g);
}

static void drips(struct sl begin)
{
    uint64_t began = pg_clock_mono_ms();
    int fd = rig_connect();
    struct rig_got g = {0};

    rig_send(fd, begin);
    while (!rig_read_once(fd, &g, 20)) {
        rig_send(fd, SL("a"));
        assert_true(pg_clock_mono_ms() - began < RIG_PATIENCE_MS);
    }
    assert_int_equal(rig_status_of(&g), 408);
    rig_forget(&g);
    close(fd);
}

TEST(K02_dripping_does_not_help)
{
    drips(SL("GET / HTTP/1.1\r\nHost: x\r\nX: "));
    drips(SL(POSTED "Content-Length: 60000\r\n\r\n"));
}

TEST(K02_a_connection_that_stays_idle)
{
    int fd = rig_connect();
    struct rig_got g;

    rig_send(fd, SL(GET));
    g = rig_read_all(fd);
    assert_int_equal(rig_status_of(&g), 200);
    assert_int_equal(rig_count(&g, "HTTP/1.1 "), 1);
    rig_forget(&g);
    close(fd);
}

TEST(draining_closes_who_is_idle_and_lets_the_others_end)
{
    int idle = rig_connect(), busy = rig_connect(), fresh;
    struct pollfd answered = {.fd = idle, .events = POLLIN};
    struct rig_got g;

    rig_send(idle, SL(GET));
    assert_int_equal(poll(&answered, 1, 10000), 1);
    fresh = rig_connect();
    rig_send(busy, SL("GET /keep HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_int_equal(sem_wait(&kept), 0);
    RIG_WAIT(atomic_load(&rig.loops[0]->nconns) == 3);
    loop_drain(rig.loops[0]);
    loop_drain(rig.loops[0]); /* twice is once */
    g = rig_read_all(idle);
    assert_int_equal(rig_count(&g, "HTTP/1.1 "), 1);
    assert_int_equal(rig_count(&g, "Connection: close"), 0);
    assert_false(g.reset);
    rig_forget(&g);
    close(idle);

    rig_send(fresh, SL(GET)); /* it had not asked yet */
    g = rig_read_all(fresh);
    assert_int_equal(rig_status_of(&g), 200);
    rig_forget(&g);
    close(fresh);

    idle = rig_connect(); /* still accepted: health is asked while draining */
    rig_send(idle, SL(GET));
    g = rig_read_all(idle);
    assert_int_equal(rig_status_of(&g), 200);
    assert_int_equal(rig_count(&g, "\r\nConnection: close\r\n"), 1);
    rig_forget(&g);
    close(idle);
    close(busy);
    RIG_WAIT(atomic_load(&gone) == 1);
}

TEST(stopping_tells_the_service_and_resets_the_client)
{
    int fd = rig_connect();
    struct rig_got g;

    rig_send(fd, SL("GET /keep HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_int_equal(sem_wait(&kept), 0);
    loop_stop(rig.loops[0]);
    assert_int_equal(atomic_load(&gone), 1);
    g = rig_read_all(fd);
    assert_int_equal(g.n, 0);
    assert_true(g.reset);
    rig_forget(&g);
    close(fd);
}

/* ---- many at once ---- */

#define MANY 300

static sem_t held, let_on; /* the loop, in the request of one of them */
static atomic_int alive, alive_max;

static void on_answered(struct conn *c, const struct send_result *r)
{
    atomic_fetch_sub(&alive, 1);
    conn_done(c, r->ok);
}

static void begin_counted(const struct conn_service *s, struct conn *c)
{
    int now = atomic_fetch_add(&alive, 1) + 1;

    (void)s;
    if (now > atomic_load(&alive_max))
        atomic_store(&alive_max, now);
    if (sl_eq(conn_request(c)->target, SL("/hold"))) {
        sem_post(&held);
        assert_int_equal(sem_wait(&let_on), 0);
    }
    send_head(c, 200);
    send_mem(c, SL("hello"));
    send_go(c, on_answered);
}

/* All have asked when the loop polls next. Were each of them read before the first is served, the
 * memory of all requests would be needed at once. */
TEST(many_who_ask_at_once_are_served_in_groups)
{
    static const struct conn_service counted = {
        .name = "counted", .begin = begin_counted, .gone = on_gone};
    struct rig_got g;
    int fds[MANY];

    assert_int_equal(sem_init(&held, 0, 0), 0);
    assert_int_equal(sem_init(&let_on, 0, 0), 0);
    rig_open(rig_config(), 1, 1000);
    rig_listen(&counted, NULL);
    rig_run();
    for (size_t i = 0; i < MANY; i++) { /* the loop knows them all */
        fds[i] = rig_connect();
        rig_send(fds[i], SL(GET));
        g = rig_read_response(fds[i]);
        rig_forget(&g);
    }
    rig_send(fds[0], SL("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_int_equal(sem_wait(&held), 0);
    for (size_t i = 1; i < MANY; i++)
        rig_send(fds[i], SL(GET));
    sem_post(&let_on);
    for (size_t i = 0; i < MANY; i++) {
        g = rig_read_response(fds[i]);
        assert_int_equal(rig_status_of(&g), 200);
        rig_forget(&g);
        close(fds[i]);
    }
    assert_in_range(atomic_load(&alive_max), 2, MANY / 3);
    rig_close();
}

static void on_acked(struct loop_reload *r)
{
    sem_post(r->owner);
}

TEST(a_new_snapshot_is_taken_over_and_acknowledged)
{
    struct config config = rig_config();
    struct loop_reload r = {.acked = on_acked, .owner = &kept};

    config.limits_idle_timeout = 200;
    r.snapshot = config_snapshot_new(&config, 2);
    loop_set_snapshot(rig.loops[0], &r);
    assert_int_equal(sem_wait(&kept), 0);

    int fd = rig_connect(); /* by the new limit: within our patience, the old is longer */
    rig_send(fd, SL(GET));
    struct rig_got g = rig_read_all(fd);

    assert_int_equal(rig_status_of(&g), 200);
    rig_forget(&g);
    close(fd);
}

TEST(what_was_refused_is_counted)
{
    int64_t refused = pg_metric_read(PG_M_HTTP_REFUSED), total = pg_metric_read(PG_M_REQUESTS_4XX);

    REFUSED("GET / HTTP/1.1\r\n\r\n", 400);
    assert_int_equal(pg_metric_read(PG_M_HTTP_REFUSED), refused + 1);
    assert_int_equal(pg_metric_read(PG_M_REQUESTS_4XX), total + 1);
}

int main(void)
{
#define HTTP(name)    cmocka_unit_test_setup_teardown(name, start, stop)
#define HURRIED(name) cmocka_unit_test_setup_teardown(name, start_hurried, stop)
    const struct CMUnitTest tests[] = {
        HTTP(an_answer_is_what_the_service_said),
        HTTP(A22_nothing_is_encoded),
        HTTP(A23_resets_at_any_byte_leave_nothing_behind),
        HTTP(a_connection_serves_one_request_after_the_other),
        HTTP(a_head_may_come_byte_by_byte),
        HTTP(who_says_close_or_speaks_1_0_is_closed),
        HTTP(a_client_that_ends_its_side_is_answered_at_once_or_not),
        HTTP(head_is_get_without_its_body),
        HTTP(a_field_that_would_split_the_response_does_not_leave),
        HURRIED(K02_a_head_that_takes_too_long),
        HURRIED(K02_dripping_does_not_help),
        HURRIED(K02_a_connection_that_stays_idle),
        HTTP(draining_closes_who_is_idle_and_lets_the_others_end),
        HTTP(stopping_tells_the_service_and_resets_the_client),
        HTTP(a_new_snapshot_is_taken_over_and_acknowledged),
        HTTP(what_was_refused_is_counted),
        cmocka_unit_test(many_who_ask_at_once_are_served_in_groups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
