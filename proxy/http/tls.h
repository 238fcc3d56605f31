/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls - the server side of TLS for a listener: OpenSSL, TLS 1.2 and up, ALPN http/1.1, no
 * renegotiation, no compression. Reads and writes are SSL_read and SSL_write on the raw socket,
 * driven by uv_poll in conn.c and send.c.
 *
 * Ownership:  tls_server_new() to tls_server_free(), after all its connections.
 * Failure:    STORE_IO naming the file that could not be read or does not fit its key.
 * Threads:    a server: any. A connection's SSL: its loop.
 */
#pragma once

#include <openssl/ssl.h>

#include "base/err.h"

struct tls_server;

PG_MUST_USE int tls_server_new(const char *cert_file, const char *key_file,
                               struct tls_server **server_r, struct pg_err *err);
void tls_server_free(struct tls_server *s);
SSL *tls_server_accept(struct tls_server *s, int fd); /* a new SSL in accept state */
