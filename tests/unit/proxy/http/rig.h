/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig - real loops, a real listener and real sockets for the tests of proxy/http; the service and
 * the client are the test's. Bytes go in raw and come out raw.
 */
#pragma once

#include "harness/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "proxy/http/conn.h"
#include "proxy/http/listen.h"
#include "proxy/http/loop.h"
#include "proxy/http/send.h"

#define RIG_PATIENCE_MS 8000 /* for what should come at once, on a slow machine */

#define RIG_DOORS 32

struct rig {
    struct flight_table flights;
    struct pg_pool *pool;
    struct snapshot *snapshot;
    struct loop *loops[2];
    unsigned nloops;
    struct listen *listen;
    struct conn_door doors[RIG_DOORS];
    unsigned ndoors;
    char bound[SOCKET_BOUND_MAX];
    uint16_t port;
};

static struct rig rig;

static inline struct config rig_config(void)
{
    return (struct config){.limits_head_timeout = 10000,
                           .limits_idle_timeout = 10000,
                           .limits_send_timeout = 10000,
                           .limits_answer_timeout = 10000};
}

static inline uint16_t rig_port_of(const char *bound)
{
    return (uint16_t)strtoul(strrchr(bound, ':') + 1, NULL, 10);
}

static inline void rig_open(struct config config, unsigned nloops, uint64_t connections_max)
{
    pg_log_setup(PG_LOG_TEXT, PG_LOG_ERROR);
    flight_table_init(&rig.flights);
    rig.pool = pg_pool_new("pg-test", 1);
    rig.snapshot = config_snapshot_new(&config, 1);
    rig.nloops = nloops;
    rig.ndoors = 0;
    for (unsigned i = 0; i < nloops; i++)
        rig.loops[i] = loop_new(i, &rig.flights, rig.snapshot, rig.pool);
    rig.listen = listen_new(rig.loops, nloops, connections_max);
}

static inline int rig_open_at(const char *address, const struct conn_service *service,
                              struct tls_server *tls, struct pg_err *err)
{
    const struct socket_want want = {.address = address, .mode = 0600};
    struct conn_door *door = &rig.doors[rig.ndoors++];

    *door = (struct conn_door){.service = service, .tls = tls, .listener = CONN_NO_LISTENER};
    assert_true(rig.ndoors < RIG_DOORS);
    return listen_open(rig.listen, &want, door, rig.bound, err);
}

static inline void rig_listen(const struct conn_service *service, struct tls_server *tls)
{
    struct pg_err err = {0};

    assert_int_equal(rig_open_at("127.0.0.1:0", service, tls, &err), 0);
    rig.port = rig_port_of(rig.bound);
}

static inline void rig_run(void)
{
    for (unsigned i = 0; i < rig.nloops; i++)
        loop_run(rig.loops[i]);
    listen_start(rig.listen);
}

static inline void rig_close(void)
{
    listen_stop(rig.listen);
    for (unsigned i = 0; i < rig.nloops; i++)
        loop_stop(rig.loops[i]);
    pg_pool_free(rig.pool);
    for (unsigned i = 0; i < rig.nloops; i++)
        loop_free(rig.loops[i]);
    config_snapshot_unref(rig.snapshot);
    flight_table_free(&rig.flights);
}

/* ---- a client ------------------------------------------------------------------------------ */

static inline int rig_connect_to(uint16_t port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static inline int rig_connect(void)
{
    return rig_connect_to(rig.port);
}

/* A server that has closed already is no failure of the sender's. */
static inline void rig_send(int fd, struct sl s)
{
    while (s.n > 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

        if (n < 0)
            return;
        s.p += n;
        s.n -= (size_t)n;
    }
}

struct rig_got {
    char *p; /* and a NUL; freed by rig_forget() */
    size_t n, cap;
    bool ended; /* the server closed */
    bool reset; /* ... with an error */
};

static inline void rig_forget(struct rig_got *g)
{
    free(g->p);
    *g = (struct rig_got){0};
}

/* Once. False: nothing came in ms. */
static inline bool rig_read_once(int fd, struct rig_got *g, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t n;

    if (poll(&p, 1, ms) == 0)
        return false;
    if (g->cap - g->n < 65536) {
        g->cap = 2 * g->cap + 65536;
        g->p = realloc(g->p, g->cap + 1);
        assert_non_null(g->p);
    }
    n = recv(fd, g->p + g->n, g->cap - g->n, 0);
    g->ended = n <= 0;
    g->reset = n < 0;
    g->n += n > 0 ? (size_t)n : 0;
    g->p[g->n] = '\0';
    return true;
}

/* Until the server closes. */
static inline struct rig_got rig_read_all(int fd)
{
    struct rig_got g = {0};

    while (!g.ended) {
        if (!rig_read_once(fd, &g, RIG_PATIENCE_MS))
            fail_msg("the server neither closes nor says more; so far: %s", g.p ? g.p : "");
    }
    return g;
}

/* Until there are n bytes, or the end. */
static inline struct rig_got rig_read_n(int fd, size_t n)
{
    struct rig_got g = {0};

    while (!g.ended && g.n < n) {
        if (!rig_read_once(fd, &g, RIG_PATIENCE_MS))
            fail_msg("%zu bytes are missing; so far: %s", n - g.n, g.p ? g.p : "");
    }
    return g;
}

static inline struct sl rig_body_of(const struct rig_got *g)
{
    const char *end = g->n > 0 ? memmem(g->p, g->n, "\r\n\r\n", 4) : NULL;

    if (end == NULL)
        return (struct sl){NULL, 0};
    return (struct sl){end + 4, g->n - (size_t)(end + 4 - g->p)};
}

static inline size_t rig_length_of(const struct rig_got *g)
{
    const char *at = g->n > 0 ? memmem(g->p, g->n, "Content-Length: ", 16) : NULL;

    return at != NULL ? strtoull(at + 16, NULL, 10) : 0;
}

/* One response with its body. */
static inline struct rig_got rig_read_response(int fd)
{
    struct rig_got g = {0};

    while (!g.ended && (rig_body_of(&g).p == NULL || rig_body_of(&g).n < rig_length_of(&g))) {
        if (!rig_read_once(fd, &g, RIG_PATIENCE_MS))
            fail_msg("a response is missing; so far: %s", g.p ? g.p : "");
    }
    return g;
}

static inline int rig_status_of(const struct rig_got *g)
{
    if (g->n < 12 || memcmp(g->p, "HTTP/1.1 ", 9) != 0)
        return 0;
    return (int)strtol(g->p + 9, NULL, 10);
}

static inline size_t rig_count(const struct rig_got *g, const char *what)
{
    size_t n = 0;

    for (const char *p = g->p; p != NULL && (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

/* Sends and reads until the server closes. */
static inline struct rig_got rig_talk(struct sl bytes)
{
    int fd = rig_connect();
    struct rig_got g;

    rig_send(fd, bytes);
    g = rig_read_all(fd);
    close(fd);
    return g;
}

/* Waits for something that another thread does; not with a fixed time. */
#define RIG_WAIT(cond)                                                                             \
    do {                                                                                           \
        uint64_t until_ = pg_clock_mono_ms() + RIG_PATIENCE_MS;                                    \
        while (!(cond)) {                                                                          \
            if (pg_clock_mono_ms() > until_)                                                       \
                fail_msg("still not: %s", #cond);                                                  \
            (void)poll(NULL, 0, 2);                                                                \
        }                                                                                          \
    } while (0)
