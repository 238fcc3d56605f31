/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that two readers would read in two ways, or not at all: raw bytes in, status and close
 * out, and nothing of what follows is read. */
#include "unit/proxy/http/echo.h"

/* ---- smuggling, table A -------------------------------------------------------------------- */

TEST(A01_length_and_chunked_together)
{
    REFUSED(POSTED "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400);
    REFUSED(POSTED "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400);
    REFUSED(POSTED "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400);
}

TEST(A02_transfer_codings)
{
    REFUSED(POSTED "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400);
    REFUSED(POSTED "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", 400);
    REFUSED(POSTED "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400);
    REFUSED(POSTED "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400);
    REFUSED(POSTED "Transfer-Encoding: chunkedchunked\r\n\r\n0\r\n\r\n", 400);
    REFUSED(POSTED "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 400);
    REFUSED(POSTED "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400);
    REFUSED(POSTED "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400);
    REFUSED(POSTED "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
            400);
    REFUSED(POSTED "Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400);
    REFUSED(POSTED "Transfer-Encoding: \r\n\r\n0\r\n\r\n", 400);
    REFUSED(POSTED "Transfer-Encoding: \x0b"
                   "chunked\r\n\r\n0\r\n\r\n",
            400);
    REFUSED("POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400);
}

TEST(A03_two_lengths)
{
    REFUSED(POSTED "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400);
    REFUSED(POSTED "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400);
    REFUSED(POSTED "Content-Length: 5, 5\r\n\r\nhello", 400);
}

/* Puts what, without its NUL, behind the n bytes of to. */
static void repeat(char *to, size_t *n, const char *what, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        for (size_t j = 0; what[j] != '\0'; j++)
            to[(*n)++] = what[j];
    }
}

TEST(A04_lengths_that_are_no_numbers)
{
    static char digits[16384];
    size_t n = 0;

    REFUSED(POSTED "Content-Length:\r\n\r\n", 400);
    REFUSED(POSTED "Content-Length: +5\r\n\r\nhello", 400);
    REFUSED(POSTED "Content-Length: 0x5\r\n\r\nhello", 400);
    REFUSED(POSTED "Content-Length: 5 6\r\n\r\nhello", 400);
    REFUSED(POSTED "Content-Length: -1\r\n\r\nhello", 400);
    REFUSED(POSTED "Content-Length: 5a\r\n\r\nhello", 400);
    REFUSED(POSTED "Content-Length: 18446744073709551616\r\n\r\nhello", 400);
    REFUSED(POSTED "Content-Length: 18446744073709551621\r\n\r\nhello", 400);
    repeat(digits, &n, POSTED "Content-Length: ", 1);
    repeat(digits, &n, "1", 10000);
    repeat(digits, &n, "\r\n\r\n", 1);
    refused_as((struct sl){digits, n}, 400);
}

TEST(A05_folded_fields)
{
    REFUSED(HOSTED "X-A: b\r\n c\r\n\r\n", 400);
    REFUSED(HOSTED "X-A: b\r\n\tc\r\n\r\n", 400);
    REFUSED(POSTED "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400);
    REFUSED("GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400);
    REFUSED(HOSTED " \r\n\r\n", 400);
}

TEST(A06_lines_that_do_not_end_in_CRLF)
{
    REFUSED("GET / HTTP/1.1\nHost: x\n\n", 400);
    REFUSED("GET / HTTP/1.1\r\nHost: x\n\r\n", 400);
    REFUSED("GET / HTTP/1.1\r\nHost: x\r\n\n", 400);
    REFUSED("GET / HTTP/1.1\r\nHost: x\r\n\rX", 400);
    REFUSED("GET / HTTP/1.1\r\nHost: x\r\n\r\r\n", 400);
    REFUSED("GET / HTTP/1.1\r\nHost: x\rX-A: b\r\n\r\n", 400);
    REFUSED("GET / HTTP/1.1\r\nHost: x\r\nX-A: b\rc\r\n\r\n", 400);
    REFUSED("GET /\r HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    REFUSED("\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    REFUSED("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400);
}

TEST(A07_names_that_are_no_names)
{
    REFUSED("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400);
    REFUSED(POSTED " Content-Length: 5\r\n\r\nhello", 400);
    REFUSED(POSTED "Content-Length : 5\r\n\r\nhello", 400);
    REFUSED(HOSTED ": v\r\n\r\n", 400);
    REFUSED(HOSTED "no-colon\r\n\r\n", 400);
    REFUSED(HOSTED "a\0b: c\r\n\r\n", 400);
    REFUSED(HOSTED "a\x01"
                   "b: c\r\n\r\n",
            400);
    REFUSED(HOSTED "a\x7f"
                   "b: c\r\n\r\n",
            400);
    REFUSED(HOSTED "a\x80"
                   "b: c\r\n\r\n",
            400);
    REFUSED(HOSTED "a(b): c\r\n\r\n", 400);
    REFUSED(HOSTED "X-A: b\0c\r\n\r\n", 400);
    REFUSED(HOSTED "X-A: b\x1b[31m\r\n\r\n", 400);
}

#define CHUNKED POSTED "Transfer-Encoding: chunked\r\n\r\n"

TEST(A08_chunks)
{
    static char extension[(size_t)10 * 1024 * 1024];
    size_t n = 0;

    REFUSED(CHUNKED "10000000000000000\r\n", 400);
    REFUSED(CHUNKED "000000005\r\nhello\r\n0\r\n\r\n", 400);
    REFUSED(CHUNKED "5;\nhello\r\n0\r\n\r\n", 400);
    REFUSED(CHUNKED "5;a\nhello\r\n0\r\n\r\n", 400);
    REFUSED(CHUNKED "5;\r\nhello\r\n0\r\n\r\n", 400);
    REFUSED(CHUNKED "5;a\0b\r\nhello\r\n0\r\n\r\n", 400);
    REFUSED(CHUNKED "5\nhello\r\n0\r\n\r\n", 400);
    REFUSED(CHUNKED "5\rXhello\r\n0\r\n\r\n", 400);
    REFUSED(CHUNKED "5 \r\nhello\r\n0\r\n\r\n", 400);
    REFUSED(CHUNKED "0x5\r\nhello\r\n0\r\n\r\n", 400);
    REFUSED(CHUNKED "-5\r\nhello\r\n0\r\n\r\n", 400);
    REFUSED(CHUNKED "\r\nhello\r\n0\r\n\r\n", 400);
    REFUSED(CHUNKED "5\r\nhello0\r\n\r\n", 400);
    REFUSED(CHUNKED "5\r\nhello\n0\r\n\r\n", 400);
    REFUSED(CHUNKED "5\r\nhelloXX0\r\n\r\n", 400);
    REFUSED(CHUNKED "0\r\n\n", 400);
    REFUSED(CHUNKED "0\r\nContent-Length: 5\r\n\r\n", 400);
    repeat(extension, &n, CHUNKED "5;", 1);
    repeat(extension, &n, "a", sizeof(extension) - n);
    refused_as((struct sl){extension, n}, 400);
}

TEST(A08_proper_chunks_are_thrown_away_and_the_next_request_is_read)
{
    int fd = rig_connect();
    struct rig_got g;

    rig_send(fd, SL(CHUNKED "5;name=value\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n" GET));
    g = rig_read_response(fd);
    assert_int_equal(rig_status_of(&g), 405);
    while (rig_count(&g, "HTTP/1.1 ") < 2)
        assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS));
    assert_int_equal(rig_count(&g, "HTTP/1.1 200 OK"), 1);
    rig_forget(&g);
    close(fd);
}

TEST(A09_hosts)
{
    static const char *const wrong[] = {
        "",       "x/y",         "x y",  "a@b",  "x:",  "x:99999", "x:1a", "x:1:2", "[::1",
        "[::1]x", "[::1]:70000", "[zz]", "x\\y", "x,y", "x?y#z",   "[]",   ":80"};

    REFUSED("GET / HTTP/1.1\r\n\r\n", 400);
    REFUSED("GET / HTTP/1.0\r\n\r\n", 400);
    REFUSED("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400);
    REFUSED("GET / HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n", 400);
    REFUSED("GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    REFUSED("GET http://x:80/ HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    REFUSED("GET http://y@x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    REFUSED("GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    REFUSED("GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    REFUSED("GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    REFUSED("GET /#f HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char bytes[128];
        int n = snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", wrong[i]);

        refused_as((struct sl){bytes, (size_t)n}, 400);
    }
}

TEST(A09_hosts_that_are_ones)
{
    host_is("/host", "registry.example:5000");
    host_is("/host", "127.0.0.1");
    host_is("/host", "[::1]:5000");
    host_is("/host", "localhost");
    host_is("/host", "under_score.example.");
    host_is("http://Example.com/host", "example.com");
    host_is("https://example.com:5000/host", "example.com:5000");
}

TEST(A10_other_protocols)
{
    REFUSED("GET /\r\n", 400);
    REFUSED("GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505);
    REFUSED("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505);
    REFUSED("GET / HTTP/0.9\r\nHost: x\r\n\r\n", 505);
    REFUSED("GET / HTTP/1.10\r\nHost: x\r\n\r\n", 400);
    REFUSED("GET / http/1.1\r\nHost: x\r\n\r\n", 400);
    REFUSED("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    REFUSED("GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400);
    REFUSED("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    REFUSED("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    REFUSED("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400);
    REFUSED("CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 405);
    REFUSED("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405);
    REFUSED("PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n", 405);
    REFUSED("get / HTTP/1.1\r\nHost: x\r\n\r\n", 405);
    REFUSED(HOSTED "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                   "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
            400);
}

TEST(A11_a_body_is_never_a_request)
{
    /* larger than is worth reading: answered, closed, and nothing of it is parsed */
    struct rig_got g =
        rig_talk(SL("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n" GET GET));

    assert_int_equal(rig_status_of(&g), 405);
    assert_int_equal(rig_count(&g, "HTTP/1.1 "), 1);
    assert_int_equal(rig_count(&g, "\r\nConnection: close\r\n"), 1);
    assert_int_equal(atomic_load(&begun), 1);
    rig_forget(&g);

    /* small: it is read, thrown away, and what follows it is the next request */
    int fd = rig_connect();

    rig_send(fd, SL("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 37\r\n\r\n" GET));
    assert_int_equal(sizeof(GET) - 1, 27);
    rig_send(fd, SL("0123456789GET /agent HTTP/1.1\r\nHost: x\r\nUser-Agent: me\r\n\r\n"));
    g = rig_read_n(fd, 1);
    while (rig_count(&g, "HTTP/1.1 ") < 2)
        assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS));
    assert_int_equal(rig_count(&g, "\r\n\r\nhello"), 1);
    assert_int_equal(rig_count(&g, "\r\n\r\nme"), 1);
    assert_int_equal(atomic_load(&begun), 3);
    rig_forget(&g);
    close(fd);
}

TEST(A11_a_client_that_sends_on_can_read_the_answer)
{
    static char bulk[256 * 1024];
    int fd = rig_connect();
    struct rig_got g;

    memset(bulk, 'x', sizeof(bulk));
    rig_send(fd, SL("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"));
    rig_send(fd, (struct sl){bulk, sizeof(bulk)});
    g = rig_read_all(fd);
    assert_int_equal(rig_status_of(&g), 405);
    assert_false(g.reset);
    rig_forget(&g);
    close(fd);
}

TEST(A12_the_connection_field_takes_nothing_away)
{
    int fd = rig_connect();
    struct rig_got g;

    rig_send(fd, SL("GET /host HTTP/1.1\r\nHost: x\r\nContent-Length: 27\r\n"
                    "Connection: content-length, host, authorization\r\n\r\n" GET));
    rig_send(fd, SL("GET /agent HTTP/1.1\r\nHost: x\r\nUser-Agent: me\r\n\r\n"));
    g = rig_read_n(fd, 1);
    while (rig_count(&g, "HTTP/1.1 ") < 2)
        assert_true(rig_read_once(fd, &g, RIG_PATIENCE_MS));
    assert_int_equal(rig_count(&g, "\r\n\r\nx"), 1);
    assert_int_equal(rig_count(&g, "\r\n\r\nme"), 1);
    assert_int_equal(atomic_load(&begun), 2);
    rig_forget(&g);
    close(fd);
}

TEST(A13_pipelining_without_reading_is_held_back)
{
    int fd = rig_connect();
    struct rig_got g;

    /* the service does not answer the first: the others wait in the kernel, and here in one page */
    rig_send(fd, SL("GET /keep HTTP/1.1\r\nHost: x\r\n\r\n"));
    for (int i = 0; i < 1000; i++)
        rig_send(fd, SL(GET));
    assert_int_equal(sem_wait(&kept), 0);
    rig_send(fd, SL("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    assert_int_equal(atomic_load(&begun), 1);
    close(fd); /* it leaves: the request is told */
    RIG_WAIT(atomic_load(&gone) == 1);
    assert_int_equal(atomic_load(&begun), 1);

    fd = rig_connect();
    for (int i = 0; i < 1000; i++)
        rig_send(fd, SL(GET));
    rig_send(fd, SL("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    g = rig_read_all(fd);
    assert_int_equal(rig_count(&g, "HTTP/1.1 200 OK"), 1001);
    assert_int_equal(atomic_load(&begun), 1002);
    rig_forget(&g);
    close(fd);
}

TEST(A14_expectations)
{
    struct rig_got g;
    int fd;

    REFUSED(HOSTED "Expect: 200-ok\r\n\r\n", 417);
    REFUSED(HOSTED "Expect: 100-continue, x\r\n\r\n", 417);
    REFUSED(POSTED "Expect: \r\nContent-Length: 5\r\n\r\n", 417);

    /* no body: there is nothing to continue with, and the connection goes on */
    fd = rig_connect();
    rig_send(fd, SL(HOSTED "Expect: 100-continue\r\n\r\n" HOSTED "Connection: close\r\n\r\n"));
    g = rig_read_all(fd);
    assert_int_equal(rig_count(&g, "HTTP/1.1 200 OK"), 2);
    assert_int_equal(rig_count(&g, "100 Continue"), 0);
    rig_forget(&g);
    close(fd);

    /* a body that nobody wants: the final answer at once, and closed */
    refused_as(SL(HOSTED "Expect: 100-continue, 100-continue\r\n\r\n"), 417);
    g = rig_talk(
        SL("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n"));
    assert_int_equal(rig_status_of(&g), 405);
    assert_int_equal(rig_count(&g, "\r\nConnection: close\r\n"), 1);
    rig_forget(&g);
}

TEST(A16_heads_that_are_too_large)
{
    static char bytes[2 * 1024 * 1024];
    size_t n = 0;
    struct rig_got g;

    repeat(bytes, &n, "GET /", 1);
    repeat(bytes, &n, "a", 65536);
    repeat(bytes, &n, " HTTP/1.1\r\nHost: x\r\n\r\n", 1);
    refused_as((struct sl){bytes, n}, 414);

    n = 0;
    repeat(bytes, &n, "GET /", 1);
    repeat(bytes, &n, "a", 8192);
    repeat(bytes, &n, " HTTP/1.1\r\nHost: x\r\n\r\n", 1);
    refused_as((struct sl){bytes, n}, 414);

    n = 0;
    repeat(bytes, &n, HOSTED, 1);
    repeat(bytes, &n, "A: b\r\n", 100);
    repeat(bytes, &n, "\r\n", 1);
    refused_as((struct sl){bytes, n}, 431);

    n = 0;
    repeat(bytes, &n, HOSTED "A: ", 1);
    repeat(bytes, &n, "b", (size_t)1024 * 1024);
    repeat(bytes, &n, "\r\n\r\n", 1);
    refused_as((struct sl){bytes, n}, 431);

    n = 0; /* and one that is just not */
    repeat(bytes, &n, HOSTED "Connection: close\r\n", 1);
    repeat(bytes, &n, "A: b\r\n", 98);
    repeat(bytes, &n, "\r\n", 1);
    g = rig_talk((struct sl){bytes, n});
    assert_int_equal(rig_status_of(&g), 200);
    rig_forget(&g);

    n = 0; /* exactly as large as may be */
    repeat(bytes, &n, HOSTED "Connection: close\r\nA: ", 1);
    repeat(bytes, &n, "b", CONN_HEAD_MAX - n - 4);
    repeat(bytes, &n, "\r\n\r\n", 1);
    g = rig_talk((struct sl){bytes, n});
    assert_int_equal(rig_status_of(&g), 200);
    rig_forget(&g);
}

int main(void)
{
#define HTTP(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        HTTP(A01_length_and_chunked_together),
        HTTP(A02_transfer_codings),
        HTTP(A03_two_lengths),
        HTTP(A04_lengths_that_are_no_numbers),
        HTTP(A05_folded_fields),
        HTTP(A06_lines_that_do_not_end_in_CRLF),
        HTTP(A07_names_that_are_no_names),
        HTTP(A08_chunks),
        HTTP(A08_proper_chunks_are_thrown_away_and_the_next_request_is_read),
        HTTP(A09_hosts),
        HTTP(A09_hosts_that_are_ones),
        HTTP(A10_other_protocols),
        HTTP(A11_a_body_is_never_a_request),
        HTTP(A11_a_client_that_sends_on_can_read_the_answer),
        HTTP(A12_the_connection_field_takes_nothing_away),
        HTTP(A13_pipelining_without_reading_is_held_back),
        HTTP(A14_expectations),
        HTTP(A16_heads_that_are_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
