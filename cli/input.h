/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input - a file that a command is given to look at. It decides nothing: whoever may read it may
 * have it read.
 *
 * Failure:    STORE_IO: it cannot be read, or is larger than the maximum of the buffer.
 * Threads:    any.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* The whole of it, appended to out. */
PG_MUST_USE int input_read(const char *file, struct pg_buf *out, struct pg_err *err);
