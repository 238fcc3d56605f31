/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential - the login for one upstream, wherever it is kept:
 *
 *   username with password_file or password_env
 *   docker_config      a config.json (docker_config.h), which may name a helper
 *   credential_helper  a program (docker_credential.h), run by the spawner (proxy/spawn.h)
 *
 *     credential_look --> NONE    none is configured
 *                     |-> HERE    take it
 *                     |-> ASKED   a helper runs: credential_wait_start(), then look again
 *                     +-> BAD     err says why; nobody is asked without the login
 *
 * Files are looked at each time and read when they have changed. A change that makes no sense
 * leaves the login as it was, since it may be half written; a file that is gone, or that others may
 * read, does not. What a helper said is used for HELPER_LIFE and then asked for anew, without
 * anybody waiting, or at once when it was refused (credential_refused()), but only every few
 * seconds; when the helper fails, the last answer stays in use.
 *
 * Where a login goes is the caller's burden: to the upstream itself or to a realm that realm.h
 * allowed.
 *
 * Ownership:  a wait is embedded in its asker's object. A credential may go while its helper runs.
 * Failure:    UPSTREAM_DOWN. No text of an error holds anything of a secret, nor what a helper
 * said. Threads:    the fetch thread's; opens one small file.
 */
#pragma once

#include "base/list.h"
#include "base/mailbox.h"
#include "proxy/config.h"
#include "proxy/upstream/secret.h"

struct spawn;
struct credential;

/* Who runs helpers; one for all credentials. It outlives them, and `running`. */
struct credential_runner {
    struct spawn *spawn;     /* NULL: none can be run */
    struct pg_mailbox *home; /* of the thread */
    unsigned running;        /* helpers that have not come home */
};

/* Before the spawn starts: permits the helpers that the configuration, or a docker_config as it is
 * now, names, with what helpers.environment takes of our environment. Others are not run then. */
PG_MUST_USE int credential_permit(const struct config *config, struct spawn *spawn,
                                  struct pg_err *err);

enum credential_state { CREDENTIAL_NONE, CREDENTIAL_HERE, CREDENTIAL_ASKED, CREDENTIAL_BAD };

struct credential_wait {
    struct pg_list node;
    void (*done)(struct credential_wait *w);
};

struct credential *credential_new(struct credential_runner *runner, const struct config *config,
                                  const struct config_upstream *upstream);
void credential_free(struct credential *c); /* no wait may be left */
bool credential_is_configured(const struct credential *c);

/* HERE: *secret_r, good until the loop is returned to; *serial_r is another one when the secret is
 * another one. BAD: *err. */
enum credential_state credential_look(struct credential *c, const struct secret **secret_r,
                                      uint64_t *serial_r, struct pg_err *err);

/* The upstream or its token server refused the secret of that serial. Is another look worth it? */
bool credential_refused(struct credential *c, uint64_t serial);

void credential_wait_init(struct credential_wait *w);
void credential_wait_start(struct credential *c, struct credential_wait *w,
                           void (*done)(struct credential_wait *w)); /* after ASKED */
void credential_wait_stop(struct credential_wait *w);                /* also when not waiting */
