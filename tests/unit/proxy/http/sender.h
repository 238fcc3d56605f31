/* SPDX-License-Identifier: Apache-2.0 */
/* A service that sends bodies of memory, of a blob and of a flight, and a client that reads them:
 * for the tests of send. */
#pragma once

#include "unit/proxy/http/rig.h"

#include <sys/mman.h>

#include "base/fd.h"
#include "fakes/fake_blob.h"
#include "proxy/http/rq.h"

#define SIZE ((size_t)12 * 1024 * 1024)

static char *content;  /* SIZE bytes, no two MiB alike */
static int content_fd; /* the same, as a file */
static struct blob *blob;
static struct flight *_Atomic flying; /* of the last who boarded */
static atomic_int dones, bad_dones, gone;
static _Atomic uint64_t body_bytes; /* what the last result says */

struct pull {
    struct rq rq;
    struct conn *conn;
    struct flight_reader reader;
    uint64_t first, end;
    unsigned ticket;
    bool ok, delivering;
};

/* Behind one another, out of order, and up to the last byte. */
static const struct send_part part_list[] = {
    {{"[a]", 3}, 5000, 9000},
    {{"[b]", 3}, 100, 5000100},
    {{"[c]", 3}, 5000, 5001},
    {{"[d]", 3}, SIZE - 10, SIZE},
};
static const struct send_parts part_body = {part_list, 4, {"[after]", 7}};

static inline struct pull *pull_of(struct rq *rq)
{
    return pg_container_of(rq, struct pull, rq);
}

static inline void on_sent(struct conn *c, const struct send_result *r)
{
    struct pull *p = conn_owner(c);

    atomic_fetch_add(&dones, 1);
    atomic_fetch_add(&bad_dones, r->ok ? 0 : 1);
    atomic_store(&body_bytes, r->body_bytes);
    p->ok = r->ok;
    rq_wake(&p->rq, p->ticket);
}

static inline void on_news(struct flight_reader *reader)
{
    struct pull *p = pg_container_of(reader, struct pull, reader);

    if (p->delivering)
        send_news(p->conn);
    else
        rq_wake(&p->rq, p->ticket);
}

static inline void stop_sending(struct rq *rq)
{
    (void)send_stop(pull_of(rq)->conn);
}

static enum rq_next st_end(struct rq *rq)
{
    return rq_end(rq);
}
static const struct rq_stage ST_end = {"end", st_end, RQ_CLIENT};

static enum rq_next st_deliver(struct rq *rq)
{
    struct pull *p = pull_of(rq);
    struct sl target = conn_request(p->conn)->target;

    p->ticket = rq_ticket(rq);
    p->delivering = true;
    send_head(p->conn, p->first > 0 ? 206 : 200);
    if (sl_starts(target, SL("/blob/parts")))
        send_blob_parts(p->conn, fake_blob_ref(blob), &part_body);
    else if (sl_starts(target, SL("/flight/parts")))
        send_flight_parts(p->conn, &p->reader, &part_body);
    else if (sl_starts(target, SL("/blob")))
        send_blob(p->conn, fake_blob_ref(blob), p->first, p->end);
    else if (sl_starts(target, SL("/flight")))
        send_flight(p->conn, &p->reader, p->first, p->end);
    else
        send_mem(p->conn, (struct sl){content + p->first, p->end - p->first});
    send_go(p->conn, on_sent);
    return rq_wait(rq, &ST_end, 60000, stop_sending);
}
static const struct rq_stage ST_deliver = {"deliver", st_deliver, RQ_CLIENT};

static inline void stop_flying(struct rq *rq)
{
    flight_leave(&pull_of(rq)->reader);
}

static enum rq_next st_board(struct rq *rq)
{
    struct pull *p = pull_of(rq);

    if (!sl_starts(conn_request(p->conn)->target, SL("/flight")))
        return rq_go(rq, &ST_deliver);
    if (p->reader.flight == NULL) {
        enum flight_role role;

        if (flight_join(&conn_loop(p->conn)->bell, SL("sha256:aa"), &p->reader, on_news, &role,
                        &rq->err) < 0)
            return rq_fail_now(rq);
        if (role == FLIGHT_LEADER)
            flight_file(p->reader.flight, dup(content_fd));
        atomic_store(&flying, p->reader.flight);
    }
    if (flight_look(&p->reader).state != FLIGHT_HEAD)
        return rq_go(rq, &ST_deliver);
    p->ticket = rq_ticket(rq);
    static const struct rq_stage ST_again = {"again", st_board, RQ_CLIENT};
    return rq_wait(rq, &ST_again, 60000, stop_flying);
}
static const struct rq_stage ST_board = {"board", st_board, RQ_CLIENT};

/* An error stage that does not know that the client has gone: it answers all the same. */
static enum rq_next st_refuse(struct rq *rq)
{
    struct pull *p = pull_of(rq);

    p->ticket = rq_ticket(rq);
    p->delivering = true;
    send_head(p->conn, 503);
    send_mem(p->conn, SL("refused"));
    send_go(p->conn, on_sent);
    return rq_wait(rq, &ST_end, 5000, stop_sending);
}
static const struct rq_stage ST_refuse = {"refuse", st_refuse, RQ_CLIENT};

static inline void on_end(struct rq *rq)
{
    struct pull *p = pull_of(rq);

    conn_done(p->conn, p->ok);
    free(p);
}

/* "/blob?first-end", or all. */
static inline void begin(const struct conn_service *service, struct conn *c)
{
    struct pull *p = calloc(1, sizeof(*p));
    struct sl target = conn_request(c)->target;
    const char *range = memchr(target.p, '?', target.n);

    (void)service;
    assert_non_null(p);
    p->conn = c;
    p->end = SIZE;
    if (range != NULL) {
        char *dash;

        p->first = strtoull(range + 1, &dash, 10);
        p->end = strtoull(dash + 1, NULL, 10);
    }
    conn_set_owner(c, p);
    rq_start(&conn_loop(c)->queue, &p->rq, &ST_board, &ST_refuse, on_end);
}

static inline void on_gone(struct conn *c)
{
    atomic_fetch_add(&gone, 1);
    rq_cancel(&((struct pull *)conn_owner(c))->rq);
}

static const struct conn_service service = {.name = "test", .begin = begin, .gone = on_gone};

static inline int open_with(struct config config)
{
    atomic_store(&dones, 0);
    atomic_store(&bad_dones, 0);
    atomic_store(&gone, 0);
    atomic_store(&flying, NULL);
    atomic_store(&fake_blob_checked, SIZE);
    content = malloc(SIZE);
    content_fd = memfd_create("content", MFD_CLOEXEC);
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (char)('a' + (i + i / 4096 + i / 1048576) % 26);
    assert_int_equal(pg_fd_pwrite(content_fd, content, SIZE, 0), 0);
    blob = fake_blob_new(dup(content_fd), SIZE);
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
    config.limits_send_timeout = 300;
    return open_with(config);
}

static inline int stop(void **state)
{
    (void)state;
    rig_close();
    assert_int_equal(atomic_load(&fake_blob_open), 1); /* every other reference came back */
    blob_close(blob);
    close(content_fd);
    free(content);
    return 0;
}

/* A client with a receive buffer that is much smaller than the body. */
static inline int ask(const char *target, const char *more)
{
    char bytes[256];
    int n = snprintf(bytes, sizeof(bytes), "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", target, more);
    int fd = rig_connect();

    rig_send(fd, (struct sl){bytes, (size_t)n});
    return fd;
}

static inline void whole(struct rig_got *g, uint64_t first, uint64_t end)
{
    assert_int_equal(rig_length_of(g), end - first);
    assert_int_equal(rig_body_of(g).n, end - first);
    assert_memory_equal(rig_body_of(g).p, content + first, end - first);
    rig_forget(g);
}

static inline void delivers(const char *target, uint64_t first, uint64_t end)
{
    struct rig_got g;
    int fd;

    atomic_store(&dones, 0);
    atomic_store(&bad_dones, 0);
    fd = ask(target, "");
    g = rig_read_response(fd);
    whole(&g, first, end);
    RIG_WAIT(atomic_load(&dones) > 0);
    assert_int_equal(atomic_load(&bad_dones), 0);
    assert_int_equal(atomic_load(&body_bytes), end - first);
    close(fd);
}

/* Cut short: an error for the client, never something that looks whole. */
static inline struct rig_got cut_short(int fd)
{
    struct rig_got g = rig_read_all(fd);

    assert_true(g.reset);
    assert_true(rig_body_of(&g).n < rig_length_of(&g));
    RIG_WAIT(atomic_load(&rig.loops[0]->nconns) == 0);
    assert_int_equal(atomic_load(&bad_dones), 1);
    return g;
}

static inline struct flight *boarded(void)
{
    RIG_WAIT(atomic_load(&flying) != NULL);
    return atomic_load(&flying);
}

static inline void land(struct flight *f)
{
    flight_verify(f);
    flight_finish(f);
}

static const struct pg_err is_down = {.kind = PG_E_UPSTREAM_DOWN, .msg = (char[]){"down"}};
