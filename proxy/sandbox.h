/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - the process gives up what it does not need: files outside of the paths that were let
 * in (Landlock), running programs, and system calls that it never makes (seccomp).
 *
 *     sandbox_let(path, access)* --> sandbox_close_files() --> threads, store, listeners
 *                                                                  |
 *                                    sandbox_calls_close() <-------+--> clients are accepted
 *
 * Nothing of it can be taken back, and it holds for all that the process starts from then on: so
 * helper programs are run by the spawner (proxy/spawn.h), which is forked before. A file that is
 * not let in is EACCES; a system call that is not on the list ends the process (SIGSYS), since
 * the code that makes it is not ours.
 *
 * Directories are let in, not files, wherever a file may be replaced by another of its name: a
 * rule holds for what the name meant when it was made.
 *
 * Ownership:  one for the process, as the kernel has it; paths are copied.
 * Failure:    close: 1 closed, 0 this kernel cannot (err says what it lacks), -1 it should have
 *             been able to.
 * Threads:    let and close_files: main, before any other thread. hides: any, after close_files.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

#define SANDBOX_PATHS_MAX 512

enum sandbox_access {
    SANDBOX_READ,   /* files, and what is below a directory, can be read */
    SANDBOX_WRITE,  /* and changed, made, removed */
    SANDBOX_DEVICE, /* one file: read and written */
};

/* One that does not exist is left out. -1: there are too many. */
PG_MUST_USE int sandbox_let(const char *path, enum sandbox_access access, struct pg_err *err);

/* The directory that a file is in, and that in which it really is, if it is a symbolic link. */
PG_MUST_USE int sandbox_let_file(const char *path, struct pg_err *err);

PG_MUST_USE int sandbox_close_files(struct pg_err *err);

/* Why a file cannot be opened: files are closed, and this path was not let in. */
bool sandbox_hides(const char *path);
