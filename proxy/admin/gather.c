/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/gather.h"

#include <inttypes.h>
#include <stdlib.h>

#define PART_MAX ((size_t)1024 * 1024)
#define ONE_MAX  ((size_t)80 * 1024) /* of a request: its target and repository, escaped */

struct part {
    struct pg_mail mail;
    struct gather *gather;
    struct loop *loop;
    struct pg_buf json;
    size_t written, left_out;
};

struct gather {
    struct gather_plan plan;
    unsigned missing; /* parts that are not home */
    bool orphan;
    struct part parts[];
};

static void release(struct gather *g)
{
    for (unsigned i = 0; i < g->plan.nloops; i++)
        pg_buf_free(&g->parts[i].json);
    free(g);
}

static void come_home(struct pg_mail *mail)
{
    struct gather *g = pg_container_of(mail, struct part, mail)->gather;

    g->missing--;
    if (g->missing > 0)
        return;
    if (g->orphan)
        release(g);
    else
        g->plan.done(g->plan.owner);
}

/* A request that its own service does not describe is told by its stage alone. */
static void write_one(struct part *p, struct rq *rq)
{
    const struct gather_plan *plan = &p->gather->plan;

    if (p->written == GATHER_REQUESTS_MAX || p->json.n + ONE_MAX > PART_MAX) {
        p->left_out++;
        return;
    }
    (void)pg_buf_put(&p->json, p->written > 0 ? SL(",") : SL(""));
    p->written++;
    if (plan->write_request != NULL && plan->write_request(rq, &p->json))
        return;
    (void)pg_buf_printf(&p->json, "{\"stage\":\"%s\"}", rq->stage->name);
}

static void write_list(struct part *p, struct pg_list *list)
{
    pg_list_each_safe (it, tmp, list)
        write_one(p, pg_container_of(it, struct rq, node));
}

static void ask_loop(struct pg_mail *mail)
{
    struct part *p = pg_container_of(mail, struct part, mail);

    write_list(p, &p->loop->queue.runnable);
    write_list(p, &p->loop->queue.waiting);
    p->mail.deliver = come_home;
    pg_mailbox_post(p->gather->plan.home, &p->mail);
}

struct gather *gather_start(const struct gather_plan *plan)
{
    struct gather *g = calloc(1, sizeof(*g) + plan->nloops * sizeof(g->parts[0]));

    PG_CHECK(g != NULL && plan->nloops > 0);
    g->plan = *plan;
    g->missing = plan->nloops;
    for (unsigned i = 0; i < plan->nloops; i++) {
        struct part *p = &g->parts[i];

        p->gather = g;
        p->loop = plan->loops[i];
        pg_buf_init(&p->json, PART_MAX);
        p->mail.deliver = ask_loop;
        pg_mailbox_post(&p->loop->mail, &p->mail);
    }
    return g;
}

void gather_write(const struct gather *g, struct pg_buf *out)
{
    size_t left_out = 0;
    bool first = true;

    (void)pg_buf_put(out, SL("{\"requests\":["));
    for (unsigned i = 0; i < g->plan.nloops; i++) {
        const struct part *p = &g->parts[i];

        left_out += p->left_out;
        if (p->written == 0)
            continue;
        (void)pg_buf_put(out, first ? SL("") : SL(","));
        (void)pg_buf_put(out, pg_buf_sl(&p->json));
        first = false;
    }
    (void)pg_buf_printf(out, "],\"left_out\":%zu}\n", left_out);
}

void gather_free(struct gather *g)
{
    if (g == NULL)
        return;
    if (g->missing == 0)
        release(g);
    else
        g->orphan = true;
}
