/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls - the server side of TLS for a listener: OpenSSL, TLS 1.2 and up, suites with forward secrecy
 * and authenticated encryption (AES-128 first: it is the cheapest, and what Go's clients ask for;
 * ChaCha20 for whoever puts that first), ALPN http/1.1, no renegotiation, no compression. Reads and
 * writes are SSL_read and SSL_write on the raw socket, driven by uv_poll in conn.c and send.c.
 *
 * A server has a generation: its certificates, the authorities of its clients, and the keys of its
 * tickets. tls_server_reload() reads the files again and makes the next one; connections keep that
 * they began with. If the files are no good, nothing changes.
 *
 * Several certificates: the first that is for the host that the client names (SNI), else the first
 * of all. Choosing comes before resumption: a session of one certificate, one generation or one
 * listener is no session of another. A listener that asks for certificates of clients gives no
 * tickets at all: whoever comes shows one, and it is checked, every time.
 *
 * The files are read by pg_guarded_read(): a key that others may read is refused.
 *
 * Ownership:  tls_server_new() to tls_server_free(), after all its connections.
 * Failure:    STORE_IO naming the file that could not be read or does not fit its key.
 * Threads:    a server: any. A connection's SSL: its loop.
 * Lock:       one for each server, around the pointer to its generation; innermost.
 */
#pragma once

#include <openssl/ssl.h>

#include "base/err.h"
#include "proxy/config.h"

#define TLS_SUBJECT_MAX 512

struct tls_server;

PG_MUST_USE int tls_server_new(const struct config_tls *config, struct tls_server **server_r,
                               struct pg_err *err);
PG_MUST_USE int tls_server_reload(struct tls_server *s, const struct config_tls *config,
                                  struct pg_err *err);
/* New keys for tickets; who has a ticket makes a whole handshake once. The files are not read. */
void tls_server_rotate(struct tls_server *s);
int64_t tls_server_expires(struct tls_server *s); /* the first of its certificates; Unix time */
void tls_server_free(struct tls_server *s);

SSL *tls_server_accept(struct tls_server *s, int fd); /* a new SSL in accept state */

/* After the handshake: 1, and the subject of the verified certificate of the client, as RFC 2253
 * has it: printable ASCII, all else escaped. 0: it showed none. -1: the subject is too long. */
PG_MUST_USE int tls_subject(const SSL *ssl, char text_r[TLS_SUBJECT_MAX]);
