/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "proxy/http/conn_int.h"
#include "proxy/http/loop_int.h"

#define TOLD_MAX  200 /* connections and requests each; a loop may have thousands */
#define TOLD_TEXT 120 /* of a target */

/* What came from outside reaches a terminal as letters, digits and signs alone. */
static const char *clean(struct sl text, char out[TOLD_TEXT + 1])
{
    size_t n = text.n < TOLD_TEXT ? text.n : TOLD_TEXT;

    for (size_t i = 0; i < n; i++)
        out[i] = (char)(text.p[i] > ' ' && text.p[i] <= '~' ? text.p[i] : '?');
    out[n] = '\0';
    return out;
}

static void tell_request(const struct conn *c, uint64_t now_us, int fd)
{
    char method[TOLD_TEXT + 1], target[TOLD_TEXT + 1];

    pg_check_print(fd, "  request id=%" PRIu64 " age_ms=%" PRIu64 " client=%s %s %s\n",
                   c->request.id, (now_us - c->request.began_us) / 1000, c->request.peer,
                   clean(c->request.method, method), clean(c->request.target, target));
}

static unsigned tell_stages(const struct pg_list *list, const char *how, int fd)
{
    unsigned n = 0;

    for (const struct pg_list *it = list->next; it != list && n < TOLD_MAX; it = it->next, n++) {
        const struct rq *rq = (const struct rq *)((const char *)it - offsetof(struct rq, node));

        pg_check_print(fd, "  %s id=%" PRIu64 " stage=%s\n", how, rq->id, rq->stage->name);
    }
    return n;
}

void loop_tell_requests(const struct loop *l, int fd)
{
    uint64_t now_us = pg_clock_mono_us();
    unsigned n = 0;

    pg_check_print(fd, "loop %u, %u connections:\n", l->no, atomic_load(&l->nconns));
    for (const struct pg_list *it = l->conns.next; it != &l->conns && n < TOLD_MAX; it = it->next) {
        const struct conn *c =
            (const struct conn *)((const char *)it - offsetof(struct conn, node));

        if (c->state != CONN_BUSY)
            continue;
        tell_request(c, now_us, fd);
        n++;
    }
    (void)tell_stages(&l->queue.runnable, "runs or is about to", fd);
    (void)tell_stages(&l->queue.waiting, "waits", fd);
}
