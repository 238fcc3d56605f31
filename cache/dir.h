/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir - the directory of a store: is it one that we may trust, and is it ours alone?
 *
 * What is in it decides what leaves, so nobody else may write there: a real directory, no symbolic
 * link, owned by the user that pullgate runs as, not writable for group or others; the same for
 * the directories in it. One process works on it at a time: it holds the lock on <path>/lock.
 *
 * Failure:  STORE_IO with a sentence for the operator: what, which path, what to do.
 * Threads:  any; nothing is shared.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* Makes it when it is absent (its parent must be there), unless may_create is false. */
PG_MUST_USE int dir_open(const char *path, bool may_create, int *fd_r, struct pg_err *err);

/* A directory in it. 0; with may_create false and nothing there *fd_r is -1. */
PG_MUST_USE int dir_open_sub(int dir_fd, const char *path, const char *name, bool may_create,
                             int *fd_r, struct pg_err *err);

/* The lock lasts as long as the descriptor. Who has it is named when it is not us. */
PG_MUST_USE int dir_lock(int dir_fd, const char *path, int *fd_r, struct pg_err *err);

/* Warns in the log about filesystems on which locks, renames or the index are not reliable. */
void dir_warn_of_filesystem(int dir_fd, const char *path);
const char *dir_doubtful_filesystem(int dir_fd); /* its name; NULL when it is none of them */
