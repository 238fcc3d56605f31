/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire - the raw socket of a connection, plain or TLS, with one set of calls for both. None of
 * them waits.
 *
 * Writes come in turns. Within one, TLS records are gathered (gather.h) in the scratch of the loop;
 * what they were made of counts as written. wire_end() sends them; what the socket does not take is
 * owed, and the next turn begins with it or does not begin. So a response is whole when it is
 * written and nothing is owed. On a plain socket turns are nothing.
 *
 * Where the kernel encrypts: what one call of wire_write() could not write, the next must begin
 * with (at least as many of the same bytes); they may be somewhere else in memory.
 *
 * Reads under TLS: OpenSSL goes on reading as long as there are records that are not data, such as
 * updates of keys, of which a client may send any number. So each call lets it ask the socket once;
 * of what is left there, the poll tells.
 *
 * Ownership:  wire_close() closes the descriptor and frees the SSL.
 * Threads:    the connection's loop.
 */
#pragma once

#include <openssl/ssl.h>
#include <sys/types.h>

#include "base/slice.h"
#include "proxy/http/gather.h"

#define WIRE_RECORD_BYTES  ((size_t)16 * 1024)
#define WIRE_FILE_BYTES    ((size_t)128 * 1024) /* of a file, read at once for TLS */
#define WIRE_SCRATCH_BYTES (WIRE_FILE_BYTES + GATHER_BYTES)

/* Besides a number of bytes, which is not zero. */
enum { WIRE_END = 0, WIRE_AGAIN = -1, WIRE_BROKEN = -2, WIRE_HTTP = -3 };

struct wire {
    int fd;
    SSL *ssl;              /* NULL: plain */
    struct gather *gather; /* TLS, after the handshake, unless the kernel encrypts */
    bool ktls;             /* the kernel encrypts what is sent */
    bool wants_out;        /* a read or handshake can go on only when the socket is writable */
    bool may_ask;          /* TLS: the socket was not read yet in this call */
};

/* It speaks TLS from here on, and stays where it is in memory. */
void wire_secure(struct wire *w, SSL *ssl);
/* TLS only. 1 done, WIRE_AGAIN, WIRE_BROKEN; then *why_r says why, or is NULL when the client just
 * went away; WIRE_HTTP: what came is plain HTTP. */
int wire_handshake(struct wire *w, const char **why_r);
void wire_unwrap(struct wire *w); /* no handshake was made: from here on it is plain */

/* WIRE_END: the client sends no more. */
ssize_t wire_read(struct wire *w, char *p, size_t n);
bool wire_has_more(const struct wire *w); /* read, but not given out yet: no poll will tell of it */

/* A turn of writing. scratch: WIRE_SCRATCH_BYTES, of which the second part is taken until its end.
 * 1; WIRE_AGAIN: something is owed, and when beginning there is no turn; WIRE_BROKEN */
int wire_begin(struct wire *w, char *scratch);
int wire_end(struct wire *w);
size_t wire_owed(const struct wire *w); /* bytes of records; the turn should end */

/* Of a, then of b; more: something follows at once. */
ssize_t wire_write(struct wire *w, struct sl a, struct sl b, bool more, char *scratch);
/* WIRE_END: the file is shorter than it should be. n > 0. */
ssize_t wire_write_file(struct wire *w, int fd, uint64_t at, size_t n, char *scratch);

size_t wire_unread(const struct wire *w); /* written, and not yet taken by the client */

void wire_finish(struct wire *w);            /* says that we send no more */
void wire_close(struct wire *w, bool reset); /* reset: so that the client sees an error */
