/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pull_blob - GET and HEAD of /v2/<name>/blobs/<digest>.
 *
 *     lookup --(linked here)--> open --(in the store)-------------------> admit --> deliver
 *       |                      ^ |  |      (after this upstream has         ^
 *       |                      | |  |       shown that it has it, too)       |
 *       +--> ask --> linked ---+ |  +--(HEAD)--> ask --> measured ----------+
 *            (is it in this      |                                          |
 *             repository?)       +--(GET)--> board --> flying --(size)------+
 *                                              ^          |
 *                                              +- again <-+ (lost before it began)
 *
 * Knowing a digest is not a right to read it here: without a link upstream is asked whether this
 * repository has the blob. A miss boards the flight of the blob: the first reader starts its
 * download, all others read along. A Range counts as soon as the size is known, wherever the bytes
 * come from. A HEAD starts no download. Where a flight that another repository began is lost before
 * it brought anything, that is no answer of ours: upstream is asked again, for us. One of another
 * upstream is waited for, and not for long: then ours has a flight beside it (cache/fill).
 */
#pragma once

#include "proxy/journey/journey.h"

#define PULL_BLOB_FOREIGN_MS 2000 /* of waiting for another upstream's flight to land */
#define PULL_BLOB_TRIES      3    /* flights boarded that were called off before they began */

extern const struct rq_stage pull_blob_first;
