/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/gather.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"

struct gather {
    int fd;
    bool broken;
    char *buffer; /* of the loop; NULL: no turn */
    size_t n;     /* bytes in it */
    char *kept;   /* what the socket did not take */
    size_t kept_at, kept_end;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method;

/* How much the socket took. more: something follows at once. */
static size_t push(struct gather *g, const char *p, size_t n, bool more)
{
    ssize_t r = send(g->fd, p, n, MSG_NOSIGNAL | (more ? MSG_MORE : 0));

    if (r < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        g->broken = true;
    return r > 0 ? (size_t)r : 0;
}

/* Behind what is kept already. */
static void keep(struct gather *g, const char *p, size_t n)
{
    size_t owed = gather_owed(g);
    char *kept;

    if (n == 0)
        return;
    PG_CHECK(n <= GATHER_BYTES && owed <= GATHER_KEPT_MAX + GATHER_BYTES);
    kept = malloc(owed + n);
    PG_CHECK(kept != NULL);
    if (owed > 0)
        memcpy(kept, g->kept + g->kept_at, owed);
    memcpy(kept + owed, p, n);
    free(g->kept);
    g->kept = kept;
    g->kept_at = 0;
    g->kept_end = owed + n;
}

static void pay(struct gather *g)
{
    if (g->kept == NULL)
        return;
    g->kept_at += push(g, g->kept + g->kept_at, gather_owed(g), false);
    if (gather_owed(g) > 0)
        return;
    free(g->kept);
    g->kept = NULL;
    g->kept_at = g->kept_end = 0;
}

static bool is_clear(const struct gather *g)
{
    return !g->broken && g->kept == NULL;
}

/* Sends from p, unless older bytes wait; what does not leave is kept. */
static void send_or_keep(struct gather *g, const char *p, size_t n, bool more)
{
    size_t sent = 0;

    if (n > 0 && is_clear(g))
        sent = push(g, p, n, more);
    if (!g->broken)
        keep(g, p + sent, n - sent);
}

/* ---- the BIO ------------------------------------------------------------------------------- */

static int on_write(BIO *bio, const char *p, int n)
{
    struct gather *g = BIO_get_data(bio);

    PG_CHECK(n > 0 && (size_t)n <= GATHER_BYTES);
    BIO_clear_retry_flags(bio);
    if (g->buffer != NULL && (size_t)n > GATHER_BYTES - g->n) {
        send_or_keep(g, g->buffer, g->n, true);
        g->n = 0;
    }
    if (g->buffer == NULL && !g->broken)
        pay(g);
    if (g->broken)
        return -1;
    if (gather_owed(g) > (g->buffer != NULL ? GATHER_KEPT_MAX : 0)) {
        BIO_set_retry_write(bio);
        return -1;
    }
    if (g->buffer == NULL) {
        send_or_keep(g, p, (size_t)n, false);
        return g->broken ? -1 : n;
    }
    memcpy(g->buffer + g->n, p, (size_t)n);
    g->n += (size_t)n;
    return n;
}

static long on_ctrl(BIO *bio, int cmd, long n, void *p)
{
    (void)bio;
    (void)n;
    (void)p;
    return cmd == BIO_CTRL_FLUSH; /* it leaves at the end of the turn */
}

static int on_destroy(BIO *bio)
{
    struct gather *g = BIO_get_data(bio);

    free(g->kept);
    free(g);
    return 1;
}

static void init_once(void)
{
    int type = BIO_get_new_index();

    PG_CHECK(type > 0);
    method = BIO_meth_new(type | BIO_TYPE_SOURCE_SINK, "gather");
    PG_CHECK(method != NULL && BIO_meth_set_write(method, on_write) == 1 &&
             BIO_meth_set_ctrl(method, on_ctrl) == 1 &&
             BIO_meth_set_destroy(method, on_destroy) == 1);
}

struct gather *gather_new(SSL *ssl, int fd)
{
    struct gather *g = calloc(1, sizeof(*g));
    BIO *bio;

    PG_CHECK(g != NULL && pthread_once(&once, init_once) == 0);
    g->fd = fd;
    bio = BIO_new(method);
    PG_CHECK(bio != NULL);
    BIO_set_data(bio, g);
    BIO_set_init(bio, 1);
    SSL_set0_wbio(ssl, bio);
    return g;
}

/* ---- turns --------------------------------------------------------------------------------- */

bool gather_begin(struct gather *g, char *buffer)
{
    PG_CHECK(g->buffer == NULL && g->n == 0);
    if (!g->broken)
        pay(g);
    if (is_clear(g))
        g->buffer = buffer;
    return is_clear(g);
}

bool gather_spill(struct gather *g)
{
    PG_CHECK(g->buffer != NULL);
    send_or_keep(g, g->buffer, g->n, false);
    g->n = 0;
    return is_clear(g);
}

bool gather_end(struct gather *g)
{
    bool clear = gather_spill(g);

    g->buffer = NULL;
    return clear;
}

/* By what the kernel says of the socket's memory. Where it says nothing: no room. */
size_t gather_room(const struct gather *g)
{
    uint32_t is[SK_MEMINFO_VARS] = {0};
    socklen_t n = sizeof(is);
    size_t used;

    if (getsockopt(g->fd, SOL_SOCKET, SO_MEMINFO, is, &n) < 0 || n < sizeof(is))
        return 0;
    used = (size_t)is[SK_MEMINFO_WMEM_QUEUED] + g->n + gather_owed(g);
    return is[SK_MEMINFO_SNDBUF] > used ? is[SK_MEMINFO_SNDBUF] - used : 0;
}

size_t gather_owed(const struct gather *g)
{
    return g->kept_end - g->kept_at;
}

bool gather_is_broken(const struct gather *g)
{
    return g->broken;
}
