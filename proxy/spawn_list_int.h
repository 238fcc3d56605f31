/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn_list - what a spawn may have run: the server's copy of the spawner's list, in which a
 * program is known by its place.
 *
 * Failure:    INTERNAL: too many, too long, no absolute path, or the spawner is gone.
 * Threads:    added to by the main thread before the spawn starts; read by any from then on.
 */
#pragma once

#include "proxy/spawn.h"

struct spawn_list {
    int sock; /* to the spawner; not the list's */
    size_t n;
    struct {
        char **argv;
        bool is_started; /* not run: spawn_launch() */
    } of[SPAWN_PROGRAMS_MAX];
};

/* The place of what is run with these arguments, or with NULL of what is started; -1: none. */
int spawn_list_find(const struct spawn_list *l, const char *const *argv);

/* What is added. */
struct spawn_list_entry {
    bool is_started;
    const char *const *argv, *const *env;
    const struct spawn_cage *cage; /* or NULL */
};

PG_MUST_USE int spawn_list_add(struct spawn_list *l, const struct spawn_list_entry *e,
                               struct pg_err *err);
void spawn_list_free(struct spawn_list *l);
