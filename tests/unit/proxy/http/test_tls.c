/* SPDX-License-Identifier: Apache-2.0 */
/* The same over TLS, with a certificate made here. */
#include "unit/proxy/http/rig.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <pthread.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "fakes/fake_blob.h"
#include "proxy/http/tls.h"
#include "unit/proxy/http/certs.h"

#define SMALL ((size_t)16000)
#define SIZE  ((size_t)12 * 1024 * 1024 + 17) /* more than sockets hold */

static struct tls_server *server;
static char *content;
static struct blob *blob;
static SSL_CTX *client;
static atomic_int begun, bad_dones;

#define CROWD 100

static sem_t held;
static SSL *crowd[CROWD];
static atomic_int greeted; /* of the crowd, when the request was served */

static void hold_loop(struct pg_mail *mail)
{
    (void)mail;
    while (sem_wait(&held) < 0)
        assert_int_equal(errno, EINTR);
}

static bool is_answered(const SSL *ssl)
{
    struct pollfd p = {.fd = SSL_get_fd(ssl), .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static int count_greeted(void)
{
    int n = 0;

    for (size_t i = 0; i < CROWD; i++)
        n += is_answered(crowd[i]);
    return n;
}

/* ---- the server ---------------------------------------------------------------------------- */

static void on_sent(struct conn *c, const struct send_result *r)
{
    atomic_fetch_add(&bad_dones, r->ok ? 0 : 1);
    conn_done(c, r->ok);
}

static const struct send_part part_list[] = {
    {{"[a]", 3}, 5000, 9000},
    {{"[b]", 3}, 100, SIZE / 2},
    {{"[c]", 3}, SIZE - 10, SIZE},
};
static const struct send_parts part_body = {part_list, 3, {"[after]", 7}};

static void begin(const struct conn_service *service, struct conn *c)
{
    struct sl target = conn_request(c)->target;

    (void)service;
    atomic_fetch_add(&begun, 1);
    if (sl_eq(target, SL("/count")))
        atomic_store(&greeted, count_greeted());
    send_head(c, 200);
    if (sl_eq(target, SL("/mem")))
        send_mem(c, (struct sl){content, SIZE});
    else if (sl_eq(target, SL("/parts")))
        send_blob_parts(c, fake_blob_ref(blob), &part_body);
    else if (sl_eq(target, SL("/small")))
        send_blob(c, fake_blob_ref(blob), 1, 1 + SMALL);
    else if (sl_eq(target, SL("/blob")))
        send_blob(c, fake_blob_ref(blob), 0, SIZE);
    else
        send_mem(c, SL("hello"));
    send_go(c, on_sent);
}

static void on_gone(struct conn *c)
{
    conn_done(c, false);
}

static const struct conn_service service = {.name = "test", .begin = begin, .gone = on_gone};

static int open_with(struct config config)
{
    struct pg_err err = {0};
    int fd = memfd_create("content", MFD_CLOEXEC);

    atomic_store(&begun, 0);
    atomic_store(&bad_dones, 0);
    atomic_store(&fake_blob_checked, SIZE);
    content = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (char)('a' + (i + i / 4096 + i / 1048576) % 26);
    assert_int_equal(pg_fd_pwrite(fd, content, SIZE, 0), 0);
    blob = fake_blob_new(fd, SIZE);
    struct config_pair pair = {cert_file, key_file};
    const struct config_tls tls = {.pairs = &pair, .npairs = 1};

    assert_int_equal(tls_server_new(&tls, &server, &err), 0);
    client = SSL_CTX_new(TLS_client_method());
    assert_non_null(client);
    rig_open(config, 1, 1000);
    rig_listen(&service, server);
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
    config.limits_send_timeout = 300;
    return open_with(config);
}

static int stop(void **state)
{
    (void)state;
    rig_close();
    tls_server_free(server);
    SSL_CTX_free(client);
    assert_int_equal(atomic_load(&fake_blob_open), 1);
    blob_close(blob);
    free(content);
    return 0;
}

/* ---- the client ---------------------------------------------------------------------------- */

static SSL *begin_tls(void)
{
    SSL *ssl = SSL_new(client);

    assert_non_null(ssl);
    assert_int_equal(SSL_set_fd(ssl, rig_connect()), 1);
    return ssl;
}

static SSL *connect_tls(void)
{
    SSL *ssl = begin_tls();

    assert_int_equal(SSL_connect(ssl), 1);
    return ssl;
}

static void end_tls(SSL *ssl)
{
    (void)close(SSL_get_fd(ssl));
    SSL_free(ssl);
}

static void say(SSL *ssl, const char *text)
{
    assert_int_equal(SSL_write(ssl, text, (int)strlen(text)), (int)strlen(text));
}

/* One read; false at the end. g->reset: not by close_notify. */
static bool read_more(SSL *ssl, struct rig_got *g)
{
    int n;

    if (g->cap - g->n < 65536) {
        g->cap = 2 * g->cap + 65536;
        g->p = realloc(g->p, g->cap + 1);
        assert_non_null(g->p);
    }
    ERR_clear_error();
    n = SSL_read(ssl, g->p + g->n, 65536);
    g->n += n > 0 ? (size_t)n : 0;
    g->p[g->n] = '\0';
    g->ended = n <= 0;
    g->reset = n <= 0 && SSL_get_error(ssl, n) != SSL_ERROR_ZERO_RETURN;
    return n > 0;
}

static struct rig_got read_response(SSL *ssl)
{
    struct rig_got g = {0};

    while (rig_body_of(&g).p == NULL || rig_body_of(&g).n < rig_length_of(&g)) {
        if (!read_more(ssl, &g))
            break;
    }
    return g;
}

#define GET(target) "GET " target " HTTP/1.1\r\nHost: x\r\n\r\n"

static void gets_whole(SSL *ssl, const char *request)
{
    struct rig_got g;

    say(ssl, request);
    g = read_response(ssl);
    assert_int_equal(rig_status_of(&g), 200);
    assert_int_equal(rig_body_of(&g).n, SIZE);
    assert_memory_equal(rig_body_of(&g).p, content, SIZE);
    rig_forget(&g);
}

/* ---- tests --------------------------------------------------------------------------------- */

TEST(requests_one_after_the_other)
{
    SSL *ssl = connect_tls();

    for (int i = 0; i < 3; i++) {
        struct rig_got g;

        say(ssl, GET("/"));
        g = read_response(ssl);
        assert_true(sl_eq(rig_body_of(&g), SL("hello")));
        rig_forget(&g);
    }
    end_tls(ssl);
    RIG_WAIT(atomic_load(&rig.loops[0]->nconns) == 0);
}

TEST(large_bodies_of_memory_and_blobs)
{
    SSL *ssl = connect_tls();

    gets_whole(ssl, GET("/mem"));
    gets_whole(ssl, GET("/blob"));
    gets_whole(ssl, GET("/mem"));
    end_tls(ssl);
    assert_int_equal(atomic_load(&bad_dones), 0);
}

TEST(A18_ranges_stand_behind_their_texts)
{
    SSL *ssl = connect_tls();
    struct rig_got g;
    struct sl at;

    for (int turn = 0; turn < 3; turn++) {
        say(ssl, GET("/parts"));
        if (turn == 1)
            (void)poll(NULL, 0, 50); /* the socket fills up */
        g = read_response(ssl);
        at = rig_body_of(&g);
        assert_int_equal(at.n, rig_length_of(&g));
        for (size_t i = 0; i < part_body.n; i++) {
            const struct send_part *p = &part_list[i];
            size_t n = p->end - p->first;

            assert_true(at.n > p->before.n + n);
            assert_memory_equal(at.p, p->before.p, p->before.n);
            assert_memory_equal(at.p + p->before.n, content + p->first, n);
            at = (struct sl){at.p + p->before.n + n, at.n - p->before.n - n};
        }
        assert_int_equal(at.n, part_body.after.n);
        assert_memory_equal(at.p, part_body.after.p, at.n);
        rig_forget(&g);
    }
    end_tls(ssl);
    assert_int_equal(atomic_load(&bad_dones), 0);
}

TEST(requests_in_one_record_and_in_many)
{
    SSL *ssl = connect_tls();
    struct rig_got g = {0};
    const char *slowly = GET("/");

    say(ssl, GET("/") GET("/") GET("/"));
    for (const char *p = slowly; *p != '\0'; p++)
        assert_int_equal(SSL_write(ssl, p, 1), 1);
    while (rig_count(&g, "hello") < 4)
        assert_true(read_more(ssl, &g));
    assert_int_equal(atomic_load(&begun), 4);
    rig_forget(&g);
    end_tls(ssl);
}

/* OpenSSL reads both records at once, and gives the second out when it is asked: no poll tells. */
TEST(a_request_that_ends_in_the_record_behind_an_answered_one)
{
    SSL *ssl = connect_tls();
    int fd = SSL_get_fd(ssl), on = 1, off = 0;
    struct rig_got g = {0};

    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on)), 0);
    say(ssl, GET("/") "GET / HTTP/1.1\r\nHo");
    say(ssl, "st: x\r\n\r\n");
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off)), 0);
    while (rig_count(&g, "hello") < 2)
        assert_true(read_more(ssl, &g));
    assert_int_equal(rig_count(&g, "408"), 0);
    rig_forget(&g);
    end_tls(ssl);
}

TEST(A13_pipelining_without_reading)
{
    SSL *ssl = connect_tls();
    struct rig_got g = {0};

    for (int i = 0; i < 500; i++)
        say(ssl, GET("/"));
    while (rig_count(&g, "hello") < 500)
        assert_true(read_more(ssl, &g));
    rig_forget(&g);
    end_tls(ssl);
}

TEST(closing_is_said)
{
    SSL *ssl = connect_tls();
    struct rig_got g = {0};

    say(ssl, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    while (read_more(ssl, &g))
        ;
    assert_int_equal(rig_count(&g, "hello"), 1);
    assert_false(g.reset);
    rig_forget(&g);
    end_tls(ssl);
}

TEST(a_body_cut_short_is_no_proper_end)
{
    SSL *ssl;
    struct rig_got g = {0};

    atomic_store(&fake_blob_checked, 100000);
    ssl = connect_tls();
    say(ssl, GET("/blob"));
    RIG_WAIT(atomic_load(&fake_blob_checks) == 1);
    fake_blob_check_ends(100000, true);
    while (read_more(ssl, &g))
        ;
    assert_true(g.reset);
    assert_true(rig_body_of(&g).n <= 100000);
    rig_forget(&g);
    end_tls(ssl);
}

TEST(checks_that_end_while_a_record_is_under_way)
{
    SSL *ssl;
    struct rig_got g = {0};

    atomic_store(&fake_blob_checked, 3000001);
    ssl = connect_tls();
    say(ssl, GET("/blob"));
    RIG_WAIT(atomic_load(&fake_blob_checks) == 1 || atomic_load(&begun) == 1);
    while (rig_body_of(&g).n < 3000001)
        assert_true(read_more(ssl, &g));
    RIG_WAIT(atomic_load(&fake_blob_checks) == 1);
    assert_int_equal(rig_body_of(&g).n, 3000001);
    fake_blob_check_ends(SIZE, false);
    while (rig_body_of(&g).n < SIZE)
        assert_true(read_more(ssl, &g));
    assert_memory_equal(rig_body_of(&g).p, content, SIZE);
    rig_forget(&g);
    end_tls(ssl);
}

/* OpenSSL holds a record of bytes whose check lapses: it goes on with the same ones afterwards. */
TEST(checks_that_lapse_while_a_record_is_under_way)
{
    SSL *ssl = connect_tls();
    struct rig_got g = {0};

    say(ssl, GET("/blob"));
    RIG_WAIT(atomic_load(&begun) == 1);
    (void)poll(NULL, 0, 200); /* the sockets are full now, in the middle of a record */
    atomic_store(&fake_blob_checked, 0);
    while (atomic_load(&fake_blob_checks) == 0)
        assert_true(read_more(ssl, &g));
    fake_blob_check_ends(SIZE, false);
    while (rig_body_of(&g).n < SIZE)
        assert_true(read_more(ssl, &g));
    assert_memory_equal(rig_body_of(&g).p, content, SIZE);
    assert_int_equal(atomic_load(&bad_dones), 0);
    rig_forget(&g);
    end_tls(ssl);
}

/* Head and body are one record. One that the socket did not take is shown to OpenSSL again, also
 * when the check of its bytes has lapsed; those behind it wait for the next check. */
TEST(small_blobs_to_a_client_that_reads_late_and_checks_that_lapse)
{
    enum { COUNT = 500 };
    SSL *ssl = connect_tls();
    struct rig_got g = {0};
    const char *at, *end;

    for (int i = 0; i < COUNT; i++)
        say(ssl, GET("/small"));
    (void)poll(NULL, 0, 200); /* the sockets are full now, in the middle of a record */
    atomic_store(&fake_blob_checked, 0);
    while (g.n < COUNT * SMALL || rig_count(&g, "HTTP/1.1 200") < COUNT) {
        assert_true(read_more(ssl, &g));
        if (atomic_load(&fake_blob_checks) == 1)
            fake_blob_check_ends(SIZE, false);
    }
    at = g.p;
    for (int i = 0; i < COUNT; i++) {
        end = memmem(at, (size_t)(g.p + g.n - at), "\r\n\r\n", 4);
        assert_non_null(end);
        assert_true(end + 4 + SMALL <= g.p + g.n);
        assert_memory_equal(end + 4, content + 1, SMALL);
        at = end + 4 + SMALL;
    }
    assert_ptr_equal(at, g.p + g.n);
    assert_int_equal(atomic_load(&bad_dones), 0);
    rig_forget(&g);
    end_tls(ssl);
}

TEST(what_is_refused_in_the_clear_is_refused_here)
{
    SSL *ssl = connect_tls();
    struct rig_got g = {0};

    say(ssl, "GET / HTTP/1.1\nHost: x\n\n" GET("/"));
    while (read_more(ssl, &g))
        ;
    assert_int_equal(rig_status_of(&g), 400);
    assert_int_equal(rig_count(&g, "HTTP/1.1 "), 1);
    assert_int_equal(atomic_load(&begun), 0);
    rig_forget(&g);
    end_tls(ssl);
}

TEST(alpn_is_http_1_1_or_nothing)
{
    const unsigned char *chosen;
    unsigned n;
    SSL *ssl = begin_tls();

    assert_int_equal(SSL_set_alpn_protos(ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12), 0);
    assert_int_equal(SSL_connect(ssl), 1);
    SSL_get0_alpn_selected(ssl, &chosen, &n);
    assert_int_equal(n, 8);
    assert_memory_equal(chosen, "http/1.1", 8);
    end_tls(ssl);

    ssl = begin_tls();
    assert_int_equal(SSL_set_alpn_protos(ssl, (const unsigned char *)"\x02h2", 3), 0);
    assert_int_not_equal(SSL_connect(ssl), 1);
    end_tls(ssl);
    RIG_WAIT(atomic_load(&rig.loops[0]->nconns) == 0);
}

TEST(old_versions_and_renegotiation_are_refused)
{
    SSL *ssl = begin_tls();

    assert_int_equal(SSL_set_max_proto_version(ssl, TLS1_1_VERSION), 1);
    SSL_set_security_level(ssl, 0);
    assert_int_not_equal(SSL_connect(ssl), 1);
    end_tls(ssl);

    ssl = begin_tls();
    assert_int_equal(SSL_set_max_proto_version(ssl, TLS1_2_VERSION), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_int_equal(SSL_renegotiate(ssl), 1);
    assert_int_not_equal(SSL_do_handshake(ssl), 1);
    end_tls(ssl);
}

TEST(tls_1_2_works_as_well)
{
    SSL *ssl = begin_tls();

    assert_int_equal(SSL_set_max_proto_version(ssl, TLS1_2_VERSION), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    gets_whole(ssl, GET("/blob"));
    end_tls(ssl);
}

TEST(a_session_is_resumed)
{
    SSL *ssl = connect_tls();
    struct rig_got g;
    SSL_SESSION *session;

    say(ssl, GET("/")); /* the ticket comes with what is read first */
    g = read_response(ssl);
    rig_forget(&g);
    session = SSL_get1_session(ssl);
    (void)SSL_shutdown(ssl); /* one that breaks off is not resumed */
    end_tls(ssl);
    ssl = begin_tls();
    assert_int_equal(SSL_set_session(ssl, session), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_int_equal(SSL_session_reused(ssl), 1);
    SSL_SESSION_free(session);
    end_tls(ssl);
}

static void says_hello(SSL *ssl)
{
    struct rig_got g;

    say(ssl, GET("/"));
    g = read_response(ssl);
    assert_true(sl_eq(rig_body_of(&g), SL("hello")));
    rig_forget(&g);
}

/* Takes up the session again; whether the server did, too. */
static bool is_resumed(SSL_SESSION *session)
{
    SSL *ssl = begin_tls();
    bool reused;

    assert_int_equal(SSL_set_session(ssl, session), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    reused = SSL_session_reused(ssl) == 1;
    (void)SSL_shutdown(ssl);
    end_tls(ssl);
    return reused;
}

static SSL_SESSION *get_session(void)
{
    SSL *ssl = connect_tls();
    SSL_SESSION *session;

    says_hello(ssl); /* the ticket comes with it */
    session = SSL_get1_session(ssl);
    (void)SSL_shutdown(ssl); /* one that breaks off is not resumed */
    end_tls(ssl);
    return session;
}

TEST(C18_tickets_end_with_their_keys_and_with_the_certificate)
{
    struct config_pair pair = {cert_file, key_file};
    const struct config_tls tls = {.pairs = &pair, .npairs = 1};
    struct pg_err err = {0};
    SSL_SESSION *session = get_session();

    assert_true(is_resumed(session));
    tls_server_rotate(server);
    assert_false(is_resumed(session));
    SSL_SESSION_free(session);
    session = get_session();
    assert_true(is_resumed(session));
    assert_int_equal(tls_server_reload(server, &tls, &err), 0);
    assert_false(is_resumed(session));
    SSL_SESSION_free(session);
}

static atomic_bool renewing;

static void *renew(void *arg)
{
    struct config_pair good = {cert_file, key_file}, bad = {cert_file, other_key_file};
    struct config_tls tls = {.npairs = 1};

    (void)arg;
    while (atomic_load(&renewing)) {
        struct pg_err err = {0};

        tls.pairs = &good;
        PG_CHECK(tls_server_reload(server, &tls, &err) == 0);
        tls.pairs = &bad;
        PG_CHECK(tls_server_reload(server, &tls, &err) < 0);
        pg_err_clear(&err);
        tls_server_rotate(server);
    }
    return NULL;
}

TEST(J14_certificates_are_replaced_while_clients_come_and_stay)
{
    SSL *stays = connect_tls();
    pthread_t thread;

    atomic_store(&renewing, true);
    assert_int_equal(pthread_create(&thread, NULL, renew, NULL), 0);
    for (int i = 0; i < 40; i++) {
        SSL *ssl = connect_tls();

        says_hello(ssl);
        says_hello(stays);
        end_tls(ssl);
    }
    atomic_store(&renewing, false);
    assert_int_equal(pthread_join(thread, NULL), 0);
    end_tls(stays);
}

TEST(plain_http_on_a_tls_port_is_told_so)
{
    struct rig_got g = rig_talk(SL(GET("/")));

    assert_int_equal(rig_status_of(&g), 400);
    assert_int_equal(rig_count(&g, "https://"), 1);
    assert_int_equal(rig_count(&g, "Connection: close"), 1);
    assert_int_equal(atomic_load(&begun), 0);
    rig_forget(&g);
    RIG_WAIT(atomic_load(&rig.loops[0]->nconns) == 0);
}

TEST(K02_a_handshake_that_takes_too_long)
{
    struct rig_got g = rig_talk(SL("\x16\x03\x01\x02\x00\x01")); /* and no more */

    assert_int_equal(g.n, 0);
    rig_forget(&g);
    g = rig_talk(SL(""));
    assert_int_equal(g.n, 0);
    rig_forget(&g);
}

/* The loop is held until all have said hello, and one who is connected has asked after them. */
TEST(K13_who_is_connected_does_not_wait_for_a_crowd_of_handshakes)
{
    struct pg_mail mail = {.deliver = hold_loop};
    SSL *ssl = connect_tls();
    struct rig_got g;

    assert_int_equal(sem_init(&held, 0, 0), 0);
    say(ssl, GET("/"));
    g = read_response(ssl);
    rig_forget(&g);
    for (size_t i = 0; i < CROWD; i++)
        crowd[i] = begin_tls();
    RIG_WAIT(atomic_load(&rig.loops[0]->nconns) == CROWD + 1);
    pg_mailbox_post(&rig.loops[0]->mail, &mail);
    for (size_t i = 0; i < CROWD; i++) {
        int flags = fcntl(SSL_get_fd(crowd[i]), F_GETFL);

        assert_int_equal(fcntl(SSL_get_fd(crowd[i]), F_SETFL, flags | O_NONBLOCK), 0);
        assert_int_equal(SSL_connect(crowd[i]), -1); /* says hello */
    }
    atomic_store(&greeted, -1);
    say(ssl, GET("/count"));
    sem_post(&held);
    g = read_response(ssl);
    rig_forget(&g);
    assert_in_range(atomic_load(&greeted), 0, CROWD / 4);
    RIG_WAIT(count_greeted() == CROWD); /* nobody is forgotten */
    for (size_t i = 0; i < CROWD; i++)
        end_tls(crowd[i]);
    end_tls(ssl);
    assert_int_equal(sem_destroy(&held), 0);
}

TEST(K02_a_client_that_does_not_read)
{
    SSL *ssl = connect_tls();

    say(ssl, GET("/blob"));
    RIG_WAIT(atomic_load(&bad_dones) == 1);
    end_tls(ssl);
}

TEST(A23_resets_during_handshake_and_body)
{
    for (int i = 0; i < 30; i++) {
        SSL *ssl = i % 3 == 0 ? begin_tls() : connect_tls();
        int fd = SSL_get_fd(ssl);

        if (i % 3 == 2)
            say(ssl, GET("/blob"));
        assert_int_equal(
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)),
            0);
        end_tls(ssl);
    }
    RIG_WAIT(atomic_load(&rig.loops[0]->nconns) == 0);
    RIG_WAIT(atomic_load(&fake_blob_open) == 1);
}

/* A pair in the configuration is not const. */
static void fails_with(char *cert, char *key, const char *words) // NOLINT
{
    struct config_pair pair = {cert, key};
    const struct config_tls tls = {.pairs = &pair, .npairs = 1};
    struct tls_server *s = NULL;
    struct pg_err err = {0};

    assert_int_equal(tls_server_new(&tls, &s, &err), -1);
    assert_int_equal(err.kind, PG_E_STORE_IO);
    assert_non_null(strstr(err.msg, words));
    assert_null(s);
    pg_err_clear(&err);
}

TEST(files_that_do_not_fit_are_named)
{
    char nowhere[] = "/nowhere/file.pem";

    fails_with(nowhere, key_file, "/nowhere/file.pem");
    fails_with(cert_file, nowhere, "/nowhere/file.pem");
    fails_with(cert_file, other_key_file, "other.pem");
    fails_with(key_file, key_file, "key.pem");
    tls_server_free(NULL);
}

int main(void)
{
#define HTTP(name)    cmocka_unit_test_setup_teardown(name, start, stop)
#define HURRIED(name) cmocka_unit_test_setup_teardown(name, start_hurried, stop)
    const struct CMUnitTest tests[] = {
        HTTP(requests_one_after_the_other),
        HTTP(large_bodies_of_memory_and_blobs),
        HTTP(A18_ranges_stand_behind_their_texts),
        HTTP(requests_in_one_record_and_in_many),
        HTTP(a_request_that_ends_in_the_record_behind_an_answered_one),
        HTTP(A13_pipelining_without_reading),
        HTTP(closing_is_said),
        HTTP(a_body_cut_short_is_no_proper_end),
        HTTP(checks_that_end_while_a_record_is_under_way),
        HTTP(checks_that_lapse_while_a_record_is_under_way),
        HTTP(small_blobs_to_a_client_that_reads_late_and_checks_that_lapse),
        HTTP(what_is_refused_in_the_clear_is_refused_here),
        HTTP(alpn_is_http_1_1_or_nothing),
        HTTP(old_versions_and_renegotiation_are_refused),
        HTTP(tls_1_2_works_as_well),
        HTTP(a_session_is_resumed),
        HTTP(C18_tickets_end_with_their_keys_and_with_the_certificate),
        HTTP(J14_certificates_are_replaced_while_clients_come_and_stay),
        HTTP(plain_http_on_a_tls_port_is_told_so),
        HURRIED(K02_a_handshake_that_takes_too_long),
        HTTP(K13_who_is_connected_does_not_wait_for_a_crowd_of_handshakes),
        HURRIED(K02_a_client_that_does_not_read),
        HTTP(A23_resets_during_handshake_and_body),
        RUN(files_that_do_not_fit_are_named),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
