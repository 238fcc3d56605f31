/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "sim/life.h"
#include "sim/sched.h"

#define PIECE_MAX 30000
#define SEGMENT   50000

struct feed *upstream_feed_of(unsigned object)
{
    struct feed *f = &life.feeds[object];

    return f->fill != NULL ? f : NULL;
}

void upstream_give_up(struct feed *f, enum pg_ekind kind)
{
    struct pg_err why = {0};
    struct fill *fill = f->fill;

    sched_say("upstream gives up on %u at %ju", f->object, (uintmax_t)f->at);
    (void)pg_fail(&why, kind, "the simulated upstream gives up");
    f->fill = NULL;
    fill_fail(fill, &why);
    pg_err_clear(&why);
}

static void on_landed(struct feed *f)
{
    bool kept = f->fill->flight == NULL && f->fill->err.kind == PG_E_NONE;

    sched_say("landed %u", f->object);
    f->fill = NULL;
    if (kept && !model->is_tight && f->purges == life.purges && !life_had_faults())
        model->stored[f->object] = true;
}

static void on_event(struct fill *fill, enum fill_event event)
{
    struct feed *f = fill->owner;

    PG_CHECK(f->fill == fill);
    switch (event) {
    case FILL_READY:
        PG_CHECK(!f->is_ready);
        f->is_ready = true;
        f->at = f->plan == FEED_FROM_ZERO ? 0 : fill->have;
        if (f->in_parts)
            fill_set_segment(fill, SEGMENT);
        return;
    case FILL_ROOM:
        return;
    case FILL_LANDED:
        on_landed(f);
        return;
    case FILL_WRONG:
        sched_say("wrong %u: %s", f->object, fill->err.msg);
        model->wrong++;
        upstream_give_up(f, PG_E_UPSTREAM_WRONG);
        return;
    case FILL_DISK:
        sched_say("disk %u: %s", f->object, fill->err.msg);
        PG_CHECK(model->is_tight || life_had_faults());
        upstream_give_up(f, fill->err.kind);
        return;
    }
}

void upstream_start(unsigned object, struct flight *flight)
{
    struct feed *f = &life.feeds[object];
    uint64_t n = world[object].bytes.n;

    PG_CHECK(f->fill == NULL); /* one download of one blob */
    *f = (struct feed){.object = object,
                       .plan = life.is_calm ? life.plan : FEED_GOOD,
                       .purges = life.is_purging ? 0 : life.purges,
                       .size_known = sched_chance(3) > 0,
                       .break_at = sched_chance(n + 1)};
    if (!life.is_calm && sched_chance(2) == 0)
        f->plan = (enum feed_plan)sched_chance(FEED_PLANS);
    f->in_parts = f->size_known && sched_chance(2) == 0 &&
                  (f->plan == FEED_GOOD || f->plan == FEED_TRUNCATED || f->plan == FEED_FLIPPED);
    sched_say("upstream is asked for %u, plan %d at %ju of %ju", object, (int)f->plan,
              (uintmax_t)f->break_at, (uintmax_t)n);
    f->fill = fill_open(life.store, flight, &world[object].digest, f->size_known ? n : UINT64_MAX,
                        &life.box, on_event, f);
}

/* Upstream's head: 0, or the download is over. */
static int say_head(struct feed *f)
{
    uint64_t n = world[f->object].bytes.n, said = n;
    struct pg_err err = {0};

    f->has_head = true;
    if (f->at > n) { /* 416: what is half here was longer than the whole */
        upstream_give_up(f, PG_E_UPSTREAM_WRONG);
        return -1;
    }
    if (f->plan == FEED_NOT_FOUND) {
        upstream_give_up(f, PG_E_BLOB_UNKNOWN);
        return -1;
    }
    if (f->plan == FEED_LENGTH)
        said = sched_chance(2) == 0 ? n + 1 + sched_chance(50) : sched_chance(n + 1);
    if (sched_chance(4) == 0 || fill_size(f->fill, said, &err) == 0)
        return 0;
    PG_CHECK(f->plan == FEED_LENGTH);
    upstream_give_up(f, err.kind);
    pg_err_clear(&err);
    return -1;
}

/* The bytes that upstream sends at f->at. */
static size_t piece_of(struct feed *f, char *to)
{
    struct sl all = world[f->object].bytes;
    uint64_t end = all.n;
    size_t n;

    if (f->plan == FEED_TRUNCATED || f->plan == FEED_SHORT)
        end = f->break_at;
    if (f->at >= end)
        return 0;
    n = 1 + (size_t)sched_chance(PIECE_MAX);
    if (n > end - f->at)
        n = (size_t)(end - f->at);
    memcpy(to, all.p + f->at, n);
    if (f->plan == FEED_FLIPPED && f->break_at >= f->at && f->break_at < f->at + n)
        to[f->break_at - f->at] ^= 0x20;
    return n;
}

static void write_piece(struct feed *f, const char *p, size_t n)
{
    struct pg_err err = {0};
    int r = fill_write(f->fill, (struct sl){p, n}, &err);

    if (r > 0)
        f->at += n;
    if (r < 0) {
        PG_CHECK(f->plan == FEED_LONG || f->plan == FEED_FROM_ZERO || f->plan == FEED_LENGTH);
        upstream_give_up(f, err.kind);
    }
    pg_err_clear(&err);
}

/* ---- over several connections ---- */

/* Some of the bytes [at, end), as upstream sends them. */
static size_t part_of(const struct feed *f, uint64_t at, uint64_t end, char *to)
{
    size_t n = 1 + (size_t)sched_chance(PIECE_MAX);

    n = n < end - at ? n : (size_t)(end - at);
    memcpy(to, world[f->object].bytes.p + at, n);
    if (f->plan == FEED_FLIPPED && f->break_at >= at && f->break_at < at + n)
        to[f->break_at - at] ^= 0x20;
    return n;
}

static void step_lane(struct feed *f, unsigned lane)
{
    const struct extent_lane *l = fill_lane_look(f->fill, lane);
    char piece[PIECE_MAX];
    struct pg_err err = {0};

    if (l->state == EXTENT_FREE) {
        (void)fill_lane_open(f->fill, lane);
    } else if (l->state == EXTENT_OPEN && (l->at == l->end || sched_chance(16) == 0)) {
        fill_lane_close(f->fill, lane);
    } else if (l->state == EXTENT_OPEN) {
        size_t n = part_of(f, l->at, l->end, piece);

        PG_CHECK(fill_lane_write(f->fill, lane, (struct sl){piece, n}, &err) >= 0);
    }
}

static void step_first(struct feed *f)
{
    struct fill *fill = f->fill;
    uint64_t until = fill->until < fill->size ? fill->until : fill->size;
    char piece[PIECE_MAX];
    struct pg_err err = {0};
    int next = FILL_RUN;

    if (fill->have == until || fill->until == UINT64_MAX)
        next = fill_next(fill, 1);
    if (next == FILL_ALL) {
        f->has_ended = true;
        fill_end(fill);
    } else if (next >= 0) {
        fill_lane_close(fill, (unsigned)next);
    } else {
        size_t n = part_of(f, fill->have, fill->until, piece);

        PG_CHECK(fill_write(fill, (struct sl){piece, n}, &err) >= 0);
    }
}

static void step_in_parts(struct feed *f)
{
    unsigned who = (unsigned)sched_chance(1 + EXTENT_LANES);

    if (f->plan == FEED_TRUNCATED && sched_chance(20) == 0)
        upstream_give_up(f, PG_E_UPSTREAM_DOWN);
    else if (who > 0)
        step_lane(f, who - 1);
    else
        step_first(f);
}

void upstream_step(struct feed *f)
{
    char piece[PIECE_MAX + 1];
    size_t n;

    if (f->fill == NULL || !f->is_ready || f->has_ended)
        return;
    if (!life.is_calm && sched_chance(16) == 0)
        f->is_stalled = !f->is_stalled;
    if (f->is_stalled && !life.is_calm)
        return;
    if (!f->has_head && say_head(f) < 0)
        return;
    if (f->in_parts) {
        step_in_parts(f);
        return;
    }
    n = piece_of(f, piece);
    if (n > 0) {
        write_piece(f, piece, n);
    } else if (f->plan == FEED_TRUNCATED) {
        upstream_give_up(f, PG_E_UPSTREAM_DOWN);
    } else if (f->plan == FEED_LONG && f->fill->size != UINT64_MAX) {
        write_piece(f, "more", 4);
    } else {
        f->has_ended = true;
        fill_end(f->fill);
    }
}
