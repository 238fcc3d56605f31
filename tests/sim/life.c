/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/life.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metric.h"
#include "cache/recover.h"
#include "sim/disk.h"
#include "sim/sched.h"

#define ACTS_MAX    160
#define CRASH_MAX   2500 /* points of the scheduler */
#define SETTLE_US   3000000
#define SETTLES_MAX 20000

struct life life;

bool life_had_faults(void)
{
    return disk_faults() > 0;
}

bool life_is_sure(void)
{
    return !life_had_faults() && atomic_load(&life.store->recovered);
}

/* ---- its loop ---- */

static void on_mail(struct pg_mailbox *box)
{
    (void)box;
    life.has_mail = true;
}

static void on_ring(struct flight_bell *bell)
{
    (void)bell;
    life.is_rung = true;
}

void life_drain(void)
{
    if (life.has_mail) {
        life.has_mail = false;
        while (pg_mailbox_drain(&life.box))
            ;
    }
    if (life.is_rung) {
        life.is_rung = false;
        flight_bell_answer(&life.bell);
    }
}

void life_step(void)
{
    for (unsigned i = 0; i < LIFE_FEEDS; i++)
        if (life.feeds[i].fill != NULL && (life.is_calm || sched_chance(2) == 0))
            upstream_step(&life.feeds[i]);
    for (unsigned i = 0; i < LIFE_CLIENTS; i++)
        if (life.clients[i].is_here && (life.is_calm || sched_chance(2) == 0))
            client_step(&life.clients[i]);
}

static bool is_busy(void)
{
    for (unsigned i = 0; i < LIFE_FEEDS; i++)
        if (life.feeds[i].fill != NULL)
            return true;
    for (unsigned i = 0; i < LIFE_CLIENTS; i++)
        if (life.clients[i].is_here)
            return true;
    return life.is_purging || life.has_mail || fill_count(life.store) > 0;
}

void life_settle(void)
{
    life.is_calm = true;
    for (unsigned i = 0; is_busy(); i++) {
        PG_CHECK(i < SETTLES_MAX); /* every pull ends */
        life_drain();
        life_step();
        sched_sleep(1000);
    }
    operator_wait();
    sched_sleep(SETTLE_US);
    life_drain();
    life.is_calm = false;
}

/* ---- what happens ---- */

static void let_time_pass(void)
{
    switch (sched_chance(8)) {
    case 0:
        sched_sleep(1000000 * (1 + sched_chance(40)));
        return;
    case 1:
        sched_jump_wall((int64_t)sched_chance(200000) - 100000);
        return;
    default:
        sched_sleep(sched_chance(20000));
        return;
    }
}

static void set_limits(void)
{
    uint64_t max = 160000 + sched_chance(300000);

    if (!model->is_tight)
        return;
    sched_say("at most %ju bytes", (uintmax_t)max);
    store_set_limits(life.store, max, 0);
}

static void act(void)
{
    switch (sched_chance(20)) {
    case 0:
    case 1:
    case 2:
        operator_act();
        return;
    case 3:
        let_time_pass();
        return;
    case 4:
        verify_facts();
        return;
    case 5:
        set_limits();
        return;
    case 6:
        client_leave(&life.clients[sched_chance(LIFE_CLIENTS)]);
        return;
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
        client_ask((unsigned)sched_chance(WORLD_REPOS), (unsigned)sched_chance(WORLD_BLOBS));
        return;
    default:
        sched_sleep(sched_chance(300));
        return;
    }
}

/* ---- birth and death ---- */

static enum disk_crash how_to_crash;

/* What is known of the store when its process has ended. */
static void end_model(bool is_crash)
{
    model->faults += disk_faults();
    if (is_crash || life_had_faults() || model->is_tight)
        world_doubt();
    for (unsigned i = 0; i < WORLD_OBJECTS && life_had_faults(); i++)
        model->stored[i] = false;
}

static void crash(void)
{
    sched_say("crash, of kind %d", (int)how_to_crash);
    model->crashes++;
    end_model(true);
    disk_crash(how_to_crash);
    _exit(LIFE_CRASHED);
}

/* Recovery links again what a linked manifest names, also if upstream said once that it is gone. */
static void learn_anew(unsigned repo, unsigned object)
{
    for (unsigned m = WORLD_BLOBS; m < WORLD_OBJECTS; m++)
        for (unsigned k = 0; k < world[m].nnamed; k++)
            if (world[m].named[k] == object &&
                !world_is_surely(&model->links[repo][m], WORLD_ABSENT))
                world_may_be(&model->links[repo][object], 0);
}

static void learn_all_anew(void)
{
    for (unsigned r = 0; r < WORLD_REPOS; r++)
        for (unsigned i = WORLD_OBJECTS; i > 0; i--) /* manifests before what they name */
            learn_anew(r, i - 1);
}

/* What only a manifest gave is not there before that is read, nor when it has left. */
void life_lose_index(const char *dir)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/index/data.mdb", dir);
    if (unlink(path) < 0)
        return;
    sched_say("the index is lost");
    model->lost_index = true;
    for (unsigned r = 0; r < WORLD_REPOS; r++)
        for (unsigned i = 0; i < WORLD_BLOBS + 2; i++)
            world_may_be(&model->links[r][i], WORLD_ABSENT);
    learn_all_anew();
}

static void decay(const char *dir)
{
    if (model->life == 0)
        return;
    if (sched_chance(6) == 0)
        operator_rot(dir);
    if (sched_chance(10) == 0)
        life_lose_index(dir);
    learn_all_anew();
}

static void free_around(void)
{
    pg_pool_free(life.config.data_pool);
    pg_pool_free(life.config.slow_pool);
    flight_table_free(&life.flights);
}

bool life_open(const char *dir)
{
    struct pg_err err = {0};

    life = (struct life){.purges = 1};
    pg_mailbox_init(&life.box, on_mail, &life);
    flight_table_init(&life.flights);
    flight_bell_init(&life.bell, &life.flights, on_ring);
    life.config = (struct store_config){.path = dir,
                                        .data_pool = pg_pool_new("data", 2),
                                        .slow_pool = pg_pool_new("slow", 2),
                                        .uncached_bytes = model->has_uncached ? 400000 : 0};
    if (store_open(&life.config, &life.store, &err) == 0)
        return true;
    sched_say("the store does not open: %s (%s)", err.msg, err.detail != NULL ? err.detail : "");
    pg_err_clear(&err);
    PG_CHECK(life_had_faults());
    free_around();
    return false;
}

/* Without waiting for anything: what is under way is given up. */
static void drop_all(void)
{
    for (unsigned i = 0; i < LIFE_CLIENTS; i++)
        client_leave(&life.clients[i]);
    for (unsigned i = 0; i < LIFE_FEEDS; i++)
        if (life.feeds[i].fill != NULL)
            upstream_give_up(&life.feeds[i], PG_E_CANCELED);
    operator_wait();
    do { /* checks, too, whose reader is gone */
        sched_sleep(1000);
        life_drain();
    } while (fill_count(life.store) > 0 || pg_pool_queued(life.config.data_pool) > 0 ||
             life.has_mail);
}

void life_close(void)
{
    drop_all();
    store_close(life.store);
    life_drain();
    free_around();
}

static void come_to_rest(bool is_last)
{
    disk_set_faults(0);
    life_settle();
    recover_wait(life.store->recover);
    sched_sleep(SETTLE_US);
    if (is_last)
        store_set_limits(life.store, 0, 0);
    verify_quiet();
    if (!is_last)
        return;
    verify_pull_all();
    life_settle();
    verify_quiet();
}

void life_run(const char *dir, bool is_last)
{
    unsigned acts;

    sched_begin(model->seed * 64 + model->life, 1U << (1 + model->seed % 5));
    model->lives++;
    decay(dir);
    disk_begin(dir);
    if (model->life > 0 && !model->has_rotted && sched_chance(2) == 0)
        verify_remains(dir);
    disk_set_faults(model->has_faults && !is_last ? 20U << sched_chance(6) : 0);
    how_to_crash = (enum disk_crash)sched_chance(3);
    if (!is_last && sched_chance(4) > 0)
        sched_crash_in(1 + sched_chance(CRASH_MAX), crash);
    if (!life_open(dir)) {
        end_model(false);
        disk_end();
        _exit(0);
    }
    acts = (unsigned)sched_chance(ACTS_MAX);
    set_limits();
    for (unsigned i = 0; i < WORLD_REPOS && model->life == 0; i++)
        operator_land(i, 0, WORLD_BLOBS + (unsigned)sched_chance(WORLD_IMAGES));
    for (unsigned i = 0; i < acts; i++) {
        act();
        life_drain();
        life_step();
    }
    if (is_last || (!life_had_faults() && sched_chance(2) == 0))
        come_to_rest(is_last);
    life_close();
    end_model(false);
    disk_end();
    sched_say("the end, after %ju points", (uintmax_t)sched_points());
    _exit(0);
}
