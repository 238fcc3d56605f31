/* SPDX-License-Identifier: Apache-2.0 */
/* What a client may send, and what it gets: raw bytes in, status and close out. */
#include "unit/proxy/http/rig.h"

static atomic_int begun, gone;
static sem_t kept; /* a request that nobody answers has begun */
static struct conn *_Atomic keeper;

static void on_sent(struct conn *c, const struct send_result *r)
{
    conn_done(c, r->ok);
}

static void answer(struct conn *c, int status, struct sl body)
{
    send_head(c, status);
    send_field(c, SL("Content-Type"), SL("text/plain"));
    send_mem(c, body);
    send_go(c, on_sent);
}

static void begin(const struct conn_service *service, struct conn *c)
{
    const struct conn_request *q = conn_request(c);

    (void)service;
    atomic_fetch_add(&begun, 1);
    if (sl_eq(q->target, SL("/keep"))) {
        atomic_store(&keeper, c);
        sem_post(&kept);
    } else if (sl_eq(q->target, SL("/host"))) {
        answer(c, 200, q->host);
    } else if (sl_eq(q->target, SL("/agent"))) {
        answer(c, 200, conn_header(q, SL("user-agent")));
    } else if (sl_eq(q->target, SL("/bad-field"))) {
        send_head(c, 200);
        send_field(c, SL("X-Hostile"), SL("a\r\nSet-Cookie: b"));
        send_mem(c, SL("secret"));
        send_go(c, on_sent);
    } else if (sl_eq(q->method, SL("GET")) || sl_eq(q->method, SL("HEAD"))) {
        answer(c, 200, SL("hello"));
    } else {
        answer(c, 405, SL("no"));
    }
}

static void on_gone(struct conn *c)
{
    atomic_fetch_add(&gone, 1);
    conn_done(c, false);
}

static const struct conn_service service = {.name = "test", .begin = begin, .gone = on_gone};

static int open_with(struct config config)
{
    atomic_store(&begun, 0);
    atomic_store(&gone, 0);
    assert_int_equal(sem_init(&kept, 0, 0), 0);
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
    config.limits_head_timeout = 300;
    config.limits_idle_timeout = 300;
    config.limits_send_timeout = 300;
    return open_with(config);
}

static int stop(void **state)
{
    (void)state;
    rig_close();
    return 0;
}

#define GET "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

/* Refused: that status, one answer that says so, closed, and what follows is not read. */
static void refused_as(struct sl bytes, int status)
{
    int before = atomic_load(&begun);
    int fd = rig_connect();
    struct rig_got g;

    rig_send(fd, bytes);
    rig_send(fd, SL("GET /next HTTP/1.1\r\nHost: x\r\n\r\n"));
    g = rig_read_all(fd);
    if (rig_status_of(&g) != status || rig_count(&g, "HTTP/1.1 ") != 1)
        fail_msg("%.200s\n... should be a %d, and is %s", bytes.p, status, g.p);
    assert_int_equal(rig_count(&g, "\r\nConnection: close\r\n"), 1);
    assert_int_equal(rig_count(&g, "{\"errors\":[{\"code\":"), 1);
    assert_int_equal(rig_body_of(&g).n, rig_length_of(&g));
    assert_int_equal(atomic_load(&begun), before);
    rig_forget(&g);
    close(fd);
}

#define REFUSED(bytes, status) refused_as(SL(bytes), status)

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

/* ---- smuggling, table A -------------------------------------------------------------------- */

#define HOSTED "GET / HTTP/1.1\r\nHost: x\r\n"
#define POSTED "POST / HTTP/1.1\r\nHost: x\r\n"

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

static void host_is(const char *target, const char *host)
{
    char bytes[256];
    int n = snprintf(bytes, sizeof(bytes),
                     "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", target, host);
    struct rig_got g = rig_talk((struct sl){bytes, (size_t)n});

    assert_int_equal(rig_status_of(&g), 200);
    assert_true(sl_eq(rig_body_of(&g), (struct sl){host, strlen(host)}));
    rig_forget(&g);
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

/* ---- the life of a connection -------------------------------------------------------------- */

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
    g = rig_talk(SL("GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"));
    assert_int_equal(rig_status_of(&g), 200);
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

TEST(K02_dripping_does_not_help)
{
    uint64_t began = pg_clock_mono_ms();
    int fd = rig_connect();
    struct rig_got g = {0};

    rig_send(fd, SL("GET / HTTP/1.1\r\nHost: x\r\nX: "));
    while (!rig_read_once(fd, &g, 20)) {
        rig_send(fd, SL("a"));
        assert_true(pg_clock_mono_ms() - began < RIG_PATIENCE_MS);
    }
    assert_int_equal(rig_status_of(&g), 408);
    rig_forget(&g);
    close(fd);
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
    int idle = rig_connect(), busy = rig_connect();
    struct rig_got g;

    rig_send(busy, SL("GET /keep HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_int_equal(sem_wait(&kept), 0);
    RIG_WAIT(atomic_load(&rig.loops[0]->nconns) == 2);
    loop_drain(rig.loops[0]);
    loop_drain(rig.loops[0]); /* twice is once */
    g = rig_read_all(idle);
    assert_int_equal(g.n, 0);
    assert_false(g.reset);
    rig_forget(&g);
    close(idle);

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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
