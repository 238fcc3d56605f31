/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journey - a test's own loop, clock, store and upstream around the journeys.
 *
 *     house_open();
 *     struct conn *c = house_ask("GET", "/v2/library/app/manifests/v1", "");
 *     fake_fetch_document(...);
 *     house_run();
 *     assert_int_equal(c->reply.status, 200);
 *     house_close();
 *
 * The registry docker.io is there, and origin.test, which is the default and has hub.local as its
 * virtual host.
 */
#pragma once

#include "harness/test.h"

#include <semaphore.h>
#include <stdlib.h>

#include "fakes/fake_clock.h"
#include "fakes/fake_conn.h"
#include "fakes/fake_fetch.h"
#include "fakes/fake_log.h"
#include "fakes/fake_store.h"
#include "proxy/journey/service.h"

#define HOUSE_CONNS 16

static struct store house_store;
static struct loop house_loop;
static struct flight_table house_flights;
static struct service *house_service;
static struct conn *house_conns[HOUSE_CONNS];
static unsigned house_nconns;

static void house_wake(struct pg_mailbox *box)
{
    (void)box;
}

static void house_ring(struct flight_bell *bell)
{
    (void)bell;
}

static struct snapshot *house_config(void)
{
    struct config c = {0};

    c.tags_ttl = 60 * 1000;
    c.tags_max_stale = 3600 * 1000;
    c.limits_answer_timeout = 25 * 1000;
    c.upstreams = calloc(2, sizeof(c.upstreams[0]));
    c.nupstreams = 2;
    c.upstreams[0].name = strdup("docker.io");
    c.upstreams[0].upstream_url = strdup("https://registry-1.docker.io");
    c.upstreams[1].name = strdup("origin.test");
    c.upstreams[1].upstream_url = strdup("http://user:pass@127.0.0.1:9");
    c.upstreams[1].upstream_default = true;
    c.upstreams[1].upstream_host = strdup("hub.local");
    c.file = strdup("/etc/pullgate.yaml");
    return config_snapshot_new(&c, 1);
}

static inline void house_open(void)
{
    pg_hash_setup();
    fake_log_reset();
    fake_fetch_reset();
    fake_store_reset();
    fake_clock_mono_ms_now = 1000000;
    fake_clock_wall_s_now = 1700000000;
    memset(&house_loop, 0, sizeof(house_loop));
    flight_table_init(&house_flights);
    rq_queue_init(&house_loop.queue);
    pg_mailbox_init(&house_loop.mail, house_wake, NULL);
    flight_bell_init(&house_loop.bell, &house_flights, house_ring);
    house_loop.snapshot = house_config();
    house_service = service_new(&house_store, NULL);
    service_attach(house_service, &house_loop);
}

/* The loop, until it is quiet. */
static inline void house_run(void)
{
    bool more = true;

    while (more) {
        more = pg_mailbox_drain(&house_loop.mail);
        if (atomic_load(&house_loop.bell.rung))
            flight_bell_answer(&house_loop.bell);
        more = rq_queue_run(&house_loop.queue, fake_clock_mono_ms_now, 1000) || more;
    }
}

static inline void house_wait_ms(uint64_t ms)
{
    fake_clock_mono_ms_now += ms;
    fake_clock_wall_s_now += (int64_t)(ms / 1000);
    house_run();
}

static inline struct conn *house_ask(const char *method, const char *target, const char *fields)
{
    const struct conn_service *s = service_conn(house_service);
    struct conn *c = fake_conn_new(&house_loop, method, target, fields);

    house_conns[house_nconns++] = c;
    s->begin(s, c);
    house_run();
    return c;
}

/* The client read it all. */
static inline void house_read(struct conn *c)
{
    fake_conn_sent(c, true);
    house_run();
    assert_int_equal(c->done, 1);
}

static inline void house_leave(struct conn *c)
{
    service_conn(house_service)->gone(c);
    house_run();
}

/* A pool whose only thread does nothing until it is told to. */
static sem_t house_released;
static struct pg_job house_blocker;

static inline void house_block(struct pg_job *job)
{
    (void)job;
    while (sem_wait(&house_released) < 0)
        continue;
}

static inline void house_ignore(struct pg_job *job)
{
    (void)job;
}

static inline void house_block_pool(void)
{
    house_loop.data_pool = pg_pool_new("data", 1);
    assert_int_equal(sem_init(&house_released, 0, 0), 0);
    house_blocker = (struct pg_job){.run = house_block, .done = house_ignore};
    pg_pool_submit(house_loop.data_pool, &house_blocker);
}

static inline void house_unblock_pool(void)
{
    assert_int_equal(sem_post(&house_released), 0);
    pg_pool_free(house_loop.data_pool);
    assert_int_equal(sem_destroy(&house_released), 0);
}

/* Whoever is still there leaves; nothing may be left open. */
static inline void house_close(void)
{
    for (unsigned i = 0; i < house_nconns; i++) {
        if (house_conns[i]->done == 0)
            house_leave(house_conns[i]);
        assert_int_equal(house_conns[i]->done, 1);
        fake_conn_free(house_conns[i]);
    }
    house_nconns = 0;
    house_run();
    service_detach(&house_loop);
    house_run(); /* what was answered and is not wanted any more */
    assert_int_equal(fake_fetch_open(), 0);
    assert_int_equal(fake_store_blobs_open, 0);
    service_free(house_service);
    config_snapshot_unref(house_loop.snapshot);
    flight_table_free(&house_flights);
}

static inline struct digest house_digest(const char *text)
{
    return digest_of(PG_SHA256, (struct sl){text, strlen(text)});
}

/* "/v2/<repo>/<what>/<digest>" in a buffer of its own until the next call. */
static inline const char *house_path(const char *repo, const char *what, const struct digest *d)
{
    static char path[600];
    char text[DIGEST_TEXT_MAX];

    (void)snprintf(path, sizeof(path), "/v2/%s/%s/" SL_FMT, repo, what,
                   SL_ARG(digest_write(d, text)));
    return path;
}

static inline const char *house_tag_path(const char *repo, const char *tag)
{
    static char path[600];

    (void)snprintf(path, sizeof(path), "/v2/%s/manifests/%s", repo, tag);
    return path;
}
