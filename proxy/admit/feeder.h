/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feeder - feeds of revocations (`revocation_feeds`): signed lists that are fetched again and
 * again, by a thread, and taken over into the store (cache/revoked), from where they hold for the
 * very next request.
 *
 *     every interval --> grab --> feed_read: signed by its key? --> newer, not expired?
 *                                                                        |
 *            journal, in force <-- what is new, then what is given back <--+
 *
 * An edition counts only if its (epoch, serial) is greater than all that were taken over, also
 * before a restart; one of the same serial that says something else is told, as is an older one.
 * What does not come, or is refused, changes nothing: what the feed said last stays in force.
 *
 * A feed is stale when its newest edition has expired, or when it never came. That is told by the
 * metric and the status; with `when_stale: deny` nothing leaves while it is so.
 *
 * Ownership:  feeder_start() to feeder_stop(); store and trail outlive it.
 * Threads:    main.
 */
#pragma once

#include "audit/trail.h"
#include "cache/store.h"
#include "proxy/config.h"

struct feeder;

/* Whether a feed is stale is known when it returns. trail may be NULL. */
struct feeder *feeder_start(const struct config *c, struct store *s, struct trail *trail);
void feeder_set(struct feeder *f, const struct config *c); /* of a new configuration */
/* While an heir may have the store, nothing is taken over; what is stale is still looked at, by
 * what the heir takes over. */
void feeder_hold(struct feeder *f);
void feeder_resume(struct feeder *f);
void feeder_stop(struct feeder *f); /* NULL is allowed */
