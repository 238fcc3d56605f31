/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers get what they were given and no more, end in time, and are told apart by how they end. */
#include "harness/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "proxy/spawn.h"

#define GIB ((uint64_t)1 << 30)

static struct spawn *spawn;
static struct pg_mailbox home;
static sem_t rung;

struct task {
    struct spawn_request rq;
    unsigned dones;
};

static void wake_home(struct pg_mailbox *box)
{
    (void)box;
    (void)sem_post(&rung);
}

static void done(struct spawn_request *rq)
{
    pg_container_of(rq, struct task, rq)->dones++;
}

static const char *const no_env[] = {NULL};

static void open_only(unsigned running_max)
{
    struct pg_err err = {0};

    assert_int_equal(sem_init(&rung, 0, 0), 0);
    pg_mailbox_init(&home, wake_home, NULL);
    assert_int_equal(spawn_open(running_max, &spawn, &err), 0);
}

static void permit(const char *const *argv)
{
    struct pg_err err = {0};

    assert_int_equal(spawn_permit(spawn, argv, no_env, &err), 0);
}

static void open_with(unsigned running_max, const char *const *argv)
{
    open_only(running_max);
    permit(argv);
    spawn_start(spawn);
}

static void open_with_two(unsigned running_max, const char *const *argv, const char *const *other)
{
    open_only(running_max);
    permit(argv);
    permit(other);
    spawn_start(spawn);
}

static void prepare(struct task *t, const char *const *argv)
{
    *t = (struct task){.rq = {.argv = argv,
                              .limits = {.time_ms = 60000,
                                         .cpu_s = 60,
                                         .memory_bytes = GIB,
                                         .files = 64,
                                         .output_bytes = 1 << 20},
                              .done = done,
                              .home = &home}};
}

static void wait_for(const struct task *t)
{
    while (t->dones == 0) {
        assert_int_equal(sem_wait(&rung), 0);
        (void)pg_mailbox_drain(&home);
    }
    assert_int_equal(t->dones, 1);
}

static void run(struct task *t)
{
    spawn_submit(spawn, &t->rq);
    wait_for(t);
}

static struct sl output(const struct task *t)
{
    return pg_buf_sl(&t->rq.output);
}

static bool has(struct sl text, const char *part)
{
    return memmem(text.p, text.n, part, strlen(part)) != NULL;
}

static void exited(const struct task *t, int code)
{
    if (t->rq.err.kind != PG_E_NONE)
        fail_msg("%s: %s", t->rq.err.msg, t->rq.err.detail != NULL ? t->rq.err.detail : "");
    assert_int_equal(t->rq.exit_code, code);
}

static void failed(const struct task *t, enum pg_ekind kind, const char *why)
{
    assert_int_equal(t->rq.err.kind, kind);
    assert_int_equal(t->rq.exit_code, -1);
    if (strstr(t->rq.err.msg, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", t->rq.err.msg, why);
}

static const char *const cat[] = {"/bin/cat", NULL};
static const char *const endless[] = {"/usr/bin/tail", "-f", "/dev/null", NULL};

TEST(what_goes_in_comes_out)
{
    struct task t;

    open_with(2, cat);
    prepare(&t, cat);
    t.rq.input = SL("hello\0there\n");
    run(&t);
    exited(&t, 0);
    assert_true(sl_eq(output(&t), SL("hello\0there\n")));
    assert_int_equal(t.rq.ntail, 0);
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

#define BIG ((size_t)5 << 20)

TEST(more_than_a_pipe_holds_goes_both_ways)
{
    char *bytes = malloc(BIG);
    struct task t;

    assert_non_null(bytes);
    for (size_t i = 0; i < BIG; i++)
        bytes[i] = (char)(i * 31 % 127);
    open_with(2, cat);
    prepare(&t, cat);
    t.rq.input = (struct sl){bytes, BIG};
    t.rq.limits.output_bytes = BIG; /* exactly: not too much */
    run(&t);
    exited(&t, 0);
    assert_true(sl_eq(output(&t), t.rq.input));
    spawn_request_free(&t.rq);
    spawn_close(spawn);
    free(bytes);
}

TEST(an_exit_code_is_no_error)
{
    static const char *const argv[] = {"/bin/false", NULL};
    static char unread[1 << 20];
    struct task t;

    open_with(2, argv);
    prepare(&t, argv);
    t.rq.input = (struct sl){unread, sizeof(unread)}; /* which it does not read */
    run(&t);
    exited(&t, 1);
    assert_int_equal(output(&t).n, 0);
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

TEST(arguments_are_passed_as_they_are)
{
    static const char *const argv[] = {"/usr/bin/printf", "%s|", "a b", "$HOME", "*", "",
                                       "'\"\n",           NULL};
    struct task t;

    open_with(2, argv);
    prepare(&t, argv);
    run(&t);
    exited(&t, 0);
    assert_true(sl_eq(output(&t), SL("a b|$HOME|*||'\"\n|")));
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

TEST(the_environment_is_what_was_given)
{
    static const char *const argv[] = {"/usr/bin/env", NULL};
    static const char *const env[] = {"A=1", "B=x y", NULL};
    struct pg_err err = {0};
    struct task t;

    assert_int_equal(setenv("SECRET", "of the server", 1), 0);
    open_only(2);
    assert_int_equal(spawn_permit(spawn, argv, env, &err), 0);
    spawn_start(spawn);
    prepare(&t, argv);
    run(&t);
    exited(&t, 0);
    assert_true(sl_eq(output(&t), SL("A=1\nB=x y\n")));
    spawn_request_free(&t.rq);
    spawn_close(spawn);
    open_with(2, argv);
    prepare(&t, argv);
    run(&t);
    exited(&t, 0);
    assert_int_equal(output(&t).n, 0);
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

/* Opened before the fork, without close-on-exec: as a library might. */
TEST(nothing_is_open_but_three_pipes)
{
    static const char *const argv[] = {"/bin/ls", "-l", "/proc/self/fd", NULL};
    int leak = open("/etc/passwd", O_RDONLY), high = fcntl(leak, F_DUPFD, 500);
    struct task t;
    unsigned links = 0;

    assert_true(leak >= 0 && high >= 500);
    open_with(2, argv);
    prepare(&t, argv);
    run(&t);
    exited(&t, 0);
    assert_false(has(output(&t), "passwd"));
    assert_false(has(output(&t), "socket:"));
    for (size_t i = 0; i + 4 < output(&t).n; i++)
        links += memcmp(output(&t).p + i, " -> ", 4) == 0;
    assert_int_equal(links, 4); /* and the folder that ls reads */
    spawn_request_free(&t.rq);
    spawn_close(spawn);
    pg_fd_close(&leak);
    pg_fd_close(&high);
}

TEST(it_can_gain_no_rights_and_signals_are_as_usual)
{
    static const char *const argv[] = {"/bin/cat", "/proc/self/status", NULL};
    struct task t;

    open_with(2, argv);
    prepare(&t, argv);
    run(&t);
    exited(&t, 0);
    assert_true(has(output(&t), "\nNoNewPrivs:\t1\n"));
    assert_true(has(output(&t), "\nSigBlk:\t0000000000000000\n"));
    assert_true(has(output(&t), "\nSigIgn:\t0000000000000000\n"));
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

TEST(limits_are_in_force)
{
    static const char *const argv[] = {"/bin/cat", "/proc/self/limits", NULL};
    static const char *const names[] = {"Max cpu time", "Max open files", "Max address space",
                                        "Max core file size"};
    static const char *const values[] = {" 7 ", " 33 ", " 268435456 ", " 0 "};
    struct task t;
    char text[8192];

    open_with(2, argv);
    prepare(&t, argv);
    t.rq.limits.cpu_s = 7;
    t.rq.limits.files = 33;
    t.rq.limits.memory_bytes = (uint64_t)256 << 20;
    run(&t);
    exited(&t, 0);
    assert_true(output(&t).n < sizeof(text));
    memcpy(text, output(&t).p, output(&t).n);
    text[output(&t).n] = '\0';
    for (size_t i = 0; i < 4; i++) {
        char *line = strstr(text, names[i]), *eol;

        assert_non_null(line);
        eol = strchr(line, '\n');
        assert_non_null(eol);
        *eol = '\0';
        if (strstr(line, values[i]) == NULL)
            fail_msg("%s", line);
        *eol = '\n';
    }
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

TEST(its_folder_is_the_root)
{
    static const char *const argv[] = {"/bin/readlink", "/proc/self/cwd", NULL};
    struct task t;

    open_with(2, argv);
    prepare(&t, argv);
    run(&t);
    exited(&t, 0);
    assert_true(sl_eq(output(&t), SL("/\n")));
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

TEST(too_much_output_ends_it)
{
    static const char *const argv[] = {"/usr/bin/yes", NULL};
    struct task t;

    open_with_two(2, argv, cat);
    prepare(&t, argv);
    t.rq.limits.output_bytes = 100000;
    run(&t);
    failed(&t, PG_E_INTERNAL, "more than 100000 bytes");
    assert_true(output(&t).n <= 100000);
    spawn_request_free(&t.rq);
    prepare(&t, cat); /* its place is free again */
    run(&t);
    exited(&t, 0);
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

TEST(too_long_ends_it)
{
    struct task t;
    uint64_t began_ms = pg_clock_mono_ms();

    open_with(2, endless);
    prepare(&t, endless);
    t.rq.limits.time_ms = 200;
    run(&t);
    failed(&t, PG_E_TIMEOUT, "200 ms");
    assert_true(pg_clock_mono_ms() - began_ms >= 200);
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

TEST(too_much_cpu_ends_it)
{
    static const char *const argv[] = {"/usr/bin/sha256sum", "/dev/zero", NULL};
    struct task t;

    open_with(2, argv);
    prepare(&t, argv);
    t.rq.limits.cpu_s = 1;
    run(&t);
    failed(&t, PG_E_TIMEOUT, "CPU");
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

TEST(what_cannot_be_run_says_why)
{
    static const char *const missing[] = {"/nonexistent/scanner", "-x", NULL};
    static const char *const no_program[] = {"/etc/passwd", NULL};
    struct task t;

    open_with_two(2, missing, no_program);
    prepare(&t, missing);
    run(&t);
    failed(&t, PG_E_INTERNAL, "could not be run");
    assert_string_equal(t.rq.err.detail, "/nonexistent/scanner: No such file or directory");
    assert_null(strstr(t.rq.err.msg, "nonexistent")); /* paths are for the log */
    spawn_request_free(&t.rq);
    prepare(&t, no_program);
    run(&t);
    failed(&t, PG_E_INTERNAL, "could not be run");
    assert_non_null(strstr(t.rq.err.detail, "Permission denied"));
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

static void not_permitted(const char *const *argv, const char *why)
{
    struct pg_err err = {0};

    assert_int_equal(spawn_permit(spawn, argv, no_env, &err), -1);
    if (strstr(err.msg, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.msg, why);
    pg_err_clear(&err);
}

TEST(what_cannot_be_permitted)
{
    static const char *const relative[] = {"cat", NULL};
    static const char *argv[SPAWN_STRINGS_MAX + 2] = {"/bin/true"};
    static char large[SPAWN_BYTES_MAX];
    const char *const too_large[] = {"/bin/true", large, NULL};
    struct task t;

    memset(large, 'x', sizeof(large) - 1);
    for (size_t i = 1; i < SPAWN_STRINGS_MAX; i++)
        argv[i] = "x";
    open_only(2);
    not_permitted(relative, "absolute path");
    not_permitted(no_env, "absolute path");
    not_permitted(too_large, "too many arguments");
    argv[SPAWN_STRINGS_MAX] = "one more";
    not_permitted(argv, "too many arguments");
    argv[SPAWN_STRINGS_MAX] = NULL;
    permit(argv);
    spawn_start(spawn);
    prepare(&t, argv);
    run(&t);
    exited(&t, 0); /* as many as may be */
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

TEST(programs_have_an_end)
{
    char number[16];
    const char *const argv[] = {"/bin/true", number, NULL};

    open_only(2);
    for (unsigned i = 0; i < SPAWN_PROGRAMS_MAX; i++) {
        (void)snprintf(number, sizeof(number), "%u", i);
        permit(argv);
        permit(argv); /* again is no other */
    }
    (void)snprintf(number, sizeof(number), "more");
    not_permitted(argv, "too many helper programs");
    spawn_close(spawn);
}

TEST(another_program_and_other_arguments_are_not_run)
{
    static const char *const permitted[] = {"/bin/echo", "get", NULL};
    static const char *const others[][4] = {{"/bin/echo"},
                                            {"/bin/echo", "put"},
                                            {"/bin/echo", "get", "all"},
                                            {"/bin/sh", "get"},
                                            {NULL}};
    const int fds[4] = {0, 1, 2, 2};
    struct pg_err err = {0};
    struct task t;

    open_with(2, permitted);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        prepare(&t, others[i]);
        run(&t);
        failed(&t, PG_E_INTERNAL, "an upgrade or a restart takes it in");
        spawn_request_free(&t.rq);
    }
    assert_int_equal(spawn_launch(spawn, fds, &err), -1); /* none was named for that */
    pg_err_clear(&err);
    prepare(&t, permitted);
    run(&t);
    exited(&t, 0);
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

TEST(a_signal_is_told_from_an_exit)
{
    static const char *const argv[] = {"/usr/bin/timeout", "-s", "KILL",      "0.01",
                                       "/usr/bin/tail",    "-f", "/dev/null", NULL};
    struct task t;

    open_with(2, argv);
    prepare(&t, argv);
    run(&t);
    failed(&t, PG_E_INTERNAL, "signal");
    assert_string_equal(t.rq.err.detail, "/usr/bin/timeout: signal 9");
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

TEST(the_end_of_what_it_complains_of_is_kept)
{
    static char input[200000];
    static const char *const argv[] = {"/usr/bin/tee", "/dev/stderr", NULL};
    static const char *const missing[] = {"/bin/cat", "/nonexistent", NULL};
    struct task t;

    for (size_t i = 0; i < sizeof(input); i++)
        input[i] = (char)(i % 127);
    open_with_two(2, argv, missing);
    prepare(&t, argv);
    t.rq.input = (struct sl){input, sizeof(input)};
    run(&t);
    exited(&t, 0);
    assert_int_equal(output(&t).n, sizeof(input));
    assert_int_equal(t.rq.ntail, SPAWN_TAIL_MAX);
    assert_memory_equal(t.rq.tail, input + sizeof(input) - SPAWN_TAIL_MAX, SPAWN_TAIL_MAX);
    spawn_request_free(&t.rq);
    prepare(&t, missing);
    run(&t);
    exited(&t, 1);
    assert_true(has((struct sl){t.rq.tail, t.rq.ntail}, "No such file"));
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

/* It goes away and leaves a child that holds the pipes: nobody waits for that one. */
TEST(a_child_left_behind_holds_up_nobody)
{
    static const char *const argv[] = {"/usr/bin/setsid", "--fork", "/usr/bin/timeout", "20",
                                       "/usr/bin/tail",   "-f",     "/dev/null",        NULL};
    struct task t;
    uint64_t began_ms = pg_clock_mono_ms();

    open_with(2, argv);
    prepare(&t, argv);
    run(&t);
    exited(&t, 0);
    assert_true(pg_clock_mono_ms() - began_ms < 15000);
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

#define MANY 40

TEST(several_run_at_a_time_and_the_others_wait_their_turn)
{
    static struct task tasks[MANY], slow;
    char inputs[MANY][16];

    open_with_two(3, endless, cat);
    prepare(&slow, endless); /* one place is taken all the while */
    spawn_submit(spawn, &slow.rq);
    for (int i = 0; i < MANY; i++) {
        prepare(&tasks[i], cat);
        tasks[i].rq.input =
            (struct sl){inputs[i], (size_t)snprintf(inputs[i], sizeof(inputs[i]), "task %d", i)};
        spawn_submit(spawn, &tasks[i].rq);
    }
    for (int i = 0; i < MANY; i++) {
        wait_for(&tasks[i]);
        exited(&tasks[i], 0);
        assert_true(sl_eq(output(&tasks[i]), tasks[i].rq.input));
        spawn_request_free(&tasks[i].rq);
    }
    assert_int_equal(slow.dones, 0);
    spawn_stop(spawn, &slow.rq);
    wait_for(&slow);
    failed(&slow, PG_E_CANCELED, "stopped");
    spawn_request_free(&slow.rq);
    spawn_close(spawn);
}

TEST(the_queue_has_an_end_and_what_waits_can_be_stopped)
{
    static struct task tasks[SPAWN_WAITING_MAX + 2], first;

    open_with_two(1, endless, cat);
    prepare(&first, endless);
    first.rq.limits.time_ms = 60000;
    spawn_submit(spawn, &first.rq);
    for (size_t i = 0; i < SPAWN_WAITING_MAX + 2; i++) {
        prepare(&tasks[i], cat);
        spawn_submit(spawn, &tasks[i].rq);
    }
    wait_for(&tasks[SPAWN_WAITING_MAX + 1]);
    failed(&tasks[SPAWN_WAITING_MAX + 1], PG_E_TOO_MANY_REQUESTS, "waiting");
    for (size_t i = 0; i < SPAWN_WAITING_MAX; i += 2) {
        if (tasks[i].dones == 0)
            spawn_stop(spawn, &tasks[i].rq);
    }
    for (size_t i = 0; i < SPAWN_WAITING_MAX - 1; i += 2) {
        wait_for(&tasks[i]);
        failed(&tasks[i], PG_E_CANCELED, "stopped");
    }
    spawn_close(spawn); /* the others, while they wait */
    (void)pg_mailbox_drain(&home);
    assert_int_equal(first.dones, 1);
    failed(&first, PG_E_CANCELED, "ends");
    spawn_request_free(&first.rq);
    for (size_t i = 0; i < SPAWN_WAITING_MAX + 2; i++) {
        assert_int_equal(tasks[i].dones, 1);
        spawn_request_free(&tasks[i].rq);
    }
}

/* The first child of a process, as a descriptor that tells of its end. */
static int first_child(pid_t parent)
{
    char path[64], *end;
    FILE *f;
    long pid = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
    while (pid <= 0) {
        char line[64] = "";

        f = fopen(path, "re");
        assert_non_null(f);
        if (fgets(line, sizeof(line), f) != NULL)
            pid = strtol(line, &end, 10);
        (void)fclose(f);
    }
    return (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
}

static bool ends(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};

    return poll(&p, 1, 8000) == 1;
}

TEST(when_the_spawner_dies_every_request_fails_and_its_helpers_end)
{
    static struct task running, waiting, later;
    int helper;

    open_with_two(1, endless, cat);
    prepare(&running, endless);
    prepare(&waiting, cat);
    prepare(&later, cat);
    spawn_submit(spawn, &running.rq);
    spawn_submit(spawn, &waiting.rq);
    helper = first_child(spawn_pid(spawn));
    assert_true(helper >= 0);
    assert_int_equal(kill(spawn_pid(spawn), SIGKILL), 0);
    wait_for(&running);
    wait_for(&waiting);
    failed(&running, PG_E_INTERNAL, "has ended");
    failed(&waiting, PG_E_INTERNAL, "has ended");
    assert_true(ends(helper));
    run(&later);
    failed(&later, PG_E_INTERNAL, "has ended");
    spawn_request_free(&running.rq);
    spawn_request_free(&waiting.rq);
    spawn_request_free(&later.rq);
    spawn_close(spawn);
    pg_fd_close(&helper);
}

TEST(closing_ends_the_helpers)
{
    struct task t;
    int helper;

    open_with(1, endless);
    prepare(&t, endless);
    spawn_submit(spawn, &t.rq);
    helper = first_child(spawn_pid(spawn));
    spawn_close(spawn);
    (void)pg_mailbox_drain(&home);
    failed(&t, PG_E_CANCELED, "ends");
    assert_true(ends(helper));
    spawn_request_free(&t.rq);
    pg_fd_close(&helper);
    spawn_close(NULL);
}

/* A service that is told to stop tells all its processes: helpers go on while it drains. */
TEST(the_spawner_outlives_the_signals_of_its_service)
{
    struct task t;

    open_with(1, cat);
    prepare(&t, cat); /* once something ran, its signals are set */
    run(&t);
    spawn_request_free(&t.rq);
    assert_int_equal(kill(spawn_pid(spawn), SIGTERM), 0);
    assert_int_equal(kill(spawn_pid(spawn), SIGINT), 0);
    prepare(&t, cat);
    run(&t);
    exited(&t, 0);
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

TEST(no_descriptors_is_an_error_of_the_request)
{
#ifdef PG_WITH_FAULTS
    struct task t;

    for (int nth = 1; nth <= 3; nth++) {
        char fault[64];

        (void)snprintf(fault, sizeof(fault), "spawn.pipe:EMFILE@%d", nth);
        assert_int_equal(pg_fault_set(fault), 0);
        open_with(1, cat);
        prepare(&t, cat);
        run(&t);
        failed(&t, PG_E_INTERNAL, "could not be run");
        assert_non_null(strstr(t.rq.err.detail, "Too many open files"));
        spawn_request_free(&t.rq);
        prepare(&t, cat);
        run(&t);
        exited(&t, 0);
        spawn_request_free(&t.rq);
        spawn_close(spawn);
    }
    assert_int_equal(pg_fault_set(NULL), 0);
#endif
}

static sem_t done_there;

static void done_in_thread(struct spawn_request *rq)
{
    pg_container_of(rq, struct task, rq)->dones++;
    (void)sem_post(&done_there);
}

TEST(without_a_home_it_is_done_in_the_thread)
{
    struct task t;

    assert_int_equal(sem_init(&done_there, 0, 0), 0);
    open_with(1, cat);
    prepare(&t, cat);
    t.rq.home = NULL;
    t.rq.done = done_in_thread;
    spawn_submit(spawn, &t.rq);
    assert_int_equal(sem_wait(&done_there), 0);
    exited(&t, 0);
    spawn_request_free(&t.rq);
    spawn_close(spawn);
}

/* Every descriptor that a request opened is closed again. */
TEST(nothing_is_left_open)
{
    int before = dup(0), after;
    struct task t;

    assert_true(before >= 0);
    pg_fd_close(&(int){before});
    open_with(2, cat);
    for (int i = 0; i < 10; i++) {
        prepare(&t, cat);
        t.rq.input = SL("x");
        run(&t);
        spawn_request_free(&t.rq);
    }
    spawn_close(spawn);
    after = dup(0);
    assert_int_equal(after, before);
    pg_fd_close(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(what_goes_in_comes_out),
        RUN(more_than_a_pipe_holds_goes_both_ways),
        RUN(an_exit_code_is_no_error),
        RUN(arguments_are_passed_as_they_are),
        RUN(the_environment_is_what_was_given),
        RUN(nothing_is_open_but_three_pipes),
        RUN(it_can_gain_no_rights_and_signals_are_as_usual),
        RUN(limits_are_in_force),
        RUN(its_folder_is_the_root),
        RUN(too_much_output_ends_it),
        RUN(too_long_ends_it),
        RUN(too_much_cpu_ends_it),
        RUN(what_cannot_be_run_says_why),
        RUN(what_cannot_be_permitted),
        RUN(programs_have_an_end),
        RUN(another_program_and_other_arguments_are_not_run),
        RUN(a_signal_is_told_from_an_exit),
        RUN(the_end_of_what_it_complains_of_is_kept),
        RUN(a_child_left_behind_holds_up_nobody),
        RUN(several_run_at_a_time_and_the_others_wait_their_turn),
        RUN(the_queue_has_an_end_and_what_waits_can_be_stopped),
        RUN(when_the_spawner_dies_every_request_fails_and_its_helpers_end),
        RUN(closing_ends_the_helpers),
        RUN(the_spawner_outlives_the_signals_of_its_service),
        RUN(no_descriptors_is_an_error_of_the_request),
        RUN(without_a_home_it_is_done_in_the_thread),
        RUN(nothing_is_left_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
