/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade - a server hands over to a new process of the program as it is on disk now, and no client
 * notices. cli/heir.h is the other side, cli/relay.h what they say.
 *
 *     IDLE --start--> STARTING --PREPARED--> GIVING --SERVES--> GIVEN: drain, end
 *      ^                 |                      |
 *      +-----------------+--- refused, gone, ---+   the store is taken back, clients are accepted
 *                             too slow              again; that fails: LOST
 *
 * While GIVING nobody accepts; who comes waits in the kernel's queue, for as long as the heir takes
 * to open the store. Until then, and from the moment that it serves, all are served.
 *
 * Ownership:  upgrade_new() to upgrade_free(); what it aims at outlives it.
 * Failure:    said in the log, and to who asked over the control socket.
 * Threads:    main.
 */
#pragma once

#include "proxy/admin/admin.h"
#include "proxy/http/listen.h"
#include "proxy/spawn.h"

struct upgrade;
struct trail;
struct forward;
struct feeder;

/* Notes where the program and the configuration are; before the sandbox. */
struct upgrade *upgrade_new(const char *program, const char *config_file, bool json);
/* What is to be started then, with the arguments and the environment of now: before spawn_start().
 * -1: there will be no upgrade. */
PG_MUST_USE int upgrade_permit(const struct upgrade *u, struct spawn *spawn, struct pg_err *err);
struct upgrade_aim {
    struct spawn *spawn;
    struct store *store;
    struct trail *trail; /* NULL: no audit log is kept */
    struct forward *forward;
    struct feeder *feeder;
    struct listen *listen;
};

void upgrade_aim(struct upgrade *u, const struct upgrade_aim *at);
void upgrade_free(struct upgrade *u); /* NULL is allowed */

/* c: who is to be told, or NULL. */
void upgrade_start(struct upgrade *u, struct admin_command *c);

void upgrade_cancel(struct upgrade *u); /* what is under way, since this server is to end */

enum upgrade_news { UPGRADE_NOTHING, UPGRADE_GIVEN, UPGRADE_LOST };

/* To be called when fd can be read, and after *wait_ms_r (-1: never). GIVEN: the heir, *pid_r,
 * serves. LOST: neither has the store; this server should end. */
enum upgrade_news upgrade_turn(struct upgrade *u, int *wait_ms_r, pid_t *pid_r);
int upgrade_fd(const struct upgrade *u); /* to be polled; -1: nothing is under way */
