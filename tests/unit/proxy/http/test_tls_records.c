/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that send records which are no data, and more of them than anybody needs. */
#include "unit/proxy/http/rig.h"

#include <pthread.h>
#include <sys/resource.h>

#include "proxy/http/tls.h"
#include "unit/proxy/http/certs.h"

#define UPDATES    20000 /* the work of a while, for who does them all at once */
#define MEANWHILE  5
#define UNREAD     6000
#define UNREAD_MAX 4096

static struct tls_server *server;
static SSL_CTX *client;

static void on_sent(struct conn *c, const struct send_result *r)
{
    conn_done(c, r->ok);
}

static void begin(const struct conn_service *service, struct conn *c)
{
    (void)service;
    send_head(c, 200);
    send_mem(c, SL("hello"));
    send_go(c, on_sent);
}

static void on_gone(struct conn *c)
{
    conn_done(c, false);
}

static const struct conn_service service = {.name = "test", .begin = begin, .gone = on_gone};

static int start(void **state)
{
    struct config_pair pair = {cert_file, key_file};
    const struct config_tls tls = {.pairs = &pair, .npairs = 1};
    struct pg_err err = {0};
    struct config config;

    (void)state;
    assert_int_equal(tls_server_new(&tls, &server, &err), 0);
    client = SSL_CTX_new(TLS_client_method());
    assert_non_null(client);
    assert_int_equal(SSL_CTX_set_min_proto_version(client, TLS1_3_VERSION), 1);
    config = rig_config();
    config.limits_head_timeout = 120000; /* of the flood, too, on a busy machine */
    rig_open(config, 1, 1000);
    rig_listen(&service, server);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    rig_close();
    tls_server_free(server);
    SSL_CTX_free(client);
    return 0;
}

#define GET "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

static SSL *connect_tls(void)
{
    SSL *ssl = SSL_new(client);

    assert_non_null(ssl);
    assert_int_equal(SSL_set_fd(ssl, rig_connect()), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    return ssl;
}

static void end_tls(SSL *ssl)
{
    (void)close(SSL_get_fd(ssl));
    SSL_free(ssl);
}

static void read_hello(SSL *ssl)
{
    char text[4096];
    int n = 0;

    while (n < 5 || memcmp(text + n - 5, "hello", 5) != 0) {
        int more = SSL_read(ssl, text + n, (int)sizeof(text) - n);

        assert_true(more > 0);
        n += more;
    }
}

/* The records of so many updates of keys, and of a request behind them. */
static BIO *make_updates(SSL *ssl, unsigned n, int type)
{
    BIO *socket = SSL_get_wbio(ssl), *records = BIO_new(BIO_s_mem());

    assert_non_null(records);
    assert_int_equal(BIO_up_ref(socket), 1);
    assert_int_equal(BIO_up_ref(records), 1);
    SSL_set0_wbio(ssl, records);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(SSL_key_update(ssl, type), 1);
        assert_int_equal(SSL_do_handshake(ssl), 1);
    }
    assert_int_equal(SSL_write(ssl, GET, sizeof(GET) - 1), sizeof(GET) - 1);
    SSL_set0_wbio(ssl, socket);
    return records;
}

struct flood {
    SSL *ssl;
    BIO *records;
    atomic_bool begun, answered;
};

static void *pour(void *arg)
{
    struct flood *f = arg;
    char *p;
    long n = BIO_get_mem_data(f->records, &p);

    rig_send(SSL_get_fd(f->ssl), (struct sl){p, (size_t)n / 8});
    atomic_store(&f->begun, true);
    rig_send(SSL_get_fd(f->ssl), (struct sl){p + n / 8, (size_t)(n - n / 8)});
    read_hello(f->ssl);
    atomic_store(&f->answered, true);
    return NULL;
}

TEST(K02_updates_of_keys_without_end_keep_nobody_else_waiting)
{
    struct flood f = {0};
    pthread_t thread;
    unsigned answers = 0;
    SSL *other;

    rig_run();
    f.ssl = connect_tls();
    other = connect_tls();
    f.records = make_updates(f.ssl, UPDATES, SSL_KEY_UPDATE_NOT_REQUESTED);
    assert_int_equal(pthread_create(&thread, NULL, pour, &f), 0);
    RIG_WAIT(atomic_load(&f.begun));
    while (!atomic_load(&f.answered)) {
        assert_int_equal(SSL_write(other, GET, sizeof(GET) - 1), sizeof(GET) - 1);
        read_hello(other);
        answers++;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(answers > MEANWHILE);
    BIO_free(f.records);
    end_tls(f.ssl);
    end_tls(other);
}

static uint64_t cpu_us(void)
{
    struct rusage u;

    assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static bool is_quiet(void)
{
    uint64_t before = cpu_us();

    (void)poll(NULL, 0, 200);
    return cpu_us() - before < 40000;
}

/* Each update that is asked for is an answer; there is room for a few, and then for none. */
TEST(answers_that_a_client_does_not_read_keep_no_loop_busy)
{
    struct socket_bound bound;
    BIO *records;
    char *p;
    long n;
    SSL *ssl;

    assert_true(listen_share(rig.listen, 0, &bound));
    assert_int_equal(setsockopt(bound.fd, SOL_SOCKET, SO_SNDBUF, &(int){UNREAD_MAX}, sizeof(int)),
                     0);
    assert_int_equal(setsockopt(bound.fd, SOL_SOCKET, SO_RCVBUF, &(int){1 << 20}, sizeof(int)), 0);
    rig_run();
    ssl = connect_tls();
    assert_int_equal(
        setsockopt(SSL_get_fd(ssl), SOL_SOCKET, SO_RCVBUF, &(int){UNREAD_MAX}, sizeof(int)), 0);
    records = make_updates(ssl, UNREAD, SSL_KEY_UPDATE_REQUESTED);
    n = BIO_get_mem_data(records, &p);
    rig_send(SSL_get_fd(ssl), (struct sl){p, (size_t)n});
    RIG_WAIT(is_quiet());
    read_hello(ssl); /* and all of them are answered as soon as it reads */
    BIO_free(records);
    end_tls(ssl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(K02_updates_of_keys_without_end_keep_nobody_else_waiting,
                                        start, stop),
        cmocka_unit_test_setup_teardown(answers_that_a_client_does_not_read_keep_no_loop_busy,
                                        start, stop),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
