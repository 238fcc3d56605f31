/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forward - the entries of the audit log on their way to who collects them elsewhere
 * (`audit.forward`): JSON lines over HTTPS, or syslog over TCP or TLS. audit/wire.h has the texts.
 *
 * Each sink has a thread of its own, which follows the log (audit/follow.h): what waits is the log
 * itself, on disk, as long as that is kept, and nothing else waits for a sink. How far it is stands
 * in audit/sent-<name>, so that a restart, of us or of the sink, loses nothing; what was sent and
 * not confirmed is sent again, and receivers know it by its id. When the sink has all, it also gets
 * each new signed head of the log.
 *
 *   https   confirmed by a status of 2xx, a batch at a time.
 *   syslog  confirms nothing. What was sent counts as taken when the other side's kernel has it and
 *           the connection held for SINK_SETTLE_MS more; else it is sent again.
 *
 * A sink that does not take it is tried again, after 1 s at first and 30 s at last, for ever. Where
 * the log removed what a sink had not got, that is an entry of the log, a metric and a line in the
 * log of the server.
 *
 * Ownership:  forward_start() to forward_stop(); the trail outlives it.
 * Threads:    main.
 */
#pragma once

#include "audit/trail.h"
#include "proxy/config.h"

struct forward;

/* trail: NULL: there is nothing to send. path: the log's directory. */
struct forward *forward_start(const struct config *c, struct trail *trail, const char *path);
void forward_set(struct forward *f, const struct config *c); /* of a new configuration */
/* While an heir may have the log, nothing is sent. */
void forward_hold(struct forward *f);
void forward_resume(struct forward *f);
void forward_stop(struct forward *f); /* NULL is allowed */
