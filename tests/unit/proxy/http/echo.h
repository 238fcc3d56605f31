/* SPDX-License-Identifier: Apache-2.0 */
/* echo - a service that answers, or keeps a request, and what a refusal must look like. */
#pragma once

#include "unit/proxy/http/rig.h"

static atomic_int begun, gone;
static sem_t kept; /* a request that nobody answers has begun */
static struct conn *_Atomic keeper;

static void on_sent(struct conn *c, const struct send_result *r)
{
    conn_done(c, r->ok);
}

static void answer(struct conn *c, int status, struct sl body)
{
    send_head(c, status);
    send_field(c, SL("Content-Type"), SL("text/plain"));
    send_mem(c, body);
    send_go(c, on_sent);
}

static void begin(const struct conn_service *service, struct conn *c)
{
    const struct conn_request *q = conn_request(c);

    (void)service;
    atomic_fetch_add(&begun, 1);
    if (sl_eq(q->target, SL("/keep"))) {
        atomic_store(&keeper, c);
        sem_post(&kept);
    } else if (sl_eq(q->target, SL("/host"))) {
        answer(c, 200, q->host);
    } else if (sl_eq(q->target, SL("/agent"))) {
        answer(c, 200, conn_header(q, SL("user-agent")));
    } else if (sl_eq(q->target, SL("/bad-field"))) {
        send_head(c, 200);
        send_field(c, SL("X-Hostile"), SL("a\r\nSet-Cookie: b"));
        send_mem(c, SL("secret"));
        send_go(c, on_sent);
    } else if (sl_eq(q->method, SL("GET")) || sl_eq(q->method, SL("HEAD"))) {
        answer(c, 200, SL("hello"));
    } else {
        answer(c, 405, SL("no"));
    }
}

static void on_gone(struct conn *c)
{
    atomic_fetch_add(&gone, 1);
    conn_done(c, false);
}

static const struct conn_service service = {.name = "test", .begin = begin, .gone = on_gone};

static int open_with(struct config config)
{
    atomic_store(&begun, 0);
    atomic_store(&gone, 0);
    assert_int_equal(sem_init(&kept, 0, 0), 0);
    rig_open(config, 1, 1000);
    rig_listen(&service, NULL);
    rig_run();
    return 0;
}

static inline int start(void **state)
{
    (void)state;
    return open_with(rig_config());
}

static inline int start_hurried(void **state)
{
    struct config config = rig_config();

    (void)state;
    config.limits_head_timeout = 300;
    config.limits_idle_timeout = 300;
    config.limits_send_timeout = 300;
    return open_with(config);
}

static inline int stop(void **state)
{
    (void)state;
    rig_close();
    return 0;
}

#define GET "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

/* Refused: that status, one answer that says so, closed, and what follows is not read. */
static inline void refused_as(struct sl bytes, int status)
{
    int before = atomic_load(&begun);
    int fd = rig_connect();
    struct rig_got g;

    rig_send(fd, bytes);
    rig_send(fd, SL("GET /next HTTP/1.1\r\nHost: x\r\n\r\n"));
    g = rig_read_all(fd);
    if (rig_status_of(&g) != status || rig_count(&g, "HTTP/1.1 ") != 1)
        fail_msg("%.200s\n... should be a %d, and is %s", bytes.p, status, g.p);
    assert_int_equal(rig_count(&g, "\r\nConnection: close\r\n"), 1);
    assert_int_equal(rig_count(&g, "{\"errors\":[{\"code\":"), 1);
    assert_int_equal(rig_body_of(&g).n, rig_length_of(&g));
    assert_int_equal(atomic_load(&begun), before);
    rig_forget(&g);
    close(fd);
}

#define REFUSED(bytes, status) refused_as(SL(bytes), status)

#define HOSTED "GET / HTTP/1.1\r\nHost: x\r\n"
#define POSTED "POST / HTTP/1.1\r\nHost: x\r\n"

static inline void host_is(const char *target, const char *host)
{
    char bytes[256];
    int n = snprintf(bytes, sizeof(bytes),
                     "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", target, host);
    struct rig_got g = rig_talk((struct sl){bytes, (size_t)n});

    assert_int_equal(rig_status_of(&g), 200);
    assert_true(sl_eq(rig_body_of(&g), (struct sl){host, strlen(host)}));
    rig_forget(&g);
}
