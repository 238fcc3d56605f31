/* SPDX-License-Identifier: Apache-2.0 */
/* A job runs in a pool thread and is done at home; freeing the pool runs what is queued first. */
#include "harness/test.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

#include "base/list.h"
#include "base/pool.h"

struct task {
    struct pg_job job;
    pthread_t ran_in, done_in;
    unsigned runs, dones;
    sem_t *gate; /* run() waits for it */
};

static sem_t rung;

static void wake(struct pg_mailbox *box)
{
    (void)box;
    sem_post(&rung);
}

static void run(struct pg_job *job)
{
    struct task *t = pg_container_of(job, struct task, job);

    if (t->gate != NULL)
        PG_CHECK(sem_wait(t->gate) == 0);
    t->ran_in = pthread_self();
    t->runs++;
}

static void done(struct pg_job *job)
{
    struct task *t = pg_container_of(job, struct task, job);

    PG_CHECK(t->runs == 1);
    t->done_in = pthread_self();
    t->dones++;
}

static struct task new_task(struct pg_mailbox *home)
{
    return (struct task){.job = {.run = run, .done = done, .home = home}};
}

TEST(a_job_runs_elsewhere_and_is_done_at_home)
{
    struct pg_pool *pool = pg_pool_new("pg-test", 2);
    struct pg_mailbox home;
    struct task t = new_task(&home);

    assert_int_equal(sem_init(&rung, 0, 0), 0);
    pg_mailbox_init(&home, wake, NULL);
    pg_pool_submit(pool, &t.job);
    assert_int_equal(sem_wait(&rung), 0);
    assert_int_equal(pg_pool_queued(pool), 0);
    assert_int_equal(t.dones, 0);
    assert_true(pg_mailbox_drain(&home));
    assert_int_equal(t.dones, 1);
    assert_false(pthread_equal(t.ran_in, pthread_self()));
    assert_true(pthread_equal(t.done_in, pthread_self()));
    pg_pool_free(pool);
}

TEST(a_job_without_a_home_is_done_in_the_pool_thread)
{
    struct pg_pool *pool = pg_pool_new("pg-test", 1);
    struct task t = new_task(NULL);

    pg_pool_submit(pool, &t.job);
    pg_pool_free(pool);
    assert_int_equal(t.dones, 1);
    assert_true(pthread_equal(t.done_in, t.ran_in));
}

TEST(freeing_the_pool_runs_what_is_queued)
{
    struct pg_pool *pool = pg_pool_new("pg-test", 1);
    struct task tasks[5];
    sem_t gate;

    assert_int_equal(sem_init(&gate, 0, 0), 0);
    for (int i = 0; i < 5; i++) {
        tasks[i] = new_task(NULL);
        tasks[i].gate = i == 0 ? &gate : NULL;
        pg_pool_submit(pool, &tasks[i].job);
    }
    assert_int_equal(pg_pool_queued(pool), 5);
    sem_post(&gate);
    pg_pool_free(pool);
    for (int i = 0; i < 5; i++)
        assert_int_equal(tasks[i].dones, 1);
}

TEST(a_slow_job_holds_up_one_thread_only)
{
    struct pg_pool *pool = pg_pool_new("pg-test", 2);
    struct pg_mailbox home;
    struct task slow = new_task(NULL), quick = new_task(&home);
    sem_t gate;

    assert_int_equal(sem_init(&gate, 0, 0), 0);
    assert_int_equal(sem_init(&rung, 0, 0), 0);
    pg_mailbox_init(&home, wake, NULL);
    slow.gate = &gate;
    pg_pool_submit(pool, &slow.job);
    pg_pool_submit(pool, &quick.job);
    assert_int_equal(sem_wait(&rung), 0); /* while the slow one still waits */
    assert_true(pg_mailbox_drain(&home));
    assert_int_equal(quick.dones, 1);
    sem_post(&gate);
    pg_pool_free(pool);
    assert_int_equal(slow.dones, 1);
    pg_pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_job_runs_elsewhere_and_is_done_at_home),
        RUN(a_job_without_a_home_is_done_in_the_pool_thread),
        RUN(freeing_the_pool_runs_what_is_queued),
        RUN(a_slow_job_holds_up_one_thread_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
