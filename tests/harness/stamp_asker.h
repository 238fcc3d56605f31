/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the real pullgate-tsa, whose path is PG_TSA, about each timestamp. */
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "signing/stamp_wire.h"

extern char **environ;

/* Writes all of q into the program and reads its answer; both fit into a pipe that is read. */
static bool stamp_asker_run(struct sl q, char *out, size_t *n)
{
    char program[] = PG_TSA, *argv[] = {program, NULL};
    posix_spawn_file_actions_t files;
    int in[2], back[2], status;
    size_t at = 0, got = 0;
    ssize_t now;
    pid_t pid;

    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(back, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in[0], 0);
    posix_spawn_file_actions_adddup2(&files, back[1], 1);
    if (posix_spawn(&pid, PG_TSA, &files, NULL, argv, environ) != 0)
        fail_msg("cannot start %s", PG_TSA);
    posix_spawn_file_actions_destroy(&files);
    close(in[0]);
    close(back[1]);
    while (at < q.n && (now = write(in[1], q.p + at, q.n - at)) > 0)
        at += (size_t)now;
    close(in[1]);
    while (got < *n && (now = read(back[0], out + got, *n - got)) > 0)
        got += (size_t)now;
    close(back[0]);
    *n = got;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int stamp_asker_ask(void *context, const struct stamp_question *q, struct stamp_answer *a_r,
                           struct pg_err *err)
{
    char answer[STAMP_WIRE_ANSWER_MAX];
    size_t n = sizeof(answer);
    struct pg_buf out;
    int status;

    (void)context;
    pg_buf_init(&out, STAMP_WIRE_MAX);
    status = stamp_wire_put(q, &out, err);
    if (status == 0)
        (void)stamp_asker_run(pg_buf_sl(&out), answer, &n);
    if (status == 0)
        status = stamp_wire_get_answer((struct sl){answer, n}, q->nauthorities, a_r, err);
    pg_buf_free(&out);
    return status;
}

static const struct stamp stamp_asker __attribute__((unused)) = {.ask = stamp_asker_ask};
