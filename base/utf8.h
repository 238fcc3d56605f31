/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8 - which bytes may stand as they are in a JSON string, a log line, a terminal.
 *
 * Escaped is what could end the string or the line, drive a terminal or reorder what it shows:
 * controls (C0, DEL, C1), quote, backslash, U+2028 to U+202E, U+2066 to U+2069, and what is not
 * UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
 *
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

#define PG_UTF8_ESCAPE_MAX 6

/* The length of the code point that s starts with, 1 to 4, and the code point; 0 if it starts
 * with none. */
size_t pg_utf8_next(struct sl s, uint32_t *point_r);

/* How many bytes at the start of s are printable ASCII other than quote and backslash. */
size_t pg_utf8_plain(struct sl s);

/* Takes one code point, or one byte that begins none, off the start of s, which is not empty.
 * Writes it as it is or escaped as in JSON (\n, \u001b; a wrong byte is \ufffd); its length in
 * *n_r. Returns how many bytes were taken. */
size_t pg_utf8_escape(struct sl s, char out_r[PG_UTF8_ESCAPE_MAX], size_t *n_r);
