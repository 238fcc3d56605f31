/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "cache/overlay.h"
#include "cache/use.h"
#include "sim/life.h"
#include "sim/sched.h"

#define READ_MAX 20000

static void on_news(struct flight_reader *reader)
{
    pg_container_of(reader, struct client, reader)->has_news = true;
}

static void on_checked(struct blob_check *check)
{
    struct client *c = check->owner;

    c->has_failed = check->failed;
}

void client_leave(struct client *c)
{
    if (c->reader.flight != NULL)
        flight_leave(&c->reader);
    if (c->check != NULL)
        blob_check_free(c->check);
    blob_close(c->blob);
    *c = (struct client){0};
}

/* The response was cut off: its reader knows. */
static void end_short(struct client *c)
{
    PG_CHECK(c->end == 0 || c->at < c->end);
    model->cut++;
    client_leave(c);
}

static void end_whole(struct client *c)
{
    PG_CHECK(!c->saw_wrong);
    model->whole++;
    client_leave(c);
}

/* Bytes that leave: are they the blob's? */
static void read_to(struct client *c, int fd, uint64_t to, bool is_sure)
{
    char p[READ_MAX];
    size_t n = 1 + (size_t)sched_chance(READ_MAX);

    if (n > to - c->at)
        n = (size_t)(to - c->at);
    PG_CHECK(pg_fd_pread(fd, p, n, c->at) == 0); /* the watermark promises that they are there */
    if (c->at + n > world[c->object].bytes.n ||
        memcmp(p, world[c->object].bytes.p + c->at, n) != 0) {
        PG_CHECK(!is_sure);
        c->saw_wrong = true;
    }
    c->at += n;
}

static void range_of(struct client *c, uint64_t size)
{
    if (c->end > 0)
        return;
    c->end = size;
    if (sched_chance(3) > 0 || size < 2)
        return;
    c->from = sched_chance(size);
    c->end = c->from + 1 + sched_chance(size - c->from);
    c->at = c->from;
}

static void step_flight(struct client *c)
{
    struct flight_view v = flight_look(&c->reader);
    uint64_t to;

    c->has_news = false;
    if (v.size > 0)
        range_of(c, v.size);
    if (c->end == 0) {
        if (v.state == FLIGHT_LOST)
            end_short(c);
        return;
    }
    PG_CHECK(!v.verified || v.size == world[c->object].bytes.n);
    to = flight_may_send(v, c->end);
    if (to > c->at)
        read_to(c, c->reader.flight->fd, to, v.verified);
    if (c->at == c->end) {
        PG_CHECK(v.verified);
        end_whole(c);
    } else if (v.state == FLIGHT_LOST && !v.verified) {
        end_short(c);
    }
}

static void step_hit(struct client *c)
{
    uint64_t to;

    if (c->has_failed) {
        PG_CHECK(life_had_faults() || model->has_rotted);
        end_short(c);
        return;
    }
    if (c->check->busy)
        return;
    to = blob_checked_to(c->blob, c->at, c->end);
    if (to == c->at) {
        blob_check_start(c->check, c->blob, c->at);
        return;
    }
    read_to(c, c->blob->fd, to, true);
    if (c->at == c->end)
        end_whole(c);
}

void client_step(struct client *c)
{
    if (!c->is_here)
        return;
    if (c->reader.flight != NULL)
        step_flight(c);
    else
        step_hit(c);
}

static void begin_hit(struct client *c, struct blob *b)
{
    model->hits++;
    use_touch(life.store->use, &b->digest, sched_wall_ns() / 1000000000);
    c->blob = b;
    c->check = blob_check_new(&life.box, on_checked);
    c->check->owner = c;
    PG_CHECK(b->size == world[c->object].bytes.n);
    range_of(c, b->size);
}

static void begin_miss(struct client *c)
{
    char text[DIGEST_TEXT_MAX];
    enum flight_role role;
    struct pg_err err = {0};

    PG_CHECK(flight_join(&life.bell, world_text(c->object, text), &c->reader, on_news, &role,
                         &err) == 0);
    if (role == FLIGHT_LEADER)
        upstream_start(c->object, c->reader.flight);
    else
        model->joined++;
}

static int open_blob(unsigned object, struct blob **b_r)
{
    struct pg_err err = {0};
    int r = blob_open(life.store, &world[object].digest, b_r, &err);

    PG_CHECK(r >= 0 || life_had_faults());
    pg_err_clear(&err);
    return r;
}

/* As the journey does: the link first, then the store, then upstream. */
void client_ask(unsigned repo, unsigned object)
{
    struct world_fact *link = &model->links[repo][object];
    struct client *c = NULL;
    struct pg_err err = {0};
    struct index_link row;
    struct blob *b = NULL;
    int found = overlay_get_link(life.store, world_repo(repo), &world[object].digest, &row, &err);

    PG_CHECK(found >= 0 || life_had_faults());
    pg_err_clear(&err);
    if (found >= 0)
        world_look(link, found > 0 ? 0 : WORLD_ABSENT, "the link");
    if (found <= 0) {
        model->refused++;
        return;
    }
    for (unsigned i = 0; i < LIFE_CLIENTS && c == NULL; i++)
        if (!life.clients[i].is_here)
            c = &life.clients[i];
    if (c == NULL)
        return;
    *c = (struct client){.is_here = true, .object = object};
    found = open_blob(object, &b);
    PG_CHECK(found != 0 || !model->stored[object] || !life_is_sure());
    sched_say("a client asks for %u in %u: %s", object, repo, found > 0 ? "a hit" : "a miss");
    if (found > 0)
        begin_hit(c, b);
    else
        begin_miss(c);
}
