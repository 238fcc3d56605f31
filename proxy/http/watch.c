/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/watch.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/record.h"
#include "proxy/http/loop_int.h"

#define LOOKS 4 /* in each slow_ms */

struct question {
    struct pg_mail mail;
    atomic_bool is_out; /* not answered yet */
    uint64_t asked_ms;
    unsigned looks; /* since then */
    bool is_told;
};

struct watch {
    uv_thread_t thread;
    int stop_fd;
    struct loop *const *loops;
    unsigned nloops, slow_ms, dead_looks;
    struct question questions[FLIGHT_LOOPS_MAX];
};

static _Atomic(const struct loop *) stalled; /* told of when the process aborts for it */

static void tell(int fd)
{
    const struct loop *l = atomic_load(&stalled);

    if (l == NULL)
        l = loop_here();
    if (l != NULL)
        loop_tell_requests(l, fd);
    pg_check_print(fd, "what the threads did last:\n");
    pg_record_dump(fd);
}

static void on_answer(struct pg_mail *mail)
{
    struct question *q = pg_container_of(mail, struct question, mail);

    atomic_store(&q->is_out, false);
}

static void ask(struct question *q, struct loop *l, uint64_t now_ms)
{
    if (q->is_told)
        pg_log_say(PG_LOG_WARN, PG_LOG_LOOP, "loop %u turns again", l->no);
    q->is_told = false;
    q->looks = 0;
    q->asked_ms = now_ms;
    atomic_store(&q->is_out, true);
    q->mail.deliver = on_answer;
    pg_mailbox_post(&l->mail, &q->mail);
}

/* Looks are counted, not time: while the process was stopped, or the machine did not come to it, no
 * loop could answer and nobody looked. */
static void look(struct watch *w, unsigned i, uint64_t now_ms)
{
    struct question *q = &w->questions[i];
    struct loop *l = w->loops[i];
    uint64_t age_ms = now_ms - q->asked_ms;

    if (!atomic_load(&q->is_out)) {
        ask(q, l, now_ms);
    } else if (++q->looks >= w->dead_looks) {
        atomic_store(&stalled, l);
        pg_check_print(STDERR_FILENO, "pullgate: loop %u has not turned for %" PRIu64 " ms\n",
                       l->no, age_ms);
        PG_BUG("a serving loop hangs");
    } else if (q->looks >= LOOKS && !q->is_told) {
        q->is_told = true;
        pg_metric_inc(PG_M_LOOP_STALLS);
        pg_log_say(PG_LOG_WARN, PG_LOG_LOOP,
                   "loop %u has not turned for %" PRIu64 " ms; last seen in stage %s", l->no,
                   age_ms, loop_stage(l));
    }
}

static void run(void *arg)
{
    struct watch *w = arg;
    struct pollfd p = {.fd = w->stop_fd, .events = POLLIN};

    (void)pthread_setname_np(pthread_self(), "pg-watch");
    pg_metric_slot();
    while (poll(&p, 1, (int)(w->slow_ms / LOOKS)) == 0) {
        uint64_t now_ms = pg_clock_mono_ms();

        for (unsigned i = 0; i < w->nloops; i++)
            look(w, i, now_ms);
    }
}

struct watch *watch_start(struct loop *const *loops, unsigned nloops, unsigned slow_ms,
                          unsigned dead_ms)
{
    struct watch *w = calloc(1, sizeof(*w));

    PG_CHECK(w != NULL && nloops <= FLIGHT_LOOPS_MAX && slow_ms >= LOOKS && dead_ms > slow_ms);
    w->loops = loops;
    w->nloops = nloops;
    w->slow_ms = slow_ms;
    w->dead_looks = dead_ms / (slow_ms / LOOKS);
    w->stop_fd = eventfd(0, EFD_CLOEXEC);
    PG_CHECK(w->stop_fd >= 0);
    pg_check_add_teller(tell);
    PG_CHECK(uv_thread_create(&w->thread, run, w) == 0);
    return w;
}

void watch_stop(struct watch *w)
{
    PG_CHECK(eventfd_write(w->stop_fd, 1) == 0);
    PG_CHECK(uv_thread_join(&w->thread) == 0);
    pg_fd_close(&w->stop_fd);
}

void watch_free(struct watch *w)
{
    free(w);
}
