/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/aside.h"

static void run(struct pg_job *job)
{
    struct aside *a = pg_container_of(job, struct aside, job);

    a->run(a);
}

static void on_done(struct pg_job *job)
{
    struct aside *a = pg_container_of(job, struct aside, job);

    a->over = true;
    if (a->left)
        a->free(a);
    else
        a->done(a);
}

void aside_start(struct aside *a, struct loop *l)
{
    a->over = a->left = false;
    a->job = (struct pg_job){.run = run, .done = on_done, .home = &l->mail};
    pg_pool_submit(l->data_pool, &a->job);
}

void aside_at_once(struct aside *a)
{
    a->left = false;
    a->run(a);
    on_done(&a->job);
}

void aside_leave(struct aside *a)
{
    if (a == NULL)
        return;
    a->left = true;
    if (a->over)
        a->free(a);
}
