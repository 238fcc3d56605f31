/* SPDX-License-Identifier: Apache-2.0 */
/*
 * door - the listeners of a running server: opens them, and looks after their certificates.
 *
 * Certificates, keys and authorities are taken over when their files change, without a reload:
 * door_look() asks for their times and sizes, and reads what has changed and then stayed the same
 * from one look to the next, so that a certificate and its key may be written one after the other.
 * What is no good changes nothing: the old ones stay in use, and the log, `status` and
 * pullgate_tls_stale say so. Ticket keys are renewed every hour.
 *
 * Ownership:  door_new() to door_free(), after the loops: their connections use it.
 * Threads:    main. It reads files, which no serving loop does.
 */
#pragma once

#include "proxy/admin/admin.h"
#include "proxy/http/listen.h"
#include "proxy/journey/service.h"

struct door;

struct door *door_new(void);
void door_free(struct door *d); /* NULL is allowed */

/* Opens what the configuration says, and the two of admin. */
PG_MUST_USE int door_open(struct door *d, struct listen *listen, const struct config *config,
                          struct service *service, struct admin *admin, struct pg_err *err);
const char *door_bound(const struct door *d); /* the first of them */
const char *door_bound_admin(const struct door *d);

/* A reload: the same sockets, perhaps other files. Both must live until the next call. */
void door_reload(struct door *d, const struct config *config);

/* To be called now and then; how many milliseconds until it wants to be called again, or -1. */
int door_look(struct door *d);
