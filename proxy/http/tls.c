/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/tls.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

struct tls_server {
    SSL_CTX *ctx;
};

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

/* A session of one listener is no session of another: each has its own context and keys. */
static void setup(SSL_CTX *ctx)
{
    unsigned char id[16];

    pg_random_bytes(id, sizeof(id));
    PG_CHECK(SSL_CTX_set_session_id_context(ctx, id, sizeof(id)) == 1);
    PG_CHECK(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_ENABLE_KTLS);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets alone: no memory here */
    PG_CHECK(SSL_CTX_set_num_tickets(ctx, 1) == 1);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
}

int tls_server_new(const char *cert_file, const char *key_file, struct tls_server **server_r,
                   struct pg_err *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    struct tls_server *s;
    int r = 0;

    PG_CHECK(ctx != NULL);
    setup(ctx);
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
        r = fail(err, "no certificates could be read from", cert_file);
    else if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1)
        r = fail(err, "no key that fits the certificate could be read from", key_file);
    else if (SSL_CTX_check_private_key(ctx) != 1)
        r = fail(err, "the certificate does not belong to the key in", key_file);
    if (r < 0) {
        SSL_CTX_free(ctx);
        return -1;
    }
    s = calloc(1, sizeof(*s));
    PG_CHECK(s != NULL);
    s->ctx = ctx;
    *server_r = s;
    return 0;
}

void tls_server_free(struct tls_server *s)
{
    if (s == NULL)
        return;
    SSL_CTX_free(s->ctx);
    free(s);
}

SSL *tls_server_accept(struct tls_server *s, int fd)
{
    SSL *ssl = SSL_new(s->ctx);

    PG_CHECK(ssl != NULL);
    PG_CHECK(SSL_set_fd(ssl, fd) == 1);
    SSL_set_accept_state(ssl);
    return ssl;
}
