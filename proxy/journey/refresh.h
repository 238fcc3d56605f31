/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refresh - what upstream says about one manifest now, once for all journeys of a loop that want
 * to know it.
 *
 *     start --(a digest is at hand)--> head --same--> confirmed            land_tag, land_link
 *       |                               | other, or it cannot say
 *       +-------------------------------+--> get --> read --> landed       land_manifest
 *
 * It goes on when its readers have left: a client that was given a stale answer meanwhile, or went
 * away, does not keep the next one from finding the new one.
 *
 * What upstream says of our access to the repository is noted (cache/access), where something was
 * known of it. What is deleted there is forgotten here, if the upstream's when_deleted says so.
 *
 * Ownership:  counted by its readers, and by itself while it travels. A reader is embedded in
 *             its journey. What *refresh says is read by its readers, from done() to leave.
 * Failure:    ->err, after done(): MANIFEST_UNKNOWN (then tag or link are gone from the store, if
 *             that is to be followed), UPSTREAM_DOWN, UPSTREAM_WRONG, UPSTREAM_TLS, TIMEOUT,
 *             STORE_IO.
 * Threads:    its loop's.
 */
#pragma once

#include "proxy/journey/journey.h"

struct refresh;

struct refresh_reader {
    struct pg_list node;
    struct refresh *refresh;                /* NULL: not aboard */
    void (*done)(struct refresh_reader *r); /* notes and wakes; at most once */
    bool answered;
};

struct refresh_answer {
    struct pg_err err;
    int retry_after_s;
    bool denied;    /* with MANIFEST_UNKNOWN: upstream lets us not read the repository */
    bool withdrawn; /* and did so before; it is to be followed */
    struct digest digest, sha256;
    struct sl media_type;
    struct pg_bytes *bytes; /* NULL: confirmed; the manifest is the one in the store */
};

/* j says what is asked: target, reference, snapshot. have: the digest whose manifest is in the
 * store, NULL when there is none. */
void refresh_join(struct journey *j, const struct digest *have, struct refresh_reader *reader,
                  void (*done)(struct refresh_reader *r));
/* The same by a digest, whatever j asks for; have: its manifest is in the store. */
void refresh_join_digest(struct journey *j, const struct digest *d, bool have,
                         struct refresh_reader *reader, void (*done)(struct refresh_reader *r));
void refresh_leave(struct refresh_reader *reader); /* also when not aboard */
const struct refresh_answer *refresh_look(const struct refresh_reader *reader);

/* The loop has stopped: ends what still travels. */
void refresh_stop_all(struct journey_home *home);
