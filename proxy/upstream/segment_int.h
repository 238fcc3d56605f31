/* SPDX-License-Identifier: Apache-2.0 */
/*
 * segment - the further connections of a download: up to EXTENT_LANES helpers, each of which brings
 * one segment after the other of what lies beyond the first connection's run (cache/extent.h).
 *
 *      off --> in line --> asking --(its segment is here)--> in line, ...
 *       ^         |           |
 *       +---------+-----------+--(nothing to do, or any trouble)
 *
 * Each SEGMENT_LOOK_MS it is looked at whether help is wanted: not when the blob comes as fast as
 * it is hashed and written, which is seen by how often the fill has no room; nor when a single
 * connection brings SEGMENT_FAST_BYTES a second, which hardly anybody limits a connection to.
 *
 * A helper takes its turn in the line of what nobody waits for, for one segment at a time, and
 * breaks off in the midst of one when somebody who is waited for needs the connection. It does not
 * try again: what it could not bring is missing again, and the first connection, which knows of
 * retries and other URLs, comes by. After SEGMENT_FAILS_MAX failures there are no helpers any more
 * for this download; a URL that gives no proper part, or answers 429, is not asked for parts for a
 * while (site_no_parts()).
 *
 * Ownership:  embedded in a download, which has a fill while there are helpers.
 * Threads:    the fetch thread's.
 */
#pragma once

#include "cache/fill.h"
#include "proxy/upstream/exchange_int.h"

#define SEGMENT_FAILS_MAX  2
#define SEGMENT_LOOK_MS    40
#define SEGMENT_FAST_BYTES (UINT64_C(100) * 1024 * 1024)

enum segment_state { SEGMENT_OFF, SEGMENT_IN_LINE, SEGMENT_ASKING };

struct segments;

struct segment_helper {
    struct segments *all;
    unsigned lane;
    enum segment_state state;
    struct origin_turn turn;
    struct exchange exchange; /* ASKING */
};

struct segments {
    const char *path; /* the owner's texts */
    struct sl repo, caller;
    struct fill *fill;
    void (*moved)(struct segments *s); /* a run has ended: the owner may go on */
    unsigned fails, seen; /* seen: sites that brought something, as in an origin_path */
    bool off;
    struct origin *origin; /* by segment_watch() */
    struct delay look;
    bool no_gain;
    uint64_t looked_ms;
    struct segment_helper helpers[EXTENT_LANES];
};

/* The struct is the owner's to fill but for the helpers. */
void segment_init(struct segments *s);
/* The first connection brings a part, which may take a while. Also inside of libcurl. */
void segment_watch(struct segments *s, struct origin *o);
void segment_steal(struct segments *s, unsigned lane); /* its run ends here, without moved() */
void segment_resume(struct segments *s);               /* there is room in the fill */
bool segment_is_alone(const struct segments *s);       /* nobody helps at the moment */
void segment_stop(struct segments *s);                 /* all of them; for good */

/* Of an answer that is not the part that was asked for. */
const char *segment_complaint(const struct exchange *x);
