/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guarded - a file that decides something or holds a secret: it is used only if nobody else could
 * have written it, or, where it is a secret, read it.
 *
 * It must be a regular file of root or of who runs this. What is checked is the descriptor that is
 * read, not the name.
 *
 * Failure:    STORE_IO; a sentence that names the file and, where there is one, the remedy. errno
 * is what open() said, or 0. Threads:    any. It reads a file: not for serving loops.
 */
#pragma once

#include "base/buf.h"
#include "base/check.h"
#include "base/err.h"

/* The bits of the mode that are not allowed. */
enum pg_guarded_mode {
    PG_GUARDED_PUBLIC = 0022,
    PG_GUARDED_GROUP = 0027, /* the group may read: of a key that root gives to a service */
    PG_GUARDED_PRIVATE = 0077,
};

/* A descriptor, or -1. */
PG_MUST_USE int pg_guarded_open(const char *path, enum pg_guarded_mode forbidden,
                                struct pg_err *err);
/* All of it, appended to out; one that does not fit, or is empty, is refused. */
PG_MUST_USE int pg_guarded_read(const char *path, enum pg_guarded_mode forbidden,
                                struct pg_buf *out, struct pg_err *err);
