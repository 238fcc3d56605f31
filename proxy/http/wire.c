/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/wire.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <openssl/err.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/check.h"

static ssize_t of_errno(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? WIRE_AGAIN : WIRE_BROKEN;
}

/* What SSL_get_error() says of a call that did not succeed. */
static int of_ssl(struct wire *w, int r)
{
    switch (SSL_get_error(w->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        return WIRE_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        w->wants_out = true;
        return WIRE_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return WIRE_END;
    default:
        return WIRE_BROKEN;
    }
}

/* Comes before and after each call of the socket's BIO: see BIO_set_callback_ex(3). */
/* NOLINTNEXTLINE(readability-function-size): its parameters are OpenSSL's choice */
static long on_bio(BIO *bio, int oper, const char *argp, size_t len, int argi, long argl, int ret,
                   size_t *processed) /* NOLINT(readability-non-const-parameter) */
{
    struct wire *w = (struct wire *)(void *)BIO_get_callback_arg(bio);

    (void)argp;
    (void)len;
    (void)argi;
    (void)argl;
    (void)processed;
    if (oper != BIO_CB_READ)
        return ret;
    if (!w->may_ask) {
        BIO_clear_retry_flags(bio);
        BIO_set_retry_read(bio);
        return -1;
    }
    w->may_ask = false;
    return ret;
}

void wire_secure(struct wire *w, SSL *ssl)
{
    w->ssl = ssl;
    BIO_set_callback_arg(SSL_get_rbio(ssl), (char *)w);
    BIO_set_callback_ex(SSL_get_rbio(ssl), on_bio);
}

static void begin_reading(struct wire *w)
{
    ERR_clear_error();
    w->wants_out = false;
    w->may_ask = true;
}

int wire_handshake(struct wire *w, const char **why_r)
{
    unsigned long code;
    int r;

    begin_reading(w);
    *why_r = NULL;
    r = SSL_do_handshake(w->ssl);
    if (r == 1) {
        w->ktls = BIO_get_ktls_send(SSL_get_wbio(w->ssl)) != 0;
        w->gather = w->ktls ? NULL : gather_new(w->ssl, w->fd);
        return 1;
    }
    code = ERR_peek_error();
    r = of_ssl(w, r);
    if (r == WIRE_AGAIN)
        return r;
    *why_r = code != 0 ? ERR_reason_error_string(code) : NULL;
    return ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST
               ? WIRE_HTTP
               : WIRE_BROKEN;
}

void wire_unwrap(struct wire *w)
{
    SSL_free(w->ssl);
    w->ssl = NULL;
    w->wants_out = false;
}

ssize_t wire_read(struct wire *w, char *p, size_t n)
{
    ssize_t r;

    PG_CHECK(n > 0 && n <= INT_MAX);
    if (w->ssl == NULL) {
        r = recv(w->fd, p, n, 0);
        return r >= 0 ? r : of_errno();
    }
    begin_reading(w);
    r = SSL_read(w->ssl, p, (int)n);
    return r > 0 ? r : of_ssl(w, (int)r);
}

bool wire_has_more(const struct wire *w)
{
    return w->ssl != NULL && SSL_has_pending(w->ssl) == 1;
}

static int of_gather(const struct gather *g, bool clear)
{
    if (clear)
        return 1;
    return gather_is_broken(g) ? WIRE_BROKEN : WIRE_AGAIN;
}

int wire_begin(struct wire *w, char *scratch)
{
    if (w->gather == NULL)
        return 1;
    return of_gather(w->gather, gather_begin(w->gather, scratch + WIRE_FILE_BYTES));
}

int wire_end(struct wire *w)
{
    return w->gather == NULL ? 1 : of_gather(w->gather, gather_end(w->gather));
}

size_t wire_owed(const struct wire *w)
{
    return w->gather == NULL ? 0 : gather_owed(w->gather);
}

static ssize_t write_plain(struct wire *w, struct sl a, struct sl b, bool more)
{
    struct iovec parts[2] = {{__extension__(void *)(uintptr_t) a.p, a.n},
                             {__extension__(void *)(uintptr_t) b.p, b.n}};
    struct msghdr m = {.msg_iov = a.n > 0 ? parts : parts + 1,
                       .msg_iovlen = (a.n > 0 ? 1u : 0u) + (b.n > 0 ? 1u : 0u)};
    ssize_t r = sendmsg(w->fd, &m, MSG_NOSIGNAL | (more ? MSG_MORE : 0));

    return r >= 0 ? r : of_errno();
}

static ssize_t write_tls(struct wire *w, struct sl s)
{
    int r;

    ERR_clear_error();
    r = SSL_write(w->ssl, s.p, s.n > INT_MAX ? INT_MAX : (int)s.n);
    if (r > 0)
        return r;
    r = of_ssl(w, r);
    return r == WIRE_END ? WIRE_BROKEN : r;
}

/* As many bytes as the socket will probably take: what is sealed into records and does
 * not leave costs memory. At least a record, else nothing would tell when there is room again; 0:
 * the socket did not take what was gathered. */
static size_t fitting(struct wire *w, size_t n)
{
    size_t room;

    if (n <= WIRE_RECORD_BYTES)
        return n;
    room = gather_room(w->gather);
    if (room < WIRE_RECORD_BYTES)
        return gather_spill(w->gather) ? WIRE_RECORD_BYTES : 0;
    room -= room % WIRE_RECORD_BYTES;
    return n < room ? n : room;
}

/* The head and the beginning of the body leave in one record. */
ssize_t wire_write(struct wire *w, struct sl a, struct sl b, bool more, char *scratch)
{
    size_t n;

    PG_CHECK(a.n + b.n > 0);
    if (w->ssl == NULL)
        return write_plain(w, a, b, more);
    if (w->gather != NULL && fitting(w, a.n + b.n) == 0)
        return of_gather(w->gather, false);
    if (a.n == 0)
        return write_tls(w, b);
    if (b.n == 0 || a.n >= WIRE_RECORD_BYTES)
        return write_tls(w, a);
    n = b.n < WIRE_RECORD_BYTES - a.n ? b.n : WIRE_RECORD_BYTES - a.n;
    memcpy(scratch, a.p, a.n);
    memcpy(scratch + a.n, b.p, n);
    return write_tls(w, (struct sl){scratch, a.n + n});
}

static ssize_t read_file(int fd, uint64_t at, size_t n, char *scratch)
{
    ssize_t r;

    do {
        r = pread(fd, scratch, n, (off_t)at);
    } while (r < 0 && errno == EINTR);
    return r >= 0 ? r : WIRE_BROKEN;
}

/* Record by record, since each call of SSL_write() makes one. */
static ssize_t write_file_tls(struct wire *w, struct sl s)
{
    size_t sent = 0;

    do {
        ssize_t r = write_tls(w, (struct sl){s.p + sent, s.n - sent});

        if (r < 0)
            return sent > 0 && r == WIRE_AGAIN ? (ssize_t)sent : r;
        sent += (size_t)r;
    } while (sent < s.n && gather_owed(w->gather) == 0);
    return (ssize_t)sent;
}

static ssize_t send_file_ktls(struct wire *w, int fd, uint64_t at, size_t n)
{
    ossl_ssize_t r;

    ERR_clear_error();
    r = SSL_sendfile(w->ssl, fd, (off_t)at, n, 0);
    if (r >= 0)
        return r;
    return of_ssl(w, (int)r) == WIRE_AGAIN ? WIRE_AGAIN : WIRE_BROKEN;
}

ssize_t wire_write_file(struct wire *w, int fd, uint64_t at, size_t n, char *scratch)
{
    off_t offset = (off_t)at;
    ssize_t r;

    if (w->ktls)
        return send_file_ktls(w, fd, at, n);
    if (w->ssl == NULL) {
        r = sendfile(w->fd, fd, &offset, n);
        return r >= 0 ? r : of_errno();
    }
    n = fitting(w, n < WIRE_FILE_BYTES ? n : WIRE_FILE_BYTES);
    if (n == 0)
        return of_gather(w->gather, false);
    r = read_file(fd, at, n, scratch);
    return r > 0 ? write_file_tls(w, (struct sl){scratch, (size_t)r}) : r;
}

size_t wire_unread(const struct wire *w)
{
    int n = 0;

    return ioctl(w->fd, SIOCOUTQ, &n) == 0 && n > 0 ? (size_t)n : 0;
}

void wire_finish(struct wire *w)
{
    if (w->ssl != NULL && SSL_is_init_finished(w->ssl)) {
        ERR_clear_error();
        (void)SSL_shutdown(w->ssl); /* what the socket does not take now is not worth waiting for */
    }
    (void)shutdown(w->fd, SHUT_WR);
}

void wire_close(struct wire *w, bool reset)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    if (w->fd < 0)
        return;
    if (reset)
        (void)setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    SSL_free(w->ssl);
    (void)close(w->fd);
    *w = (struct wire){.fd = -1};
}
