/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event - pulls that ended, waiting to be written: gathered in memory, and given to the writer
 * with its next group, or after WRITER_LAZY_MS.
 *
 * Bounds:  EVENT_WAITING_MAX wait at most; more are lost and counted. Texts are cut at
 *          EVENT_TEXT_MAX.
 * Failure: what cannot be committed is lost; it is history, not state.
 * Threads: add: any. One lock, innermost, around a list.
 */
#pragma once

#include "cache/index_int.h"
#include "cache/store.h"

#define EVENT_WAITING_MAX 8192
#define EVENT_TEXT_MAX    640

struct event_queue;

struct event_queue *event_new(struct store *s);
void event_add(struct event_queue *q, const struct index_event *e);
void event_free(struct event_queue *q); /* writes what waits; nothing is added any more */
