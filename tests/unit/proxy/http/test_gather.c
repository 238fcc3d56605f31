/* SPDX-License-Identifier: Apache-2.0 */
/* A socket that takes as much as the test says, and the other end of the TLS behind it. */
#include "harness/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "proxy/http/tls.h"
#include "proxy/http/wire.h"
#include "unit/proxy/http/certs.h"

#define SOCKET   12345 /* that of the test: no descriptor */
#define BODY_MAX ((size_t)1024 * 1024)

static struct tls_server *server;
static SSL_CTX *client_ctx;
static SSL *ours, *client;
static struct gather *gather;
static BIO *line; /* to the client */
static size_t takes;
static int breaks, last_flags, sends; /* breaks: errno */
static char buffer[GATHER_BYTES], body[BODY_MAX], got[BODY_MAX];

/* In place of libc's. NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
ssize_t send(int fd, const void *p, size_t n, int flags)
{
    if (fd != SOCKET)
        return syscall(SYS_sendto, fd, p, n, flags, NULL, 0);
    assert_true((flags & MSG_NOSIGNAL) != 0);
    assert_true(n > 0);
    sends++;
    last_flags = flags;
    if (breaks != 0 || takes == 0) {
        errno = breaks != 0 ? breaks : EAGAIN;
        return -1;
    }
    n = n < takes ? n : takes;
    takes -= n;
    assert_int_equal(BIO_write(line, p, (int)n), (int)n);
    return (ssize_t)n;
}

static SSL_CTX *make_client(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    assert_non_null(ctx);
    return ctx;
}

static struct tls_server *make_server(void)
{
    struct config_pair pair = {cert_file, key_file};
    const struct config_tls tls = {.pairs = &pair, .npairs = 1};
    struct pg_err err = {0};
    struct tls_server *s;

    assert_int_equal(tls_server_new(&tls, &s, &err), 0);
    return s;
}

/* Both ends in this thread; what the server writes before its gather goes the same way. */
static int start(void **state)
{
    BIO *back = BIO_new(BIO_s_mem());

    (void)state;
    server = make_server();
    client_ctx = make_client();
    line = BIO_new(BIO_s_mem());
    assert_true(line != NULL && back != NULL);
    assert_int_equal(BIO_up_ref(line), 1);
    assert_int_equal(BIO_up_ref(back), 1);
    ours = tls_server_accept(server, SOCKET);
    client = SSL_new(client_ctx);
    SSL_set_bio(ours, back, line);
    SSL_set_bio(client, line, back);
    SSL_set_connect_state(client);
    do {
        (void)SSL_do_handshake(client); /* each waits for the other */
    } while (SSL_do_handshake(ours) != 1);
    gather = gather_new(ours, SOCKET);              /* lets go of the line: the client holds it */
    assert_int_equal(SSL_read(client, got, 1), -1); /* the ticket */
    for (size_t i = 0; i < BODY_MAX; i++)
        body[i] = (char)('a' + (i + i / 4096) % 26);
    takes = SIZE_MAX;
    breaks = sends = 0;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    SSL_free(ours);
    SSL_free(client);
    SSL_CTX_free(client_ctx);
    tls_server_free(server);
    return 0;
}

static void write_record(size_t at, size_t n)
{
    assert_int_equal(SSL_write(ours, body + at, (int)n), (int)n);
}

/* What the client has of the body from `at` on, to the end of what left. */
static size_t reads(size_t at)
{
    size_t n = 0;
    int r;

    while ((r = SSL_read(client, got + n, (int)(BODY_MAX - n))) > 0)
        n += (size_t)r;
    assert_int_equal(SSL_get_error(client, r), SSL_ERROR_WANT_READ);
    assert_memory_equal(got, body + at, n);
    return n;
}

/* ---- turns --------------------------------------------------------------------------------- */

TEST(the_records_of_a_turn_are_one_send)
{
    assert_true(gather_begin(gather, buffer));
    for (size_t i = 0; i < 8; i++)
        write_record(i * WIRE_RECORD_BYTES, WIRE_RECORD_BYTES);
    assert_int_equal(sends, 0);
    assert_true(gather_end(gather));
    assert_int_equal(sends, 1);
    assert_int_equal(reads(0), 8 * WIRE_RECORD_BYTES);
}

/* Three records; the socket takes k bytes of them, then one at a time, or the rest at once. */
static size_t turn_of_which_leave(size_t k, bool by_ones)
{
    size_t whole;

    takes = k;
    assert_true(gather_begin(gather, buffer));
    write_record(0, 1);
    write_record(1, 150);
    write_record(151, 49);
    whole = 200 + (size_t)3 * 22;
    assert_int_equal(gather_end(gather), k >= whole);
    assert_int_equal(gather_owed(gather), k >= whole ? 0 : whole - k);
    takes = by_ones ? 1 : SIZE_MAX;
    while (!gather_begin(gather, buffer)) {
        assert_true(by_ones && !gather_is_broken(gather));
        takes = 1;
    }
    assert_int_equal(gather_owed(gather), 0);
    assert_true(gather_end(gather));
    assert_int_equal(reads(0), 200);
    return whole;
}

TEST(sockets_that_take_a_part_of_any_length)
{
    size_t whole = 1;

    for (size_t k = 0; k <= whole; k++)
        whole = turn_of_which_leave(k, false);
    for (size_t k = 0; k <= whole; k += 50)
        (void)turn_of_which_leave(k, true);
}

TEST(more_than_the_buffer_holds_leaves_on_the_way)
{
    assert_true(gather_begin(gather, buffer));
    for (size_t i = 0; i < 40; i++) {
        write_record(i * WIRE_RECORD_BYTES, WIRE_RECORD_BYTES);
        assert_true(i < 9 || (last_flags & MSG_MORE) != 0);
    }
    assert_true(gather_end(gather));
    assert_int_equal(last_flags & MSG_MORE, 0); /* nothing stays in the kernel, waiting for more */
    assert_int_equal(sends, 5);
    assert_int_equal(reads(0), 40 * WIRE_RECORD_BYTES);
}

/* Whoever does not ask for room, nor looks what is owed: it is kept in order, and not without end.
 */
TEST(more_than_the_socket_takes_is_kept_up_to_a_limit)
{
    size_t n = 0, records = 0;
    int r;

    takes = 100000;
    assert_true(gather_begin(gather, buffer));
    while ((r = SSL_write(ours, body + n, WIRE_RECORD_BYTES)) > 0) {
        n += (size_t)r;
        assert_true(++records < 64);
    }
    assert_int_equal(SSL_get_error(ours, r), SSL_ERROR_WANT_WRITE);
    assert_false(gather_end(gather));
    assert_true(gather_owed(gather) > GATHER_KEPT_MAX);
    assert_true(gather_owed(gather) <= GATHER_KEPT_MAX + GATHER_BYTES);
    takes = SIZE_MAX;
    assert_true(gather_begin(gather, buffer));
    assert_int_equal(SSL_write(ours, body + n, WIRE_RECORD_BYTES), WIRE_RECORD_BYTES); /* retried */
    assert_true(gather_end(gather));
    assert_int_equal(reads(0), n + WIRE_RECORD_BYTES);
}

/* ---- beside turns -------------------------------------------------------------------------- */

static void owe(size_t n)
{
    takes = 7;
    assert_true(gather_begin(gather, buffer));
    write_record(0, n);
    assert_false(gather_end(gather));
    assert_int_equal(gather_owed(gather), n + 22 - 7);
}

/* New keys, of our own accord, so that it is no turn. */
TEST(what_is_written_beside_turns_waits_for_what_is_owed)
{
    owe(1000);
    takes = 500;
    assert_int_equal(SSL_key_update(ours, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    assert_int_equal(SSL_do_handshake(ours), -1);
    assert_int_equal(SSL_get_error(ours, -1), SSL_ERROR_WANT_WRITE);
    assert_int_equal(gather_owed(gather), 1000 + 22 - 7 - 500);
    takes = SIZE_MAX;
    assert_int_equal(SSL_do_handshake(ours), 1);
    assert_int_equal(gather_owed(gather), 0);
    assert_int_equal(reads(0), 1000);
}

/* OpenSSL answers with the next thing that it writes, which is of a turn. */
TEST(an_answer_to_a_key_update_stands_behind_what_is_owed)
{
    char one;

    owe(1000);
    assert_int_equal(SSL_key_update(client, SSL_KEY_UPDATE_REQUESTED), 1);
    assert_int_equal(SSL_do_handshake(client), 1);
    assert_int_equal(SSL_read(ours, &one, 1), -1);
    assert_int_equal(SSL_get_error(ours, -1), SSL_ERROR_WANT_READ);
    takes = SIZE_MAX;
    assert_true(gather_begin(gather, buffer));
    write_record(1000, 500);
    assert_true(gather_end(gather));
    assert_int_equal(reads(0), 1500);
}

TEST(the_end_is_said_at_once)
{
    assert_int_equal(SSL_shutdown(ours), 0);
    assert_int_equal(sends, 1);
    assert_int_equal(SSL_read(client, got, 1), 0);
    assert_int_equal(SSL_get_error(client, 0), SSL_ERROR_ZERO_RETURN);
}

TEST(a_broken_socket_stays_broken)
{
    assert_true(gather_begin(gather, buffer));
    write_record(0, 1000);
    breaks = EPIPE;
    assert_false(gather_end(gather));
    assert_true(gather_is_broken(gather));
    assert_int_equal(gather_owed(gather), 0);
    breaks = 0;
    assert_false(gather_begin(gather, buffer));
    assert_int_equal(SSL_write(ours, body, 10), -1);
    assert_int_equal(SSL_get_error(ours, -1), SSL_ERROR_SYSCALL);
    assert_int_equal(sends, 1);
}

TEST(a_socket_that_breaks_within_a_turn)
{
    breaks = ECONNRESET;
    assert_true(gather_begin(gather, buffer));
    for (size_t i = 0; i < 8; i++)
        write_record(i * WIRE_RECORD_BYTES, WIRE_RECORD_BYTES);
    write_record(0, WIRE_RECORD_BYTES - 1000);
    assert_int_equal(SSL_write(ours, body, WIRE_RECORD_BYTES), -1);
    assert_false(gather_end(gather));
    assert_int_equal(sends, 1);
}

/* ---- real sockets -------------------------------------------------------------------------- */

static char scratch[WIRE_SCRATCH_BYTES];

struct ends {
    struct wire wire;
    SSL *client;
    int client_fd;
};

static void connect_ends(struct ends *e)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int little = 16384;
    const char *why;
    int r = 0;

    *e = (struct ends){.client_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(setsockopt(door, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)), 0);
    assert_int_equal(setsockopt(e->client_fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little)), 0);
    assert_int_equal(bind(door, (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(door, 1), 0);
    assert_int_equal(getsockname(door, (struct sockaddr *)&at, &n), 0);
    assert_int_equal(connect(e->client_fd, (struct sockaddr *)&at, n), 0);
    e->wire.fd = accept4(door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(e->wire.fd >= 0);
    close(door);
    assert_int_equal(fcntl(e->client_fd, F_SETFL, O_NONBLOCK), 0);
    wire_secure(&e->wire, tls_server_accept(server, e->wire.fd));
    e->client = SSL_new(client_ctx);
    assert_int_equal(SSL_set_fd(e->client, e->client_fd), 1);
    while (r != 1) {
        if (SSL_connect(e->client) != 1)
            assert_int_equal(SSL_get_error(e->client, -1), SSL_ERROR_WANT_READ);
        r = wire_handshake(&e->wire, &why);
        assert_true(r == 1 || r == WIRE_AGAIN);
    }
}

static void disconnect(struct ends *e)
{
    SSL_free(e->client);
    close(e->client_fd);
    wire_close(&e->wire, false);
}

/* One turn, as send.c makes them. */
static int sends_file(struct wire *w, int fd, size_t *at)
{
    int r = wire_begin(w, scratch);
    ssize_t n = 1;

    while (r == 1 && n > 0 && *at < BODY_MAX && wire_owed(w) == 0) {
        n = wire_write_file(w, fd, *at, BODY_MAX - *at, scratch);
        *at += n > 0 ? (size_t)n : 0;
    }
    if (r == 1)
        r = wire_end(w);
    return n > 0 || n == WIRE_AGAIN ? r : (int)n;
}

TEST(K03_a_reader_that_does_not_read_costs_a_record_or_two)
{
    int fd = memfd_create("content", MFD_CLOEXEC), r;
    size_t at = 0, n = 0;
    struct ends e;

    assert_int_equal(pg_fd_pwrite(fd, body, BODY_MAX, 0), 0);
    connect_ends(&e);
    while (n < BODY_MAX) {
        do {
            r = sends_file(&e.wire, fd, &at);
            assert_true(r == 1 || r == WIRE_AGAIN);
            assert_true(wire_owed(&e.wire) <= 2 * (WIRE_RECORD_BYTES + 256));
        } while (r == 1 && at < BODY_MAX);
        (void)poll(&(struct pollfd){.fd = e.client_fd, .events = POLLIN}, 1, 1000);
        while ((r = SSL_read(e.client, got + n, (int)(BODY_MAX - n) + 1)) > 0)
            n += (size_t)r;
    }
    assert_int_equal(n, BODY_MAX);
    assert_memory_equal(got, body, BODY_MAX);
    assert_int_equal(wire_owed(&e.wire), 0);
    disconnect(&e);
    close(fd);
}

TEST(a_file_that_became_shorter_is_no_whole_one)
{
    int fd = memfd_create("content", MFD_CLOEXEC);
    size_t at = 0;
    struct ends e;

    assert_int_equal(pg_fd_pwrite(fd, body, 20000, 0), 0);
    connect_ends(&e);
    assert_int_equal(sends_file(&e.wire, fd, &at), WIRE_END);
    assert_int_equal(at, 20000);
    disconnect(&e);
    close(fd);
}

#define WITH(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(the_records_of_a_turn_are_one_send),
        WITH(sockets_that_take_a_part_of_any_length),
        WITH(more_than_the_buffer_holds_leaves_on_the_way),
        WITH(more_than_the_socket_takes_is_kept_up_to_a_limit),
        WITH(what_is_written_beside_turns_waits_for_what_is_owed),
        WITH(an_answer_to_a_key_update_stands_behind_what_is_owed),
        WITH(the_end_is_said_at_once),
        WITH(a_broken_socket_stays_broken),
        WITH(a_socket_that_breaks_within_a_turn),
        WITH(K03_a_reader_that_does_not_read_costs_a_record_or_two),
        WITH(a_file_that_became_shorter_is_no_whole_one),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
