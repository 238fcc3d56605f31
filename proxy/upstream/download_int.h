/* SPDX-License-Identifier: Apache-2.0 */
/*
 * download - one blob from an upstream into a fill (cache/fill.h), which feeds a flight.
 *
 *      in line --> opening --> asking <--> broken off: again, from where it stopped
 *         |           |          |
 *         |           |          +-- all is here --> ending --> landed
 *         +-----------+----------+------- fail ------> lost
 *
 * It goes on without readers. When the fill has no room, libcurl holds the bytes and reads no more
 * from its socket. What breaks off is taken up with Range, each time through the upstream's own
 * address, whose redirects may have been for once; a 200 to it is read over the bytes that are
 * here. It gives up after DOWNLOAD_FAILS_MAX attempts that brought less than DOWNLOAD_STEP_BYTES.
 * Not before the whole is here, and its digest matched, does it count.
 *
 * What was ordered ahead and nobody has asked for yet is called off (CANCELED) when too many like
 * it wait, when upstream counts what it is asked for, when the repository does not name the blob
 * any more, when the store has no room to spare, or when another of the same repository has failed.
 *
 * When the blob is found in the store at the start, the flight is failed with CANCELED: whoever is
 * aboard looks into the store again.
 * Threads: download_new: any; the rest the fetch thread's.
 */
#pragma once

#include "proxy/upstream/fetch_int.h"

#define DOWNLOAD_FAILS_MAX 3
#define DOWNLOAD_AHEAD_CALLER_MAX                                                                  \
    64                          /* of an upstream that nobody has asked for yet, by one caller */
#define DOWNLOAD_AHEAD_MAX  256 /* and by all */
#define DOWNLOAD_STEP_BYTES ((uint64_t)256 * 1024)

void download_order(struct fetch *f, const struct fetch_blob_order *order);
void download_cancel_all(struct fetch *f); /* the thread ends */
void download_write_json(struct fetch *f, struct pg_buf *out);
