/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hook - news (base/news.h) on their way to who wants them: `webhooks`. Each is a POST of one
 * CloudEvent (1.0, JSON, structured), signed with HMAC-SHA256 as Standard Webhooks has it:
 *
 *     webhook-id:         its id, the same each time it is sent
 *     webhook-timestamp:  seconds since 1970, of this try
 *     webhook-signature:  v1,BASE64(HMAC(secret, id "." timestamp "." body))
 *
 * A thread of its own has a queue for each receiver, of HOOK_QUEUE_MAX events, in order. What a
 * receiver does not take (no answer, 408, 429, 5xx) is sent again, after HOOK_PAUSE_MS at first and
 * twice that each time, HOOK_TRIES_MAX times; then it is dropped, as is what the queue does not
 * hold and what is refused with another status. All that is dropped is counted, and the log says
 * when that begins and ends. Queues are in memory: at the end what waits has HOOK_LAST_MS.
 *
 * Ownership:  hook_start() to hook_stop(), which comes when nobody tells news any more.
 * Threads:    main.
 */
#pragma once

#include "proxy/config.h"

#define HOOK_QUEUE_MAX 1000
#define HOOK_TRIES_MAX 10
#define HOOK_PAUSE_MS  250
#define HOOK_LAST_MS   2000

struct hooks;

struct hooks *hook_start(const struct config *c);
void hook_set(struct hooks *h, const struct config *c); /* of a new configuration */
void hook_stop(struct hooks *h);                        /* NULL is allowed */
