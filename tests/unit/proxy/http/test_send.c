/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies from memory, of blobs and of flights, to clients that read fast, slowly or not at all. */
#include "unit/proxy/http/rig.h"

#include <sys/mman.h>

#include "base/fd.h"
#include "fakes/fake_blob.h"
#include "proxy/http/rq.h"

#define SIZE ((size_t)12 * 1024 * 1024)

static char *content;  /* SIZE bytes, no two MiB alike */
static int content_fd; /* the same, as a file */
static struct blob *blob;
static struct flight *_Atomic flying; /* of the last who boarded */
static atomic_int dones, bad_dones, gone;
static _Atomic uint64_t body_bytes; /* what the last result says */

struct pull {
    struct rq rq;
    struct conn *conn;
    struct flight_reader reader;
    uint64_t first, end;
    unsigned ticket;
    bool ok, delivering;
};

static struct pull *pull_of(struct rq *rq)
{
    return pg_container_of(rq, struct pull, rq);
}

static void on_sent(struct conn *c, const struct send_result *r)
{
    struct pull *p = conn_owner(c);

    atomic_fetch_add(&dones, 1);
    atomic_fetch_add(&bad_dones, r->ok ? 0 : 1);
    atomic_store(&body_bytes, r->body_bytes);
    p->ok = r->ok;
    rq_wake(&p->rq, p->ticket);
}

static void on_news(struct flight_reader *reader)
{
    struct pull *p = pg_container_of(reader, struct pull, reader);

    if (p->delivering)
        send_news(p->conn);
    else
        rq_wake(&p->rq, p->ticket);
}

static void stop_sending(struct rq *rq)
{
    (void)send_stop(pull_of(rq)->conn);
}

static enum rq_next st_end(struct rq *rq)
{
    return rq_end(rq);
}
static const struct rq_stage ST_end = {"end", st_end, RQ_CLIENT};

static enum rq_next st_deliver(struct rq *rq)
{
    struct pull *p = pull_of(rq);
    struct sl target = conn_request(p->conn)->target;

    p->ticket = rq_ticket(rq);
    p->delivering = true;
    send_head(p->conn, p->first > 0 ? 206 : 200);
    if (sl_starts(target, SL("/blob")))
        send_blob(p->conn, fake_blob_ref(blob), p->first, p->end);
    else if (sl_starts(target, SL("/flight")))
        send_flight(p->conn, &p->reader, p->first, p->end);
    else
        send_mem(p->conn, (struct sl){content + p->first, p->end - p->first});
    send_go(p->conn, on_sent);
    return rq_wait(rq, &ST_end, 60000, stop_sending);
}
static const struct rq_stage ST_deliver = {"deliver", st_deliver, RQ_CLIENT};

static void stop_flying(struct rq *rq)
{
    flight_leave(&pull_of(rq)->reader);
}

static enum rq_next st_board(struct rq *rq)
{
    struct pull *p = pull_of(rq);

    if (!sl_starts(conn_request(p->conn)->target, SL("/flight")))
        return rq_go(rq, &ST_deliver);
    if (p->reader.flight == NULL) {
        enum flight_role role;

        if (flight_join(&conn_loop(p->conn)->bell, SL("sha256:aa"), &p->reader, on_news, &role,
                        &rq->err) < 0)
            return rq_fail_now(rq);
        if (role == FLIGHT_LEADER)
            flight_file(p->reader.flight, dup(content_fd));
        atomic_store(&flying, p->reader.flight);
    }
    if (flight_look(&p->reader).state != FLIGHT_HEAD)
        return rq_go(rq, &ST_deliver);
    p->ticket = rq_ticket(rq);
    static const struct rq_stage ST_again = {"again", st_board, RQ_CLIENT};
    return rq_wait(rq, &ST_again, 60000, stop_flying);
}
static const struct rq_stage ST_board = {"board", st_board, RQ_CLIENT};

/* An error stage that does not know that the client has gone: it answers all the same. */
static enum rq_next st_refuse(struct rq *rq)
{
    struct pull *p = pull_of(rq);

    p->ticket = rq_ticket(rq);
    p->delivering = true;
    send_head(p->conn, 503);
    send_mem(p->conn, SL("refused"));
    send_go(p->conn, on_sent);
    return rq_wait(rq, &ST_end, 5000, stop_sending);
}
static const struct rq_stage ST_refuse = {"refuse", st_refuse, RQ_CLIENT};

static void on_end(struct rq *rq)
{
    struct pull *p = pull_of(rq);

    conn_done(p->conn, p->ok);
    free(p);
}

/* "/blob?first-end", or all. */
static void begin(const struct conn_service *service, struct conn *c)
{
    struct pull *p = calloc(1, sizeof(*p));
    struct sl target = conn_request(c)->target;
    const char *range = memchr(target.p, '?', target.n);

    (void)service;
    assert_non_null(p);
    p->conn = c;
    p->end = SIZE;
    if (range != NULL) {
        char *dash;

        p->first = strtoull(range + 1, &dash, 10);
        p->end = strtoull(dash + 1, NULL, 10);
    }
    conn_set_owner(c, p);
    rq_start(&conn_loop(c)->queue, &p->rq, &ST_board, &ST_refuse, on_end);
}

static void on_gone(struct conn *c)
{
    atomic_fetch_add(&gone, 1);
    rq_cancel(&((struct pull *)conn_owner(c))->rq);
}

static const struct conn_service service = {.name = "test", .begin = begin, .gone = on_gone};

static int open_with(struct config config)
{
    atomic_store(&dones, 0);
    atomic_store(&bad_dones, 0);
    atomic_store(&gone, 0);
    atomic_store(&flying, NULL);
    atomic_store(&fake_blob_checked, SIZE);
    content = malloc(SIZE);
    content_fd = memfd_create("content", MFD_CLOEXEC);
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (char)('a' + (i + i / 4096 + i / 1048576) % 26);
    assert_int_equal(pg_fd_pwrite(content_fd, content, SIZE, 0), 0);
    blob = fake_blob_new(dup(content_fd), SIZE);
    rig_open(config, 1, 1000);
    rig_listen(&service, NULL);
    rig_run();
    return 0;
}

static int start(void **state)
{
    (void)state;
    return open_with(rig_config());
}

static int start_hurried(void **state)
{
    struct config config = rig_config();

    (void)state;
    config.limits_send_timeout = 300;
    return open_with(config);
}

static int stop(void **state)
{
    (void)state;
    rig_close();
    assert_int_equal(atomic_load(&fake_blob_open), 1); /* every other reference came back */
    blob_close(blob);
    close(content_fd);
    free(content);
    return 0;
}

/* A client with a receive buffer that is much smaller than the body. */
static int ask(const char *target, const char *more)
{
    char bytes[256];
    int n = snprintf(bytes, sizeof(bytes), "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", target, more);
    int fd = rig_connect();

    rig_send(fd, (struct sl){bytes, (size_t)n});
    return fd;
}

static void whole(struct rig_got *g, uint64_t first, uint64_t end)
{
    assert_int_equal(rig_length_of(g), end - first);
    assert_int_equal(rig_body_of(g).n, end - first);
    assert_memory_equal(rig_body_of(g).p, content + first, end - first);
    rig_forget(g);
}

static void delivers(const char *target, uint64_t first, uint64_t end)
{
    struct rig_got g;
    int fd;

    atomic_store(&dones, 0);
    atomic_store(&bad_dones, 0);
    fd = ask(target, "");
    g = rig_read_response(fd);
    whole(&g, first, end);
    RIG_WAIT(atomic_load(&dones) > 0);
    assert_int_equal(atomic_load(&bad_dones), 0);
    assert_int_equal(atomic_load(&body_bytes), end - first);
    close(fd);
}

/* Cut short: an error for the client, never something that looks whole. */
static struct rig_got cut_short(int fd)
{
    struct rig_got g = rig_read_all(fd);

    assert_true(g.reset);
    assert_true(rig_body_of(&g).n < rig_length_of(&g));
    RIG_WAIT(atomic_load(&rig.loops[0]->nconns) == 0);
    assert_int_equal(atomic_load(&bad_dones), 1);
    return g;
}

TEST(memory_that_does_not_fit_the_socket)
{
    delivers("/mem", 0, SIZE);
}

TEST(memory_of_no_bytes)
{
    delivers("/mem?5-5", 5, 5);
}

TEST(a_blob_whole)
{
    delivers("/blob", 0, SIZE);
}

TEST(a_range_of_a_blob)
{
    delivers("/blob?4095-1048577", 4095, 1048577);
}

TEST(a_blob_of_no_bytes)
{
    delivers("/blob?7-7", 7, 7);
}

TEST(the_connection_goes_on_after_a_body)
{
    int fd = ask("/blob?1-300000", "\r\nGET /mem?2-9 HTTP/1.1\r\nHost: x\r\n");
    struct rig_got g = rig_read_response(fd);

    while (rig_count(&g, "HTTP/1.1 206") < 2 || g.n < 300000)
        assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS));
    assert_memory_equal(rig_body_of(&g).p, content + 1, 299999);
    rig_forget(&g);
    close(fd);
}

/* So many at once that the socket takes a part of one: of its head, or of its bytes. */
TEST(small_blobs_to_a_client_that_reads_late)
{
    enum { COUNT = 500, BYTES = 16000 };
    const char *request = "GET /blob?1-16001 HTTP/1.1\r\nHost: x\r\n\r\n", *at, *end;
    struct rig_got g = {0};
    int fd = rig_connect();

    for (int i = 0; i < COUNT; i++)
        rig_send(fd, (struct sl){request, strlen(request)});
    while (g.n < (size_t)COUNT * BYTES || rig_count(&g, "HTTP/1.1 206") < COUNT)
        assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS));
    RIG_WAIT(atomic_load(&dones) == COUNT);
    at = g.p;
    for (int i = 0; i < COUNT; i++) {
        end = memmem(at, (size_t)(g.p + g.n - at), "\r\n\r\n", 4);
        assert_non_null(end);
        assert_true(end + 4 + BYTES <= g.p + g.n);
        assert_memory_equal(end + 4, content + 1, BYTES);
        at = end + 4 + BYTES;
    }
    assert_ptr_equal(at, g.p + g.n);
    assert_int_equal(atomic_load(&bad_dones), 0);
    rig_forget(&g);
    close(fd);
}

TEST(only_checked_chunks_of_a_blob_leave)
{
    struct rig_got g;
    int fd;

    atomic_store(&fake_blob_checked, 1000);
    fd = ask("/blob", "");
    RIG_WAIT(atomic_load(&fake_blob_checks) == 1);
    g = rig_read_n(fd, 1);
    while (rig_body_of(&g).n < 1000)
        assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS));
    assert_false(rig_read_once(fd, &g, 50)); /* not one byte more */
    assert_int_equal(rig_body_of(&g).n, 1000);
    fake_blob_check_ends(5000, false);
    RIG_WAIT(atomic_load(&fake_blob_checks) == 1);
    fake_blob_check_ends(SIZE, false);
    while (rig_body_of(&g).n < SIZE)
        assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS));
    whole(&g, 0, SIZE);
    close(fd);
}

TEST(a_damaged_chunk_cuts_the_body_short)
{
    struct rig_got g;
    int fd;

    atomic_store(&fake_blob_checked, 1000);
    fd = ask("/blob", "");
    RIG_WAIT(atomic_load(&fake_blob_checks) == 1);
    fake_blob_check_ends(1000, true);
    g = cut_short(fd);
    assert_true(rig_body_of(&g).n <= 1000);
    rig_forget(&g);
    close(fd);
}

TEST(a_client_may_leave_while_a_chunk_is_checked)
{
    int fd;

    atomic_store(&fake_blob_checked, 0);
    fd = ask("/blob", "");
    RIG_WAIT(atomic_load(&fake_blob_checks) == 1);
    assert_int_equal(
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)), 0);
    close(fd);
    RIG_WAIT(atomic_load(&rig.loops[0]->nconns) == 0);
    assert_int_equal(atomic_load(&gone), 1);
    fake_blob_check_ends(SIZE, false); /* comes home to nobody */
    delivers("/blob?3-5", 3, 5);
}

TEST(a_file_that_became_shorter_cuts_the_body_short)
{
    struct rig_got g;

    assert_int_equal(ftruncate(content_fd, 5000), 0);
    g = cut_short(ask("/blob", ""));
    rig_forget(&g);
}

static struct flight *boarded(void)
{
    RIG_WAIT(atomic_load(&flying) != NULL);
    return atomic_load(&flying);
}

static void land(struct flight *f)
{
    flight_verify(f);
    flight_finish(f);
}

TEST(a_flight_is_followed_to_its_watermark_and_its_last_byte_is_held_back)
{
    int fd = ask("/flight", "");
    struct flight *f = boarded();
    struct rig_got g;

    flight_head(f, SIZE);
    g = rig_read_n(fd, 1); /* the head leaves before there is a byte of the body */
    flight_commit(f, 1000);
    while (rig_body_of(&g).n < 1000)
        assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS));
    flight_commit(f, SIZE - 1000);
    while (rig_body_of(&g).n < SIZE - 1)
        assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS));
    assert_false(rig_read_once(fd, &g, 50));
    assert_int_equal(rig_body_of(&g).n, SIZE - 1);
    land(f);
    while (rig_body_of(&g).n < SIZE)
        assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS));
    whole(&g, 0, SIZE);
    close(fd);
}

TEST(a_range_of_a_flight_holds_back_its_own_last_byte)
{
    int fd = ask("/flight?100-2000", "");
    struct flight *f = boarded();
    struct rig_got g = {0};

    flight_head(f, SIZE);
    flight_commit(f, SIZE);
    while (rig_body_of(&g).n < 1899)
        assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS));
    assert_false(rig_read_once(fd, &g, 50));
    assert_int_equal(rig_body_of(&g).n, 1899);
    land(f);
    while (rig_body_of(&g).n < 1900)
        assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS));
    whole(&g, 100, 2000);
    close(fd);
}

static const struct pg_err is_down = {.kind = PG_E_UPSTREAM_DOWN, .msg = (char[]){"down"}};

TEST(a_lost_flight_is_a_short_body_and_a_reset)
{
    int fd = ask("/flight", "");
    struct flight *f = boarded();
    struct rig_got g;

    flight_head(f, SIZE);
    flight_commit(f, SIZE); /* all of it, and then the digest is another one */
    flight_fail(f, &is_down);
    g = cut_short(fd);
    rig_forget(&g);
    close(fd);
}

TEST(a_flight_that_is_lost_after_it_matched_is_served_whole)
{
    int fd = ask("/flight", "");
    struct flight *f = boarded();
    struct rig_got g;

    flight_head(f, SIZE);
    flight_commit(f, SIZE);
    flight_verify(f);
    flight_fail(f, &is_down);
    g = rig_read_response(fd);
    whole(&g, 0, SIZE);
    close(fd);
}

TEST(A23_a_follower_is_not_harmed_by_others_that_leave)
{
    int first = ask("/flight", "");
    struct flight *f = boarded();
    struct rig_got g;
    int second;

    atomic_store(&flying, NULL);
    second = ask("/flight", "");
    assert_ptr_equal(boarded(), f);
    flight_head(f, SIZE);
    flight_commit(f, 100000);
    close(first);
    RIG_WAIT(atomic_load(&rig.loops[0]->nconns) == 1);
    flight_commit(f, SIZE - 100000);
    land(f);
    g = rig_read_response(second);
    whole(&g, 0, SIZE);
    close(second);
}

TEST(a_client_that_leaves_before_the_head_gives_its_seat_back)
{
    int fd = ask("/flight", "");
    struct flight *f = boarded();

    close(fd);
    RIG_WAIT(atomic_load(&rig.loops[0]->nconns) == 0);
    assert_int_equal(atomic_load(&gone), 1);
    flight_fail(f, &is_down); /* the fill was the last aboard: freed, LSan sees it */
}

static void head_of(const char *target)
{
    char bytes[128];
    int n = snprintf(bytes, sizeof(bytes),
                     "HEAD %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", target);
    struct rig_got g = rig_talk((struct sl){bytes, (size_t)n});

    assert_int_equal(rig_status_of(&g), 200);
    assert_int_equal(rig_length_of(&g), SIZE);
    assert_int_equal(rig_body_of(&g).n, 0);
    assert_false(g.reset);
    assert_int_equal(atomic_load(&bad_dones), 0);
    rig_forget(&g);
}

TEST(A21_head_sends_no_body_and_checks_nothing)
{
    atomic_store(&fake_blob_checked, 0);
    head_of("/mem");
    head_of("/blob");
    assert_int_equal(atomic_load(&fake_blob_checks), 0);
}

static void stalls(const char *target)
{
    int fd = ask(target, "");

    RIG_WAIT(atomic_load(&bad_dones) == 1); /* it never reads */
    RIG_WAIT(atomic_load(&rig.loops[0]->nconns) == 0);
    struct rig_got g = rig_read_all(fd);
    assert_true(rig_body_of(&g).n < SIZE);
    assert_true(g.reset);
    rig_forget(&g);
    close(fd);
}

TEST(K02_a_client_that_does_not_read_memory)
{
    stalls("/mem");
}

TEST(K02_a_client_that_does_not_read_a_blob)
{
    stalls("/blob");
}

TEST(K02_a_client_that_reads_slowly_is_served)
{
    int fd = ask("/blob", "");
    struct rig_got g = rig_read_n(fd, 1);

    while (rig_body_of(&g).n < SIZE) {
        size_t before = g.n;

        (void)poll(NULL, 0, 70); /* all in all far longer than the limit */
        while (g.n < before + SIZE / 12 && rig_body_of(&g).n < SIZE)
            assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS) && !g.ended);
    }
    whole(&g, 0, SIZE);
    close(fd);
}

/* So slowly that the server's socket is not writable again within the limit: but it reads. */
TEST(K02_a_client_whose_line_is_slow_is_served)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(rig.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct rig_got g = {0};
    uint64_t until = pg_clock_mono_ms() + 1500;

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){8192}, sizeof(int)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    rig_send(fd, SL("GET /blob HTTP/1.1\r\nHost: x\r\n\r\n"));
    while (pg_clock_mono_ms() < until) {
        char bytes[16384];

        assert_true(recv(fd, bytes, sizeof(bytes), 0) > 0);
        (void)poll(NULL, 0, 20);
    }
    assert_int_equal(atomic_load(&bad_dones), 0);
    assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS) && !g.ended);
    rig_forget(&g);
    close(fd);
}

TEST(K02_a_flight_without_news_is_not_the_clients_fault)
{
    int fd = ask("/flight", "");
    struct flight *f = boarded();
    struct rig_got g;

    flight_head(f, SIZE);
    flight_commit(f, 10);
    g = rig_read_n(fd, 1);
    assert_false(rig_body_of(&g).n < 10 ? !rig_read_once(fd, &g, RIG_PATIENCE_MS) : false);
    while (rig_body_of(&g).n < 10)
        assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS));
    assert_false(rig_read_once(fd, &g, 700)); /* more than twice the limit */
    assert_int_equal(atomic_load(&bad_dones), 0);
    flight_commit(f, SIZE - 10);
    land(f);
    while (rig_body_of(&g).n < SIZE)
        assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS));
    whole(&g, 0, SIZE);
    close(fd);
}

TEST(K02_a_client_that_caught_up_has_no_deadline_any_more)
{
    int fd = ask("/flight", "");
    struct flight *f = boarded();
    struct rig_got g = {0};

    flight_head(f, SIZE);
    flight_commit(f, SIZE - 10); /* more than the sockets hold: it blocks, and a deadline is set */
    (void)poll(NULL, 0, 100);
    while (rig_body_of(&g).n < SIZE - 10)
        assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS) && !g.ended);
    assert_false(rig_read_once(fd, &g, 700));
    flight_commit(f, 10);
    land(f);
    while (rig_body_of(&g).n < SIZE)
        assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS) && !g.ended);
    whole(&g, 0, SIZE);
    close(fd);
}

TEST(K03_a_slow_reader_slows_nobody)
{
    int slow = ask("/blob", ""); /* reads nothing */

    for (int i = 0; i < 3; i++)
        delivers("/blob", 0, SIZE);
    struct rig_got g = rig_read_response(slow);
    whole(&g, 0, SIZE);
    close(slow);
}

TEST(a_client_that_ends_its_side_still_gets_its_blob)
{
    int fd = ask("/blob", "");
    struct rig_got g;

    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    g = rig_read_response(fd);
    if (g.n > 0) /* when the end came before the service began, the client has left */
        whole(&g, 0, SIZE);
    rig_forget(&g);
    close(fd);
}

TEST(A23_resets_in_the_middle_of_bodies)
{
    for (int i = 0; i < 60; i++) {
        int fd = ask(i % 2 == 0 ? "/blob" : "/mem", "");
        struct rig_got g = rig_read_n(fd, (size_t)i * 20000);

        rig_forget(&g);
        assert_int_equal(
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)),
            0);
        close(fd);
    }
    RIG_WAIT(atomic_load(&rig.loops[0]->nconns) == 0);
    RIG_WAIT(atomic_load(&fake_blob_open) == 1);
    delivers("/blob?0-10", 0, 10);
}

TEST(stopping_the_loop_ends_all_bodies)
{
    int blob_fd = ask("/blob", ""), flight_fd = ask("/flight", "");
    struct flight *f = boarded();
    struct rig_got g;

    flight_head(f, SIZE);
    flight_commit(f, 10);
    g = rig_read_n(flight_fd, 1);
    rig_forget(&g);
    g = rig_read_n(blob_fd, 1);
    rig_forget(&g);
    loop_stop(rig.loops[0]);
    g = rig_read_all(blob_fd);
    assert_true(g.reset);
    rig_forget(&g);
    flight_fail(f, &is_down);
    close(blob_fd);
    close(flight_fd);
}

int main(void)
{
#define HTTP(name)    cmocka_unit_test_setup_teardown(name, start, stop)
#define HURRIED(name) cmocka_unit_test_setup_teardown(name, start_hurried, stop)
    const struct CMUnitTest tests[] = {
        HTTP(memory_that_does_not_fit_the_socket),
        HTTP(memory_of_no_bytes),
        HTTP(a_blob_whole),
        HTTP(a_range_of_a_blob),
        HTTP(a_blob_of_no_bytes),
        HTTP(the_connection_goes_on_after_a_body),
        HTTP(small_blobs_to_a_client_that_reads_late),
        HTTP(only_checked_chunks_of_a_blob_leave),
        HTTP(a_damaged_chunk_cuts_the_body_short),
        HTTP(a_client_may_leave_while_a_chunk_is_checked),
        HTTP(a_file_that_became_shorter_cuts_the_body_short),
        HTTP(a_flight_is_followed_to_its_watermark_and_its_last_byte_is_held_back),
        HTTP(a_range_of_a_flight_holds_back_its_own_last_byte),
        HTTP(a_lost_flight_is_a_short_body_and_a_reset),
        HTTP(a_flight_that_is_lost_after_it_matched_is_served_whole),
        HTTP(A23_a_follower_is_not_harmed_by_others_that_leave),
        HTTP(a_client_that_leaves_before_the_head_gives_its_seat_back),
        HTTP(A21_head_sends_no_body_and_checks_nothing),
        HURRIED(K02_a_client_that_does_not_read_memory),
        HURRIED(K02_a_client_that_does_not_read_a_blob),
        HURRIED(K02_a_client_that_reads_slowly_is_served),
        HURRIED(K02_a_client_whose_line_is_slow_is_served),
        HURRIED(K02_a_flight_without_news_is_not_the_clients_fault),
        HURRIED(K02_a_client_that_caught_up_has_no_deadline_any_more),
        HTTP(K03_a_slow_reader_slows_nobody),
        HTTP(a_client_that_ends_its_side_still_gets_its_blob),
        HTTP(A23_resets_in_the_middle_of_bodies),
        HTTP(stopping_the_loop_ends_all_bodies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
