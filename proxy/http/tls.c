/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/guarded.h"
#include "base/random.h"
#include "proxy/http/sni.h"

#define FILE_MAX   ((size_t)1024 * 1024)
#define CHAIN_MAX  16
#define DEPTH_MAX  8
#define SESSION_S  3600
#define SUITES_1_2 "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20"
#define SUITES_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define HOST_FLAGS X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS

/* One generation. It lives as long as the first of its contexts, to which every connection of it
 * holds a reference. */
struct set {
    size_t n;
    int64_t expires;
    atomic_uint left; /* looks at it that are over; by which the last, who frees it, comes after */
    struct {
        SSL_CTX *ctx;
    } of[]; /* one for each certificate */
};

struct tls_server {
    pthread_mutex_t lock;
    struct set *set; /* with a reference to its first context */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int set_index; /* of a first context's ex_data: its set */

/* ---- reading ------------------------------------------------------------------------------- */

/* Says for the log what OpenSSL found. */
static int fail(struct pg_err *err, const char *what, const char *file)
{
    char text[256] = "no reason given";
    unsigned long code = ERR_peek_last_error();

    if (code != 0)
        ERR_error_string_n(code, text, sizeof(text));
    ERR_clear_error();
    (void)pg_fail(err, PG_E_STORE_IO, "TLS: %s %s", what, file);
    return pg_detail(err, "%s", text);
}

/* Nobody is there to type the password of a key. */
static int no_password(char *buf, int size, int rwflag, void *u)
{
    (void)rwflag;
    (void)u;
    if (size > 0)
        buf[0] = '\0';
    return -1;
}

struct pair {
    X509 *cert;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
};

static void free_pair(struct pair *p)
{
    X509_free(p->cert);
    sk_X509_pop_free(p->chain, X509_free);
    EVP_PKEY_free(p->key);
}

static BIO *bio_of(const struct pg_buf *text)
{
    BIO *bio = BIO_new_mem_buf(text->p, (int)text->n);

    PG_CHECK(bio != NULL);
    return bio;
}

static void read_chain(BIO *bio, struct pair *p)
{
    p->chain = sk_X509_new_null();
    PG_CHECK(p->chain != NULL);
    p->cert = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL);
    for (int i = 0; p->cert != NULL && i < CHAIN_MAX; i++) {
        X509 *x = PEM_read_bio_X509(bio, NULL, no_password, NULL);

        if (x == NULL)
            break;
        PG_CHECK(sk_X509_push(p->chain, x) > 0);
    }
}

static int read_cert(const char *file, struct pair *p, struct pg_err *err)
{
    struct pg_buf text;
    BIO *bio;
    int rc;

    pg_buf_init(&text, FILE_MAX);
    rc = pg_guarded_read(file, PG_GUARDED_PUBLIC, &text, err);
    if (rc == 0) {
        bio = bio_of(&text);
        read_chain(bio, p);
        BIO_free(bio);
        if (p->cert == NULL)
            rc = fail(err, "no certificates could be read from", file);
        ERR_clear_error(); /* the end of the chain is one */
    }
    pg_buf_free(&text);
    return rc;
}

static int read_key(const char *file, struct pair *p, struct pg_err *err)
{
    struct pg_buf text;
    BIO *bio;
    int rc;

    pg_buf_init(&text, FILE_MAX);
    rc = pg_guarded_read(file, PG_GUARDED_GROUP, &text, err);
    if (rc == 0) {
        bio = bio_of(&text);
        p->key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
        BIO_free(bio);
        if (p->key == NULL)
            rc = fail(err, "no key without a password could be read from", file);
    }
    if (text.p != NULL)
        OPENSSL_cleanse(text.p, text.cap);
    pg_buf_free(&text);
    return rc;
}

static int read_pair(const struct config_pair *config, struct pair *p, struct pg_err *err)
{
    if (read_cert(config->cert, p, err) < 0 || read_key(config->key, p, err) < 0)
        return -1;
    if (X509_check_private_key(p->cert, p->key) != 1)
        return fail(err, "the certificate does not belong to the key in", config->key);
    return 0;
}

/* ---- contexts ------------------------------------------------------------------------------ */

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *outlen,
                           const unsigned char *in, unsigned inlen, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, outlen, ours, sizeof(ours) - 1, in, inlen) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* The id keeps the sessions of this context from being taken up in any other. */
static SSL_CTX *make_context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    unsigned char id[16];

    PG_CHECK(ctx != NULL);
    pg_random_bytes(id, sizeof(id));
    PG_CHECK(SSL_CTX_set_session_id_context(ctx, id, sizeof(id)) == 1);
    PG_CHECK(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1);
    PG_CHECK(SSL_CTX_set_cipher_list(ctx, SUITES_1_2) == 1);
    PG_CHECK(SSL_CTX_set_ciphersuites(ctx, SUITES_1_3) == 1);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_ENABLE_KTLS);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets alone: no memory here */
    SSL_CTX_set_timeout(ctx, SESSION_S);
    PG_CHECK(SSL_CTX_set_num_tickets(ctx, 1) == 1);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    return ctx;
}

/* A certificate, or authorities, that this OpenSSL is too strict for are said to be so here. */
static int use_pair(SSL_CTX *ctx, const struct pair *p, const char *file, struct pg_err *err)
{
    if (SSL_CTX_use_cert_and_key(ctx, p->cert, p->key, p->chain, 1) != 1)
        return fail(err, "OpenSSL does not take the certificate and key of", file);
    return 0;
}

static void ask_clients(SSL_CTX *ctx, const struct config_tls *config)
{
    SSL_CTX_set_verify(
        ctx, SSL_VERIFY_PEER | (config->client_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        NULL);
    SSL_CTX_set_verify_depth(ctx, DEPTH_MAX);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    PG_CHECK(SSL_CTX_set_num_tickets(ctx, 0) == 1);
}

static int take_authorities(SSL_CTX *ctx, BIO *bio)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    int n = 0;
    X509 *x;

    while ((x = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
        PG_CHECK(X509_STORE_add_cert(store, x) == 1 && SSL_CTX_add_client_CA(ctx, x) == 1);
        X509_free(x);
        n++;
    }
    return n;
}

static int use_authorities(SSL_CTX *ctx, const struct config_tls *config, struct pg_err *err)
{
    struct pg_buf text;
    BIO *bio;
    int rc;

    if (config->client_ca == NULL)
        return 0;
    pg_buf_init(&text, FILE_MAX);
    rc = pg_guarded_read(config->client_ca, PG_GUARDED_PUBLIC, &text, err);
    if (rc == 0) {
        bio = bio_of(&text);
        ask_clients(ctx, config);
        if (take_authorities(ctx, bio) == 0)
            rc = fail(err, "no certificates could be read from", config->client_ca);
        ERR_clear_error();
        BIO_free(bio);
    }
    pg_buf_free(&text);
    return rc;
}

/* The same but for the keys of its tickets. */
static SSL_CTX *copy_context(SSL_CTX *from)
{
    SSL_CTX *ctx = make_context();
    STACK_OF(X509) *chain = NULL;
    X509_STORE *store = SSL_CTX_get_cert_store(from);
    const STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(from);

    PG_CHECK(SSL_CTX_get0_chain_certs(from, &chain) == 1);
    PG_CHECK(SSL_CTX_use_cert_and_key(ctx, SSL_CTX_get0_certificate(from),
                                      SSL_CTX_get0_privatekey(from), chain, 1) == 1);
    SSL_CTX_set1_cert_store(ctx, store);
    if (names != NULL)
        SSL_CTX_set_client_CA_list(ctx, SSL_dup_CA_list(names));
    SSL_CTX_set_verify(ctx, SSL_CTX_get_verify_mode(from), NULL);
    SSL_CTX_set_verify_depth(ctx, SSL_CTX_get_verify_depth(from));
    SSL_CTX_set_options(ctx, SSL_CTX_get_options(from));
    PG_CHECK(SSL_CTX_set_num_tickets(ctx, SSL_CTX_get_num_tickets(from)) == 1);
    return ctx;
}

/* ---- generations --------------------------------------------------------------------------- */

static bool is_for(SSL_CTX *ctx, struct sl name)
{
    return X509_check_host(SSL_CTX_get0_certificate(ctx), name.p, name.n, HOST_FLAGS, NULL) == 1;
}

static void choose(SSL *ssl, const struct set *set)
{
    const unsigned char *p;
    size_t n;
    struct sl name;

    if (set->n == 1 || SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) != 1 ||
        sni_parse((struct sl){(const char *)p, n}, &name) < 0)
        return;
    for (size_t i = 0; i < set->n; i++) {
        if (is_for(set->of[i].ctx, name)) {
            (void)SSL_set_SSL_CTX(ssl, set->of[i].ctx);
            break;
        }
    }
    ERR_clear_error();
}

/* It comes before OpenSSL looks for a session: see SSL_CTX_set_client_hello_cb(3). */
static int on_hello(SSL *ssl, int *alert, void *arg)
{
    struct set *set = arg;

    *alert = SSL_AD_UNRECOGNIZED_NAME; /* of a failure, and this cannot fail */
    choose(ssl, set);
    atomic_fetch_add(&set->left, 1);
    return SSL_CLIENT_HELLO_SUCCESS;
}

static void on_first_freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl,
                           void *argp)
{
    struct set *set = ptr;

    (void)parent;
    (void)ad;
    (void)idx;
    (void)argl;
    (void)argp;
    if (set == NULL)
        return;
    (void)atomic_load(&set->left); /* OpenSSL's own counting orders it, too; not visibly */
    for (size_t i = 1; i < set->n; i++)
        SSL_CTX_free(set->of[i].ctx);
    free(set);
}

static void init_once(void)
{
    set_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_first_freed);
    PG_CHECK(set_index >= 0);
}

static struct set *make_set(size_t n)
{
    struct set *set = calloc(1, sizeof(*set) + n * sizeof(set->of[0]));

    PG_CHECK(n > 0 && pthread_once(&once, init_once) == 0 && set != NULL);
    return set;
}

static void add_context(struct set *set, SSL_CTX *ctx)
{
    struct tm t;
    int64_t end;

    if (set->n == 0) {
        PG_CHECK(SSL_CTX_set_ex_data(ctx, set_index, set) == 1);
        SSL_CTX_set_client_hello_cb(ctx, on_hello, set);
    }
    set->of[set->n++].ctx = ctx;
    end = ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(ctx)), &t) == 1
              ? (int64_t)timegm(&t)
              : 0;
    if (set->n == 1 || end < set->expires)
        set->expires = end;
}

static void drop_set(struct set *set)
{
    if (set == NULL)
        return;
    if (set->n > 0) {
        SSL_CTX *first = set->of[0].ctx;

        atomic_fetch_add(&set->left, 1);
        SSL_CTX_free(first); /* and with the last reference to it, all */
        return;
    }
    free(set);
}

static int add_pair(struct set *set, const struct config_tls *config, size_t no, struct pg_err *err)
{
    struct pair pair = {0};
    SSL_CTX *ctx = make_context();
    int rc;

    ERR_clear_error();
    rc = read_pair(&config->pairs[no], &pair, err);
    if (rc == 0)
        rc = use_pair(ctx, &pair, config->pairs[no].cert, err);
    if (rc == 0)
        rc = use_authorities(ctx, config, err);
    free_pair(&pair);
    if (rc == 0)
        add_context(set, ctx);
    else
        SSL_CTX_free(ctx);
    return rc;
}

static struct set *load_set(const struct config_tls *config, struct pg_err *err)
{
    struct set *set = make_set(config->npairs);

    for (size_t i = 0; i < config->npairs; i++) {
        if (add_pair(set, config, i, err) < 0) {
            drop_set(set);
            return NULL;
        }
    }
    return set;
}

/* ---- a server ------------------------------------------------------------------------------ */

static void lock(struct tls_server *s)
{
    PG_CHECK(pthread_mutex_lock(&s->lock) == 0);
}

static void unlock(struct tls_server *s)
{
    PG_CHECK(pthread_mutex_unlock(&s->lock) == 0);
}

static void replace(struct tls_server *s, struct set *set)
{
    struct set *old;

    lock(s);
    old = s->set;
    s->set = set;
    unlock(s);
    drop_set(old);
}

int tls_server_new(const struct config_tls *config, struct tls_server **server_r,
                   struct pg_err *err)
{
    struct set *set = load_set(config, err);
    struct tls_server *s;

    if (set == NULL)
        return -1;
    s = calloc(1, sizeof(*s));
    PG_CHECK(s != NULL && pthread_mutex_init(&s->lock, NULL) == 0);
    s->set = set;
    *server_r = s;
    return 0;
}

int tls_server_reload(struct tls_server *s, const struct config_tls *config, struct pg_err *err)
{
    struct set *set = load_set(config, err);

    if (set == NULL)
        return -1;
    replace(s, set);
    return 0;
}

void tls_server_rotate(struct tls_server *s)
{
    const struct set *old = s->set; /* only who reloads and rotates changes it */
    struct set *set = make_set(old->n);

    for (size_t i = 0; i < old->n; i++)
        add_context(set, copy_context(old->of[i].ctx));
    replace(s, set);
}

int64_t tls_server_expires(struct tls_server *s)
{
    int64_t expires;

    lock(s);
    expires = s->set->expires;
    unlock(s);
    return expires;
}

void tls_server_free(struct tls_server *s)
{
    if (s == NULL)
        return;
    drop_set(s->set);
    PG_CHECK(pthread_mutex_destroy(&s->lock) == 0);
    free(s);
}

SSL *tls_server_accept(struct tls_server *s, int fd)
{
    SSL *ssl;

    lock(s);
    ssl = SSL_new(s->set->of[0].ctx);
    unlock(s);
    PG_CHECK(ssl != NULL);
    PG_CHECK(SSL_set_fd(ssl, fd) == 1);
    SSL_set_accept_state(ssl);
    return ssl;
}

int tls_subject(const SSL *ssl, char text_r[TLS_SUBJECT_MAX])
{
    const X509 *x = SSL_get0_peer_certificate(ssl);
    BIO *bio;
    char *p;
    long n;

    if (x == NULL)
        return 0;
    PG_CHECK(SSL_get_verify_result(ssl) == X509_V_OK); /* else there was no handshake */
    bio = BIO_new(BIO_s_mem());
    PG_CHECK(bio != NULL);
    n = X509_NAME_print_ex(bio, X509_get_subject_name(x), 0, XN_FLAG_RFC2253) >= 0
            ? BIO_get_mem_data(bio, &p)
            : -1;
    if (n >= 0 && n < TLS_SUBJECT_MAX) {
        memcpy(text_r, n > 0 ? p : "", (size_t)n);
        text_r[n] = '\0';
    }
    BIO_free(bio);
    ERR_clear_error();
    return n >= 0 && n < TLS_SUBJECT_MAX ? 1 : -1;
}
