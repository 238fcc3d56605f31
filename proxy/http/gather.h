/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gather - the writing end of a TLS connection: a BIO between its SSL and its socket that lets many
 * records leave in one send(). A system call for each record of 16 KiB costs as much as half of its
 * encryption.
 *
 *     begin --> SSL_write, SSL_write, ... --> end
 *                 | records in the loop's      | what the socket does not take is kept, and
 *                 | buffer, sent when full     | leaves before anything else does
 *
 * In a turn it takes whatever OpenSSL writes, so that no record of a body is OpenSSL's to retry.
 * Who writes asks gather_room() first and stops when something is owed: then what is kept is about
 * a record. Who does not is told `retry` above GATHER_KEPT_MAX. The memory is the connection's,
 * from the first byte kept to the last one sent.
 *
 * Outside of a turn (an alert, an answer to a key update) a write goes to the socket at once, and
 * waits while something is owed.
 *
 * Ownership:  the SSL owns its BIO, and that the gather. The buffer is lent from begin to end.
 * Failure:    a broken socket fails every call from there on.
 * Threads:    the connection's loop.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#define GATHER_BYTES    ((size_t)144 * 1024) /* eight records and a head */
#define GATHER_KEPT_MAX ((size_t)256 * 1024)

struct gather;

struct gather *gather_new(SSL *ssl, int fd); /* ssl, after its handshake, writes by it */

/* buffer: GATHER_BYTES. False: what is owed did not leave, or the socket is broken; no turn began.
 */
bool gather_begin(struct gather *g, char *buffer);
bool gather_end(struct gather *g);   /* sends. False: something is owed, or the socket is broken */
bool gather_spill(struct gather *g); /* the same, and the turn goes on */

/* How many bytes more the socket will probably take, besides those in the buffer. */
size_t gather_room(const struct gather *g);
size_t gather_owed(const struct gather *g); /* bytes kept */
bool gather_is_broken(const struct gather *g);
