/* SPDX-License-Identifier: Apache-2.0 */
/* A helper that is taken over, in its cage: what it tries, and what comes of it. */
#include "harness/scratch.h"

#include <fcntl.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "proxy/spawn.h"

#define GIB ((uint64_t)1 << 30)

static struct pg_mailbox home;
static sem_t rung;
static bool is_done;

static void wake_home(struct pg_mailbox *box)
{
    (void)box;
    (void)sem_post(&rung);
}

static void on_done(struct spawn_request *rq)
{
    (void)rq;
    is_done = true;
}

static void put_file(const char *name, mode_t mode)
{
    int fd = open(scratch_path(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

    assert_true(fd >= 0);
    assert_int_equal(pg_fd_write(fd, "whole", 5), 0);
    assert_int_equal(close(fd), 0);
}

/* The exit status of a script, run by Python in a cage that sees seen/ and writes into own/. */
static int run(const char *script)
{
    char seen[256], own[256];
    struct pg_err err = {0};
    struct spawn *s;

    (void)snprintf(seen, sizeof(seen), "%s", scratch_path("seen"));
    (void)snprintf(own, sizeof(own), "%s", scratch_path("own"));
    const char *const argv[] = {"/usr/bin/python3", "-SEBc", script, scratch, NULL},
                      *env[] = {NULL};
    const char *const reads[] = {seen, NULL}, *const writes[] = {own, NULL};
    const struct spawn_cage cage = {.reads = reads, .writes = writes};

    assert_int_equal(spawn_open(1, &s, &err), 0);
    assert_int_equal(spawn_permit_caged(s, argv, env, &cage, &err), 0);
    spawn_start(s);
    struct spawn_request rq = {.argv = argv,
                               .limits = {.time_ms = 60000,
                                          .cpu_s = 60,
                                          .memory_bytes = 4 * GIB,
                                          .files = 64,
                                          .output_bytes = 4096},
                               .done = on_done,
                               .home = &home};
    is_done = false;
    spawn_submit(s, &rq);
    while (!is_done) {
        assert_int_equal(sem_wait(&rung), 0);
        (void)pg_mailbox_drain(&home);
    }
    spawn_close(s);
    if (rq.err.kind != PG_E_NONE) {
        fail_msg("%s (%s)", rq.err.msg, rq.err.detail != NULL ? rq.err.detail : "");
    }
    if (rq.exit_code != 0) {
        print_error("%.*s\n", (int)rq.ntail, rq.tail);
    }
    int code = rq.exit_code;
    spawn_request_free(&rq);
    return code;
}

static void begin_cage(void)
{
    if (!spawn_can_cage()) {
        print_message("this kernel has no Landlock: skipped\n");
        skip();
    }
    scratch_make();
    assert_int_equal(sem_init(&rung, 0, 0), 0);
    pg_mailbox_init(&home, wake_home, NULL);
    assert_int_equal(mkdir(scratch_path("seen"), 0700), 0);
    assert_int_equal(mkdir(scratch_path("own"), 0700), 0);
    assert_int_equal(mkdir(scratch_path("store"), 0700), 0);
    put_file("store/blob", 0600);
    put_file("store/secret", 0600);
    assert_int_equal(link(scratch_path("store/blob"), scratch_path("seen/blob")), 0);
}

/* The blob of the store, after all that was tried with it. */
static void is_whole(void)
{
    char bytes[8];
    struct stat st = {0};
    int fd = open(scratch_path("store/blob"), O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, 5);
    assert_int_equal(pg_fd_pread(fd, bytes, 5, 0), 0);
    assert_memory_equal(bytes, "whole", 5);
    assert_int_equal(close(fd), 0);
}

#define PRELUDE                                                                                    \
    "import os, sys, socket, ctypes, fcntl\n"                                                      \
    "libc = ctypes.CDLL(None, use_errno=True)\n"                                                   \
    "os.chdir(sys.argv[1])\n"                                                                      \
    "def no(f, *a):\n"                                                                             \
    "    try: f(*a)\n"                                                                             \
    "    except OSError: return\n"                                                                 \
    "    raise SystemExit(f'{f} {a} was done')\n"

TEST(it_reads_and_writes_what_it_is_for)
{
    begin_cage();
    assert_int_equal(run(PRELUDE "assert open('seen/blob').read() == 'whole'\n"
                                 "os.mkdir('own/a')\n"
                                 "open('own/a/b', 'w').write('x')\n"
                                 "os.rename('own/a/b', 'own/c')\n"
                                 "os.symlink('/etc/shadow', 'own/link')\n"
                                 "os.unlink('own/link')\n"
                                 "os.chmod('own/c', 0o755)\n"
                                 "os.kill(os.getpid(), 0)\n"),
                     0);
    assert_int_equal(access(scratch_path("own/c"), F_OK), 0);
    scratch_remove();
}

TEST(no_file_of_the_store_can_be_read_or_changed)
{
    begin_cage();
    assert_int_equal(run(PRELUDE "no(open, 'store/secret')\n"
                                 "no(os.listdir, 'store')\n"
                                 "no(open, 'store/blob', 'w')\n"
                                 "no(open, 'seen/blob', 'w')\n"
                                 "no(open, 'seen/blob', 'a')\n"
                                 "no(os.unlink, 'seen/blob')\n"
                                 "no(os.unlink, 'store/secret')\n"
                                 "no(os.truncate, 'seen/blob', 0)\n"
                                 "no(os.truncate, 'store/blob', 0)\n"
                                 "no(os.link, 'seen/blob', 'own/blob')\n"
                                 "no(os.rename, 'seen/blob', 'own/blob')\n"
                                 "no(open, 'store/new', 'w')\n"
                                 "os.symlink(sys.argv[1] + '/store/blob', 'own/blob')\n"
                                 "no(open, 'own/blob', 'r+')\n"
                                 "for p in ('seen/blob', 'store/blob'):\n"
                                 "    os.chmod(p, 0o666)\n" /* it is told that it did */
                                 "f = os.open('seen/blob', os.O_RDONLY)\n"
                                 "os.fchmod(f, 0o666)\n"
                                 "no(os.truncate, f, 0)\n"
                                 "no(open, '/etc/shadow')\n"
                                 "no(open, '/proc/1/environ')\n"
                                 "no(open, f'/proc/{os.getppid()}/mem', 'r+')\n"),
                     0);
    is_whole();
    scratch_remove();
}

/* Landlock of Linux 6.1 does not see this, and no other call of the file would need its right. */
TEST(opening_a_file_to_read_does_not_empty_it)
{
    begin_cage();
    assert_int_equal(run(PRELUDE "open('own/a', 'w').write('x')\n"
                                 "for how in (os.O_RDONLY, os.O_ACCMODE):\n"
                                 "    for p in ('own/a', 'seen/blob'):\n"
                                 "        no(os.open, p, how | os.O_TRUNC)\n"
                                 "        assert libc.open(p.encode(), how | os.O_TRUNC) == -1\n"
                                 "assert open('own/a').read() == 'x'\n"
                                 "open('own/a', 'w').close()\n"
                                 "assert open('own/a').read() == ''\n"),
                     0);
    is_whole();
    scratch_remove();
}

TEST(rights_are_not_changed_in_newer_ways)
{
    begin_cage();
    assert_int_equal(run(PRELUDE
                         "for call in (452, 463, 466, 469):\n"
                         "    ctypes.set_errno(0)\n"
                         "    assert libc.syscall(call, -100, b'seen/blob', 0, 0, 0, 0) == -1\n"
                         "    assert ctypes.get_errno() == 38, call\n"
                         "libc.syscall(452, -100, (sys.argv[1] + '/store/blob').encode(), 0, 0)\n"),
                     0);
    is_whole();
    scratch_remove();
}

/* What leaves the group would be there when its folder is cleared. */
TEST(nothing_outlives_its_scan)
{
    begin_cage();
    assert_int_equal(run(PRELUDE "child = os.fork()\n"
                                 "if child == 0:\n"
                                 "    no(os.setsid)\n"
                                 "    no(os.setpgid, 0, 0)\n"
                                 "    os._exit(0)\n"
                                 "assert os.waitpid(child, 0)[1] == 0\n"),
                     0);
    scratch_remove();
}

TEST(nobody_outside_can_be_spoken_with)
{
    begin_cage();
    assert_int_equal(run(PRELUDE "for f in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):\n"
                                 "    no(socket.socket, f)\n"
                                 "for sig in (0, 9):\n"
                                 "    no(os.kill, os.getppid(), sig)\n"
                                 "    no(os.kill, -1, sig)\n"
                                 "a, b = os.pipe()\n"
                                 "no(fcntl.fcntl, a, fcntl.F_SETOWN, os.getppid())\n"
                                 "no(fcntl.fcntl, a, fcntl.F_SETSIG, 9)\n"
                                 "no(os.sched_setscheduler, os.getppid(), os.SCHED_IDLE,\n"
                                 "   os.sched_param(0))\n"
                                 "assert libc.ptrace(16, os.getppid(), 0, 0) == -1\n"),
                     0);
    scratch_remove();
}

TEST(a_program_of_the_images_is_not_run)
{
    begin_cage();
    assert_int_equal(run(PRELUDE "open('own/tool', 'w').write('#!/bin/sh\\nexit 0\\n')\n"
                                 "no(os.execv, 'own/tool', ['tool'])\n"),
                     0);
    scratch_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(it_reads_and_writes_what_it_is_for),
        RUN(no_file_of_the_store_can_be_read_or_changed),
        RUN(opening_a_file_to_read_does_not_empty_it),
        RUN(rights_are_not_changed_in_newer_ways),
        RUN(nothing_outlives_its_scan),
        RUN(nobody_outside_can_be_spoken_with),
        RUN(a_program_of_the_images_is_not_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
