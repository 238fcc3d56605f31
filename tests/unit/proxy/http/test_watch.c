/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/proxy/http/rig.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "base/record.h"
#include "proxy/http/watch.h"

#define SLOW_MS 40
#define DEAD_MS 2000

static sem_t entered, may_go;

static void hang(struct pg_mail *mail)
{
    (void)mail;
    pg_record_mark("test.hang", 7, 123);
    assert_int_equal(sem_post(&entered), 0);
    while (sem_wait(&may_go) < 0) {
    }
}

static void wait_until(int64_t stalls)
{
    struct pollfd none = {.fd = -1};
    uint64_t until = pg_clock_mono_ms() + RIG_PATIENCE_MS;

    while (pg_metric_read(PG_M_LOOP_STALLS) < stalls) {
        assert_true(pg_clock_mono_ms() < until);
        (void)poll(&none, 1, 5);
    }
}

static void open_rig(void)
{
    assert_int_equal(sem_init(&entered, 0, 0), 0);
    assert_int_equal(sem_init(&may_go, 0, 0), 0);
    rig_open(rig_config(), 2, 100);
    for (unsigned i = 0; i < rig.nloops; i++)
        loop_run(rig.loops[i]);
}

TEST(a_loop_that_hangs_is_told_of_once_and_lives_on)
{
    struct pg_mail mail = {.deliver = hang};
    struct watch *w;
    int64_t before = pg_metric_read(PG_M_LOOP_STALLS);

    open_rig();
    w = watch_start(rig.loops, rig.nloops, SLOW_MS, 60000);
    pg_mailbox_post(&rig.loops[1]->mail, &mail);
    wait_until(before + 1);
    assert_int_equal(sem_post(&may_go), 0);
    assert_int_equal(sem_wait(&entered), 0);
    mail = (struct pg_mail){.deliver = hang};
    pg_mailbox_post(&rig.loops[1]->mail, &mail); /* only taken by a loop that turns */
    assert_int_equal(sem_wait(&entered), 0);
    wait_until(before + 2);
    assert_int_equal(pg_metric_read(PG_M_LOOP_STALLS), before + 2);
    assert_int_equal(sem_post(&may_go), 0);
    watch_stop(w);
    rig_close();
    watch_free(w);
}

/* In a process of its own, since it ends. */
static void die_of_a_loop(int out)
{
    struct pg_mail mail = {.deliver = hang};

    assert_true(dup2(out, STDERR_FILENO) >= 0);
    open_rig();
    pg_mailbox_post(&rig.loops[0]->mail, &mail);
    (void)watch_start(rig.loops, rig.nloops, SLOW_MS, 4 * SLOW_MS);
    for (;;)
        (void)pause();
}

TEST(a_loop_that_hangs_for_good_ends_the_process_with_what_is_known)
{
    char text[16384];
    size_t n = 0;
    ssize_t got;
    int fds[2], status;
    pid_t child;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        die_of_a_loop(fds[1]);
    close(fds[1]);
    while ((got = read(fds[0], text + n, sizeof(text) - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "loop 0 has not turned for"));
    assert_non_null(strstr(text, "a serving loop hangs"));
    assert_non_null(strstr(text, "loop 0, 0 connections:"));
    assert_non_null(strstr(text, "pg-loop-0 123 ms: test.hang id=7"));
}

/* In a process of its own, since it is stopped. */
static void stop_while_a_loop_works(void)
{
    struct pg_mail mail = {.deliver = hang};
    struct watch *w;

    open_rig();
    pg_mailbox_post(&rig.loops[0]->mail, &mail);
    w = watch_start(rig.loops, rig.nloops, SLOW_MS, DEAD_MS);
    assert_int_equal(sem_wait(&entered), 0);
    (void)poll(NULL, 0, SLOW_MS); /* it was asked, and has not answered */
    (void)raise(SIGSTOP);
    (void)poll(NULL, 0, SLOW_MS);
    assert_int_equal(sem_post(&may_go), 0);
    watch_stop(w);
    _exit(0);
}

TEST(a_process_that_was_stopped_does_not_hang)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0)
        stop_while_a_loop_works();
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
    (void)poll(NULL, 0, DEAD_MS);
    assert_int_equal(kill(child, SIGCONT), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_process_that_was_stopped_does_not_hang),
        RUN(a_loop_that_hangs_for_good_ends_the_process_with_what_is_known),
        RUN(a_loop_that_hangs_is_told_of_once_and_lives_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
