/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query - one small question on its way to an upstream, and those who wait for its answer. It is
 * asked again when that makes sense: twice after an error of the server, once after a connection
 * that failed. When the last asker leaves it is called off; if upstream had not said a word for
 * QUERY_SILENT_MS until then, that counts as a failure of upstream.
 * Threads: the fetch thread's.
 */
#pragma once

#include "proxy/upstream/ask_int.h"

#define QUERY_SILENT_MS 5000

struct query;

void query_join(struct fetch_work *w); /* answers it later, or fails it at once */
void query_leave(struct fetch_work *w);
void query_forget_echoes(struct fetch *f);
void query_cancel_all(struct fetch *f); /* the thread ends */
void query_write_json(struct fetch *f, struct pg_buf *out);
