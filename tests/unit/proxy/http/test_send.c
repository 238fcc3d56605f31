/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies from memory, of blobs and of flights, to clients that read fast, slowly or not at all. */
#include "unit/proxy/http/sender.h"

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
