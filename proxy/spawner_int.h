/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawner - the process that runs helpers. It has one thread, no state but its children, and
 * reads no byte of what they write: their pipes are made by who asks and only handed through.
 *
 * An order is one datagram on a SOCK_SEQPACKET: the struct, then argc + envc strings with their
 * NULs, and with RUN three descriptors: the helper's standard input, output and error. START is
 * for a program that outlives us both (the server's heir): a fourth descriptor, no limits, no
 * parent. For each of them there is one piece of news, if we live to tell it; a KILL of what is
 * gone already is ignored. Both sides are one program: what is malformed is a bug.
 */
#pragma once

#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#include "proxy/spawn.h"

enum spawner_what { SPAWNER_RUN = 1, SPAWNER_KILL, SPAWNER_START };

#define SPAWNER_FDS_MAX  4
#define SPAWNER_LAUNCHED UINT32_MAX /* the id of what START started */

struct spawner_order {
    uint32_t what, id;
    uint32_t argc, envc;
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
