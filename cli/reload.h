/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reload - the configuration is read again while all goes on.
 *
 *     reload_start --> file is read, checked --> every loop gets the new snapshot
 *          |                |                            | the last one acknowledges
 *          | under way      +-- not good: logged,        v
 *          +-> once more       refused               reload->done: commands are answered
 *
 * A file that is not good changes nothing. Options that only a restart takes over keep their
 * values, and the log says so. Requests under way keep the snapshot that they began with.
 *
 * Ownership:  reload_new() to reload_free(). At the end: loops stop, close, drain home, free. It
 * holds a reference on the newest snapshot. Threads:    main; loops acknowledge through `home`,
 * main's mailbox.
 */
#pragma once

#include "base/mailbox.h"
#include "cli/config.h"
#include "cli/notify.h"
#include "proxy/admin/admin.h"
#include "proxy/http/listen.h"
#include "proxy/http/loop.h"

struct keeper;
struct trail;
struct intake;

struct reload_target {
    const char *file; /* as given with -c; NULL */
    bool json;        /* logs are JSON, whatever the file says */
    struct loop *const *loops;
    unsigned nloops;
    struct listen *listen;
    struct door *door;
    struct intake *intake; /* NULL: none */
    struct store *store;
    struct keeper *keeper;
    struct trail *trail; /* NULL: none */
    struct forward *forward;
    struct feeder *feeder;
    struct hooks *hooks;
    struct notify *notify;
    struct pg_mailbox *home;
};

struct reload;

/* first: the snapshot that the loops began with; reload takes a reference of its own. */
struct reload *reload_new(const struct reload_target *target, struct snapshot *first);
void reload_close(struct reload *r); /* from now on all who ask are refused; NULL is allowed */
void reload_free(struct reload *r);  /* closed, and home drained; NULL is allowed */

/* c: who is to be told, or NULL. While one is under way, another one follows it. */
void reload_start(struct reload *r, struct admin_command *c);

const struct config *reload_config(const struct reload *r); /* the newest; until the next round */
uint64_t reload_revision(const struct reload *r);
