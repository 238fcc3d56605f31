/* SPDX-License-Identifier: Apache-2.0 */
/*
 * markup - a report as one HTML file that needs no other.
 *
 * Failure: markup_write() says it on standard error. Threads: main.
 */
#pragma once

#include "base/buf.h"

/* The document up to its <body>, with a policy that lets nothing be loaded; title is ours. */
void markup_begin(struct pg_buf *out, const char *title);
void markup_end(struct pg_buf *out);

/* Text from outside: nothing of it is markup, or reorders what is shown. */
void markup_put(struct pg_buf *out, struct sl text);

/* A new file: nothing is overwritten, and no half of it stays. A COMMAND_ status. */
int markup_write(const char *path, struct sl text);
