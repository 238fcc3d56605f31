/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ahead - the config and the layers of an image, ordered as soon as its manifest was given to a
 * client, since that is what it asks for next. They come in that order, through the same flights
 * that a client's requests would make, and in the line of what nobody waits for (fetch.h); whoever
 * asks for one of them meanwhile joins it, and it goes before the others.
 *
 *     begin --(looked at lately)--> nothing
 *       +--> read (which are not here?) --> a flight and an order for each of those
 *
 * Only after a GET: a HEAD moves no blob (N19). Not for what the operator fetches, not from an
 * upstream that is down, asks for patience, counts blobs (budget.h), or has too few connections to
 * spare one. How much may wait, and what it may do to the store, is the fetch thread's to say.
 * A manifest is looked at once in AHEAD_AGAIN_MS, so that one that everybody asks for costs
 * nothing.
 *
 * Ownership:  what is being read holds all that it looks at; ahead_stop_all() lets go of it.
 * Failure:    none: what is not ordered is fetched when it is asked for.
 * Threads:    its loop's; a large manifest is read in the data pool.
 */
#pragma once

#include "proxy/journey/journey.h"

#define AHEAD_AGAIN_MS        60000
#define AHEAD_BLOBS_MAX       64 /* of one image */
#define AHEAD_CONNECTIONS_MIN 3  /* else the only one for blobs might be taken */

struct aheads;

struct aheads *ahead_new_set(void);
void ahead_free_set(struct aheads *a);          /* ahead_stop_all() before it */
void ahead_stop_all(struct journey_home *home); /* the loop has stopped */

/* The answer to j is on its way: this body, of a manifest with j->told.digest. */
void ahead_begin(struct journey *j, struct sl body, struct sl media_type);
