/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill - the bytes of one blob on their way to the store: partial file, digest, publish.
 *
 *      open --> [rehash of what was kept] --> write* --> end --> verified --> publish --> landed
 *                                               |         |                     |
 *                                               +---------+------ fail ---------+--> lost
 *
 * The owner (the fetch thread) hands in bytes in order; the data pool hashes and writes them, one
 * job in flight, while the next buffer fills; each finished job moves the flight's watermark.
 * fill_end() compares length and digest: equal -> flight_verify(), then the slow pool syncs and
 * renames, the writer commits, flight_finish(). Unequal -> the partial is dropped and the owner
 * hears FILL_WRONG: readers that were served from it get a short reply, never a whole one, and the
 * next to ask begins at byte 0.
 *
 * Bytes may also come over several connections, each from a place of its own on: what is beyond the
 * first gap is written where it belongs, and hashed from the file once the gap is closed. So the
 * hash and the watermark move in order, and no more than a buffer for each connection is in memory.
 *
 * A fill that breaks off keeps its contiguous prefix in partial/; the next fill_open() of that
 * digest finds it (->have), rehashes it in the data pool, and readers are served from it behind
 * the hold-back meanwhile.
 *
 * Ownership:  fill_open() gives it; it frees itself after LANDED, or after fill_fail().
 * Failure:    of the disk, or no room: the blob goes on uncached (cache/uncached) and is LANDED for
 *             the owner, or else FILL_DISK. The flight is failed by the fill_fail() that the owner
 *             calls, or finished by the fill. A disk that fails after VERIFIED: the flight is
 *             failed by the fill (who is aboard is still served) and the event is LANDED.
 * Threads:    open, write, end, fail and events: the owner's. Jobs: the pools'.
 */
#pragma once

#include "base/mailbox.h"
#include "cache/extent.h"
#include "cache/flight.h"
#include "cache/store.h"
#include "oci/digest.h"

#define FILL_BUFFER_BYTES ((size_t)256 * 1024)
#define FILL_ALL          (-1) /* of fill_next() */
#define FILL_RUN          (-2)

enum fill_event {
    FILL_READY,  /* after fill_open(): ->have is final, write from there on */
    FILL_ROOM,   /* a fill_write() that was refused may be repeated */
    FILL_LANDED, /* published; the flight is finished; *f is freed after this returns */
    FILL_WRONG,  /* length or digest differ; partial dropped; ->err. The owner must fill_fail() */
    FILL_DISK,   /* the disk failed; ->err says how. The owner must fill_fail() */
};

struct fill {
    struct store *store;
    struct flight *flight;
    struct digest digest;
    uint64_t size;  /* UINT64_MAX: not known before the end */
    uint64_t have;  /* where fill_write() writes: so many bytes are here, what was kept included */
    uint64_t until; /* by fill_next(): fill_write() takes no bytes from there on */
    uint64_t taken, refused; /* writes, of all connections: the owner may set them back, */
    uint64_t taken_bytes;    /* this too */
    struct pg_err err;
    void *owner;
    void (*on_event)(struct fill *f, enum fill_event event);
    struct fill_work *work; /* private to fill.c */
};

/* Of a flight beside another (flight_say_beside()) nothing is kept but that its upstream has the
 * blob (cache/proof): its file has no name, and who comes later begins anew.
 *
 * Begins, once store_make_room() has room for it; while the bytes come it asks again. For a flight
 * that nobody has asked for yet (flight_foresee()) nothing is evicted: it ends with DISK, CANCELED,
 * where there is no room for it and for all that are like it. size as known
 * from descriptor or upstream's Content-Length, else UINT64_MAX. The first event is READY or DISK,
 * and comes through home. No other fill of this digest may be open.
 *
 * The flight has its file, and leaves HEAD (flight_head()), when the size is known and the bytes
 * are really coming: when a kept prefix is found, by fill_size(), or by the first fill_write(); so
 * that an upstream that says no can still be told to the client; of an empty blob when it is
 * verified, since its answer is complete with its head. ->have may be the whole size at
 * READY: then fill_end() is next. */
struct fill *fill_open(struct store *s, struct flight *flight, const struct digest *d,
                       uint64_t size, struct pg_mailbox *home,
                       void (*on_event)(struct fill *f, enum fill_event event), void *owner);

/* After READY: upstream's answer says this size. Call it with a size that was known before, too:
 * readers see their head earlier. -1 UPSTREAM_WRONG when it contradicts what was known. */
PG_MUST_USE int fill_size(struct fill *f, uint64_t size, struct pg_err *err);

/* Takes all of the bytes, at most FILL_BUFFER_BYTES (1), or none because the buffers are full (0:
 * repeat after ROOM; after DISK always 0). -1 UPSTREAM_WRONG: more than size. */
int fill_write(struct fill *f, struct sl bytes, struct pg_err *err);

/* Several connections (extent.h): the first brings the lowest bytes that are missing, by
 * fill_write(); the others, the lanes, a run each beyond ->until. After READY, before fill_end().
 *
 * fill_next(): the first goes on, FILL_RUN: from ->have until ->until, so many segments at most (0:
 * no limit); or there is nothing for it: FILL_ALL: all is here or in buffers; or the lane, still
 * open, whose run has the next byte. */
int fill_next(struct fill *f, unsigned segments);

/* Before there is a lane: another size than EXTENT_SEGMENT_BYTES, for tests with small blobs. */
void fill_set_segment(struct fill *f, uint64_t nbytes);

/* Gives the lane a run, which fill_lane_look() tells. False: there is none to be had now. Its size
 * has to be known. */
bool fill_lane_open(struct fill *f, unsigned lane);
/* As fill_write(), at the lane's `at`. */
int fill_lane_write(struct fill *f, unsigned lane, struct sl bytes, struct pg_err *err);
/* What it has brought is kept, the rest of its run is missing again. */
void fill_lane_close(struct fill *f, unsigned lane);
const struct extent_lane *fill_lane_look(const struct fill *f, unsigned lane);

/* Upstream's body is complete, all lanes are closed: verify, then publish. */
void fill_end(struct fill *f);

/* Gives up: fails the flight with why, keeps the partial unless why is UPSTREAM_WRONG; frees the
 * fill when its last job is done, the flight fails then. What is being published is let land. No
 * event comes after this. Not after LANDED. */
void fill_fail(struct fill *f, const struct pg_err *why);

/* How many fills of the store are not freed yet: a fetch thread that ends drains its mailbox until
 * there are none. */
unsigned fill_count(struct store *s);
