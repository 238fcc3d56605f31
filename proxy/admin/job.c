/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/job.h"

#include <stdlib.h>

#include "base/list.h"

#define ARENA_BYTES ((size_t)64 * 1024)

static void release(struct job *j)
{
    config_snapshot_unref(j->snapshot);
    pg_buf_free(&j->body);
    pg_arena_free(&j->arena);
    pg_err_clear(&j->err);
    free(j);
}

static void run_pooled(struct pg_job *pool)
{
    struct job *j = pg_container_of(pool, struct job, pool);

    if (!atomic_load(&j->abandoned))
        j->run(j);
}

static void come_home(struct pg_job *pool)
{
    struct job *j = pg_container_of(pool, struct job, pool);

    j->is_running = false;
    if (j->owner == NULL)
        release(j);
    else
        j->done(j->owner);
}

struct job *job_new(const struct admin_config *config, struct snapshot *snapshot,
                    void (*run)(struct job *j))
{
    struct job *j = calloc(1, sizeof(*j));

    PG_CHECK(j != NULL);
    j->config = config;
    j->snapshot = config_snapshot_ref(snapshot);
    j->run = run;
    pg_arena_init(&j->arena, ARENA_BYTES);
    pg_buf_init(&j->body, JOB_BODY_MAX);
    return j;
}

void job_start(struct job *j, struct pg_pool *pool, struct pg_mailbox *home,
               void (*done)(void *owner), void *owner)
{
    PG_CHECK(!j->is_running && owner != NULL);
    j->done = done;
    j->owner = owner;
    j->is_running = true;
    j->pool = (struct pg_job){.run = run_pooled, .done = come_home, .home = home};
    pg_pool_submit(pool, &j->pool);
}

void job_free(struct job *j)
{
    if (j == NULL)
        return;
    if (!j->is_running) {
        release(j);
        return;
    }
    j->owner = NULL;
    atomic_store(&j->abandoned, true);
}
