/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print - what a command says: answers on standard output, what went wrong on standard error.
 *
 * Threads: main.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/err.h"
#include "base/slice.h"

#define PRINT_BYTES_MAX ((size_t)8 << 20) /* the longest answer */

/* Text that may go to a terminal or a log: what is neither printable nor a blank is escaped. */
void print_put_safe(struct sl text, struct pg_buf *out);

/* The same for text of several lines: they stay. */
void print_put_lines(struct sl text, struct pg_buf *out);

/* Writes all of it, or says on standard error that it could not. 0 or -1. */
PG_MUST_USE int print_out(struct sl text);
void print_error(struct sl text); /* as it is */

/* "pullgate: ..." on standard error, made safe. Returns COMMAND_CANNOT. */
int print_failure(const char *fmt, ...) PG_PRINTF(1, 2);

/* The same of a file that cannot be read. Of what was refused for what it says, the answer alone,
 * and COMMAND_FOUND. Clears *err. */
int print_refusal(struct pg_err *err);

/* Appends text in lines of at most 98 columns, each begun with `prefix`. A line break in it stays.
 */
void print_put_wrapped(struct pg_buf *out, const char *prefix, struct sl text);

const char *print_s(uint64_t n); /* the ending of a word for n things: "" of 1, else "s" */
