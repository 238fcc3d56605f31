/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/segment_int.h"

#include "base/clock.h"
#include "base/metric.h"
#include "proxy/upstream/resume.h"

#define FULL_SHARE 4 /* one refusal in so many pieces: it is us who are slow */

static void help(struct segments *s);

static void end_exchange(struct segment_helper *h)
{
    if (h->state == SEGMENT_ASKING) {
        exchange_free(&h->exchange);
        fill_lane_close(h->all->fill, h->lane);
    }
    origin_leave(&h->turn);
    h->state = SEGMENT_OFF;
}

static bool on_head(struct exchange *x)
{
    struct segment_helper *h = x->owner;
    const struct fill *f = h->all->fill;
    const struct extent_lane *l = fill_lane_look(f, h->lane);

    h->all->seen |= origin_bit(x->site);
    return resume_check_part(&x->call.head, l->from, l->end, f->size, &x->call.err) == 0;
}

const char *segment_complaint(const struct exchange *x)
{
    switch (x->end.status) {
    case 200:
        return "it gives no parts";
    case 206:
        return "it gives other parts than asked for";
    case 403:
        return "it refuses parts (403)";
    case 416:
        return "it does not know the part (416)";
    case 429:
        return "it is asked too often (429)";
    default:
        return "it answers with an error when asked for parts";
    }
}

static enum client_taken on_data(struct exchange *x, struct sl data)
{
    struct segment_helper *h = x->owner;

    switch (fill_lane_write(h->all->fill, h->lane, data, &x->call.err)) {
    case 1:
        return CLIENT_TAKEN;
    case 0:
        return CLIENT_FULL;
    default:
        return CLIENT_REFUSED;
    }
}

/* What was asked for is not given so, or too much was asked. */
static bool is_unwelcome(const struct exchange *x)
{
    return x->end.cause == RETRY_WRONG || x->end.status == 416 || x->end.status == 429;
}

static void on_done(struct exchange *x)
{
    struct segment_helper *h = x->owner;
    struct segments *s = h->all;
    const struct extent_lane *l = fill_lane_look(s->fill, h->lane);
    bool failed = x->end.err.kind != PG_E_NONE || l->at < l->end;

    if (is_unwelcome(x) && x->site != NULL)
        site_no_parts(x->site, pg_clock_mono_ms(), segment_complaint(x));
    else if (!failed)
        site_gave_part(x->site);
    s->off = s->off || is_unwelcome(x) || (failed && ++s->fails >= SEGMENT_FAILS_MAX);
    end_exchange(h);
    if (!failed)
        help(s);
    s->moved(s);
}

static const struct exchange_events events = {on_head, on_data, on_done};

/* Somebody who is waited for needs the connection: gets in line again at the next look. */
static void on_yield(struct origin_turn *turn)
{
    struct segment_helper *h = pg_container_of(turn, struct segment_helper, turn);
    struct segments *s = h->all;

    pg_metric_inc(PG_M_PARTS_YIELDED);
    end_exchange(h);
    s->moved(s);
}

static void on_granted(struct origin_turn *turn)
{
    struct segment_helper *h = pg_container_of(turn, struct segment_helper, turn);
    struct segments *s = h->all;
    struct exchange_spec spec = {.unknown = PG_E_BLOB_UNKNOWN,
                                 .path = s->path,
                                 .repo = s->repo.p,
                                 .accept = "*/*",
                                 .helps = true};
    const struct extent_lane *l;

    if (s->off || !fill_lane_open(s->fill, h->lane)) {
        end_exchange(h);
        return;
    }
    l = fill_lane_look(s->fill, h->lane);
    spec.until = l->end;
    exchange_init(&h->exchange, &spec, turn, &events, h);
    h->exchange.path.avoid = origin_partless(turn->origin);
    h->state = SEGMENT_ASKING;
    exchange_start(&h->exchange, l->from, false);
}

static void on_refused(struct origin_turn *turn, const struct pg_err *why, int retry_after_s)
{
    (void)why;
    (void)retry_after_s;
    pg_container_of(turn, struct segment_helper, turn)->state = SEGMENT_OFF;
}

static void get_in_line(struct segment_helper *h)
{
    struct pg_err ignored = {0};
    int retry_after_s;

    h->turn.line = ORIGIN_AHEAD;
    h->turn.class = SITE_BLOB;
    h->turn.has_digest = true;
    h->turn.repo = h->all->repo;
    h->turn.caller = h->all->caller;
    h->turn.granted = on_granted;
    h->turn.refused = on_refused;
    h->turn.yield = on_yield;
    if (origin_join(h->all->origin, &h->turn, &retry_after_s, &ignored) == 0)
        h->state = SEGMENT_IN_LINE;
    pg_err_clear(&ignored);
}

/* Where each request counts, more of them are no gain. */
static void help(struct segments *s)
{
    s->off = s->off || health_counts_blobs(s->origin->health);
    for (unsigned i = 0; i < EXTENT_LANES && !s->off && !s->no_gain; i++) {
        if (s->helpers[i].state == SEGMENT_OFF)
            get_in_line(&s->helpers[i]);
    }
}

/* Of the time since the last look. */
static void begin_to_watch(struct segments *s)
{
    s->looked_ms = pg_clock_mono_ms();
    s->fill->refused = s->fill->taken = s->fill->taken_bytes = 0;
}

bool segment_is_alone(const struct segments *s)
{
    for (unsigned i = 0; i < EXTENT_LANES; i++) {
        if (s->helpers[i].state == SEGMENT_ASKING)
            return false;
    }
    return true;
}

static bool is_of_no_gain(const struct segments *s)
{
    const struct fill *f = s->fill;
    uint64_t ms = pg_clock_mono_ms() - s->looked_ms;
    bool is_fast = f->taken_bytes * 1000 > SEGMENT_FAST_BYTES * ms;

    return f->refused * FULL_SHARE > f->taken || (is_fast && segment_is_alone(s));
}

static void look(struct delay *d)
{
    struct segments *s = pg_container_of(d, struct segments, look);

    s->no_gain = is_of_no_gain(s);
    begin_to_watch(s);
    help(s);
    if (!s->off)
        delay_start(&s->origin->set->delays, &s->look, SEGMENT_LOOK_MS, look);
}

void segment_init(struct segments *s)
{
    delay_init(&s->look);
    for (unsigned i = 0; i < EXTENT_LANES; i++) {
        s->helpers[i] = (struct segment_helper){.all = s, .lane = i};
        origin_turn_init(&s->helpers[i].turn);
    }
}

void segment_watch(struct segments *s, struct origin *o)
{
    s->origin = o;
    if (s->off || !pg_list_empty(&s->look.node))
        return;
    begin_to_watch(s);
    delay_start(&o->set->delays, &s->look, SEGMENT_LOOK_MS, look);
}

void segment_steal(struct segments *s, unsigned lane)
{
    PG_CHECK(s->helpers[lane].state == SEGMENT_ASKING);
    end_exchange(&s->helpers[lane]);
}

void segment_resume(struct segments *s)
{
    for (unsigned i = 0; i < EXTENT_LANES; i++) {
        if (s->helpers[i].state == SEGMENT_ASKING)
            client_resume(&s->helpers[i].exchange.call);
    }
}

void segment_stop(struct segments *s)
{
    s->off = true;
    delay_stop(&s->look);
    for (unsigned i = 0; i < EXTENT_LANES; i++) {
        if (s->helpers[i].state != SEGMENT_OFF)
            end_exchange(&s->helpers[i]);
    }
}
