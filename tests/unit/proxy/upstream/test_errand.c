/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "proxy/upstream/errand.h"

static CURLM *multi;
static CURL *easy;
static int stop_fd, peer_fd;
static size_t nbytes;

/* Of somebody who says nothing, or, without listen(), of nobody. */
static void aim(bool listens)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    char url[64];

    peer_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(peer_fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(peer_fd, (struct sockaddr *)&a, &n), 0);
    if (listens)
        assert_int_equal(listen(peer_fd, 8), 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(a.sin_port));
    assert_int_equal(curl_easy_setopt(easy, CURLOPT_URL, url), CURLE_OK);
    assert_int_equal(curl_multi_add_handle(multi, easy), CURLM_OK);
}

TEST(who_is_told_to_stop_does_not_wait_for_an_answer)
{
    CURLcode rc;

    aim(true);
    assert_int_equal(eventfd_write(stop_fd, 1), 0);
    assert_false(errand_run(multi, easy, stop_fd, &rc));
}

TEST(what_fails_says_how)
{
    CURLcode rc;

    aim(false);
    assert_true(errand_run(multi, easy, stop_fd, &rc));
    assert_int_equal(rc, CURLE_COULDNT_CONNECT);
}

TEST(of_a_long_answer_the_status_counts)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n";
    static char body[100000];
    const int room = 200000; /* all of it is taken without anybody who reads */
    CURLcode rc;
    long status = 0;
    int running;

    aim(true);
    assert_int_equal(curl_multi_perform(multi, &running), CURLM_OK); /* it connects */
    _fd_ int fd = accept4(peer_fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    assert_int_equal(pg_fd_write(fd, head, sizeof(head) - 1), 0);
    assert_int_equal(pg_fd_write(fd, body, sizeof(body)), 0);
    assert_true(errand_run(multi, easy, stop_fd, &rc));
    assert_int_equal(rc, CURLE_WRITE_ERROR);
    assert_int_equal(curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status), CURLE_OK);
    assert_int_equal(status, 200);
    assert_true(nbytes > 65536 && nbytes <= sizeof(body));
}

static int set_up(void **state)
{
    (void)state;
    multi = curl_multi_init();
    easy = curl_easy_init();
    stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    nbytes = 0;
    errand_set_up(easy, NULL);
    errand_ignore_answer(easy, &nbytes);
    return multi != NULL && easy != NULL && stop_fd >= 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    (void)curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
    (void)curl_multi_cleanup(multi);
    pg_fd_close(&stop_fd);
    pg_fd_close(&peer_fd);
    return 0;
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(who_is_told_to_stop_does_not_wait_for_an_answer),
        EACH(what_fails_says_how),
        EACH(of_a_long_answer_the_status_counts),
    };
    int rc;

    assert_int_equal(curl_global_init(CURL_GLOBAL_DEFAULT), CURLE_OK);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return rc;
}
