/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn - helper programs (scanners, credential helpers), run by a process that was forked before
 * any thread started, so that the server itself never needs execve.
 *
 * Which programs that are is said before any byte of the world's is read. From spawn_start() on
 * nothing is added: who takes the server over can start these, as they are, and no other.
 *
 *      loop                        pg-spawn (a thread)              spawner (a process)    helper
 *      spawn_submit(s, rq) ------> waits its turn; pipes ---------> fork, limits --------> execve
 *                                  input, output, deadline  <---------------------------->
 *      rq->done(rq)  <------------ the end  <---------------------- how it ended
 *
 * A helper has the argument vector and the environment that it was permitted, no shell,
 * / as its folder, nothing open but its three pipes, limits, no way to gain rights, a process
 * group that is killed whole when it ends, and it dies with the spawner, which dies with us.
 *
 * One that is as hostile as what it reads is caged as well: it reads the system's programs and what
 * it was told, writes where it was told, has no sockets, and cannot change files that it may only
 * read (cage_int.h says more).
 *
 * Ownership:  a request is embedded in the asker's object. It, and all it points at, belongs to
 *             the spawn from submit until done(); the results are the asker's then, who ends them
 *             with spawn_request_free(). done() comes exactly once, whatever happens.
 * Failure:    rq->err says why there is no exit code: not permitted (INTERNAL), not run (INTERNAL,
 *             with the path and errno in detail), ended by a signal or too much output (INTERNAL),
 * too slow (TIMEOUT), stopped (CANCELED), too many waiting (TOO_MANY_REQUESTS), and when the
 * spawner died, every request then and later: INTERNAL. It is not begun again: a process with
 *             threads must not fork what is to live on. An exit code that is not 0 is no
 *             error here. A child of a helper that leaves its process group is not killed with
 *             it; it holds up nobody.
 * Threads:    open, permit and start: the main thread, open before any other thread, start once
 *             the process has given up its rights. submit, is_alive: any. stop: the thread that
 *             drains `home`.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/mailbox.h"

#define SPAWN_RUNNING_MAX  32
#define SPAWN_WAITING_MAX  256
#define SPAWN_PROGRAMS_MAX 256
#define SPAWN_STRINGS_MAX  512                /* arguments and variables together */
#define SPAWN_BYTES_MAX    ((size_t)60 << 10) /* of them all, with their NULs */
#define SPAWN_TAIL_MAX     1024
#define SPAWN_PATHS_MAX    16                  /* of a cage, each kind */
#define SPAWN_CAGED_FILE   ((uint64_t)4 << 30) /* bytes of a file that a caged helper writes */

struct spawn;

/* All of them above zero. What is above the limits of the spawner itself is lowered to them. */
struct spawn_limits {
    unsigned time_ms;      /* from its start, by the clock */
    unsigned cpu_s;        /* RLIMIT_CPU */
    uint64_t memory_bytes; /* RLIMIT_AS */
    unsigned files;        /* RLIMIT_NOFILE */
    size_t output_bytes;   /* more on its standard output and it is killed */
};

struct spawn_request {
    struct pg_mail mail; /* these four are the spawn's */
    struct pg_list link;
    struct spawn *spawn;
    atomic_bool stopped;
    /* set by the asker */
    const char *const *argv; /* of a program that was permitted; NULL ends it */
    struct sl input;
    struct spawn_limits limits;
    void (*done)(struct spawn_request *rq);
    struct pg_mailbox
        *home; /* where done() is delivered; NULL: done() runs in the spawn's thread */
    /* valid in done() and after it */
    struct pg_err err;
    int exit_code;             /* -1 unless it ended by itself */
    struct pg_buf output;      /* what came on standard output, also when err is set */
    char tail[SPAWN_TAIL_MAX]; /* the end of standard error: any bytes, for the log */
    size_t ntail;
};

/* Forks the spawner. running_max: helpers at a time, 1 to SPAWN_RUNNING_MAX. */
PG_MUST_USE int spawn_open(unsigned running_max, struct spawn **spawn_r, struct pg_err *err);

/* Before the start: this may be run, with these arguments, of which the first is an absolute path,
 * and these variables ("NAME=value"); NULL ends both. They are copied. -1: too many, or too much.
 */
PG_MUST_USE int spawn_permit(struct spawn *s, const char *const *argv, const char *const *env,
                             struct pg_err *err);
/* The same, in a cage; lists of absolute paths that NULL ends, looked up anew at each run. */
struct spawn_cage {
    const char *const *reads, *const *writes;
};
PG_MUST_USE int spawn_permit_caged(struct spawn *s, const char *const *argv, const char *const *env,
                                   const struct spawn_cage *cage, struct pg_err *err);
bool spawn_can_cage(void); /* no: this kernel has no Landlock, and what is caged is not run */
/* As the one program that spawn_launch() starts. */
PG_MUST_USE int spawn_permit_launch(struct spawn *s, const char *const *argv,
                                    const char *const *env, struct pg_err *err);
void spawn_start(struct spawn *s);          /* begins the thread; nothing more is permitted */
pid_t spawn_pid(const struct spawn *s);     /* of the spawner; for operators and tests */
bool spawn_is_alive(const struct spawn *s); /* no: nothing is run before a restart of pullgate */

void spawn_submit(struct spawn *s, struct spawn_request *rq);
void spawn_stop(struct spawn *s, struct spawn_request *rq); /* before done(), which comes soon */
void spawn_request_free(struct spawn_request *rq);

/* Starts a program that goes on when we end: no limits, a session of its own, fds as its
 * descriptors 0 to 3 (3 is how it is spoken with). One at a time: it goes on, or has ended, when
 * the next is started. fds are copied. That it could not be run is said in the log; for the asker
 * the other end of fds[3] is shut then. Main. */
PG_MUST_USE int spawn_launch(struct spawn *s, const int fds[4], struct pg_err *err);
void spawn_launch_kill(struct spawn *s); /* the one launched last, if it has not ended */

/* Nobody submits any more. What waits or runs is done with CANCELED; its helpers are killed. */
void spawn_close(struct spawn *s);
