/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawner - the process that runs helpers. It has one thread, no state but its children, and
 * reads no byte of what they write: their pipes are made by who asks and only handed through.
 *
 * An order is one datagram on a SOCK_SEQPACKET. PERMIT is followed by its strings with
 * their NULs, arguments, variables, and the paths of a cage: a program, known by its number from
 * then on, the first is 0. SEAL ends that. RUN names one and comes with three descriptors: the
 * helper's standard input, output and error. START is for the one program that outlives us both
 * (the server's heir): a fourth descriptor, no limits, no parent. For each of these two there is
 * one piece of news, if we live to tell it; a KILL of what is gone already is ignored. Both sides
 * are one program: what is malformed, or was not permitted, is a bug or an attack, and our end.
 */
#pragma once

#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#include "proxy/spawn.h"

enum spawner_what { SPAWNER_PERMIT = 1, SPAWNER_SEAL, SPAWNER_RUN, SPAWNER_KILL, SPAWNER_START };

#define SPAWNER_FDS_MAX  4
#define SPAWNER_LAUNCHED UINT32_MAX /* the id of what START started */

struct spawner_order {
    uint32_t what, id;
    uint32_t argc, envc; /* of PERMIT; these too: */
    uint32_t is_caged, nreads, nwrites;
    uint32_t program;    /* of RUN and START */
    uint32_t is_started; /* of PERMIT: by START, not by RUN */
    uint64_t cpu_s, memory_bytes, files;
};

#define SPAWNER_ORDER_MAX (sizeof(struct spawner_order) + SPAWN_BYTES_MAX)

enum spawner_how { SPAWNER_EXITED = 1, SPAWNER_SIGNALED, SPAWNER_NOT_RUN };

struct spawner_news {
    uint32_t id, how;
    int32_t value; /* the exit code, the signal, or the errno */
};

/* The life of the process: until the other side of the socket is closed, or `parent` dies. */
noreturn void spawner_live(int sock, pid_t parent);
