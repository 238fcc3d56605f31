/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/download_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "cache/blob.h"
#include "cache/fill.h"
#include "cache/overlay.h"
#include "oci/ref.h"
#include "proxy/upstream/exchange_int.h"
#include "proxy/upstream/resume.h"
#include "proxy/upstream/segment_int.h"

#define REFUSED_WAIT_S 5  /* how long one that has begun waits for a breaker, each time */
#define PARTED_WAIT_S  30 /* the same for one in parts, which may be what the upstream minds */
#define PATH_BYTES_MAX 1024

#define SEGMENTS_MIN   2   /* more than that is worth it */
#define STEAL_MS       500 /* so long a helper's run is waited for */
#define ALONE_SEGMENTS 4   /* asked for at once while nobody helps */

enum download_state { IN_LINE, OPENING, ASKING, WAITING, ENDING };

/* Which of the upstream's sites the bytes of this fill came from; sets as in an origin_path. */
struct sources {
    uint64_t origin; /* its number: it may be gone once the turn is left */
    unsigned all, seen;
    bool one; /* they were wrong once: all of them from one, this time */
};

/* How the bytes are asked for. */
struct way {
    bool whole;          /* no Range any more: upstream does not understand it */
    bool parted;         /* so far it was in parts */
    bool blocked;        /* what comes next is on its way by a helper, too */
    const char *refused; /* a part was, and so may be the whole */
};

struct download {
    struct pg_mail mail;
    struct pg_list node; /* in fetch->downloads */
    struct fetch *fetch;
    struct snapshot *snapshot;
    const struct config_upstream *upstream;
    struct digest digest;
    uint64_t size; /* UINT64_MAX: not known */
    enum fetch_priority priority;
    struct flight *flight;
    enum download_state state;
    struct origin_turn turn;
    struct exchange exchange; /* from OPENING on */
    struct fill *fill;        /* from OPENING on */
    struct delay again;
    struct segments segments; /* from OPENING on */
    uint64_t skip;            /* bytes of this answer that are here already */
    uint64_t brought;         /* by this attempt */
    unsigned fails;
    struct trace_context trace;
    struct way way;
    struct sources sources;
    uint64_t began_ms;
    char *repo, *caller;
    char path[PATH_BYTES_MAX];
};

static void free_download(struct download *d)
{
    delay_stop(&d->again);
    if (d->state != IN_LINE)
        exchange_free(&d->exchange);
    origin_leave(&d->turn);
    pg_list_remove(&d->node);
    pg_metric_add(PG_M_FLIGHTS, -1);
    config_snapshot_unref(d->snapshot);
    free(d->repo);
    free(d->caller);
    free(d);
}

/* It was ordered ahead, and nobody has asked for it yet. */
static bool is_unasked(const struct download *d)
{
    return d->priority == FETCH_AHEAD && flight_is_unasked(d->flight);
}

static bool same_repo(const struct download *a, const struct download *b)
{
    return a->upstream == b->upstream && strcmp(a->repo, b->repo) == 0;
}

static void log_failure(const struct download *d, const struct pg_err *err)
{
    struct pg_log_line line;

    pg_log_begin(&line, PG_LOG_UPSTREAM, PG_LOG_WARN);
    pg_log_str(&line, "upstream", (struct sl){d->upstream->name, strlen(d->upstream->name)});
    pg_log_str(&line, "asked", (struct sl){d->path, strlen(d->path)});
    pg_log_u64(&line, "fails", d->fails);
    pg_log_err(&line, err);
    pg_log_end(&line);
}

static struct unknown_key unknown_key_of(const struct download *d, char text[DIGEST_TEXT_MAX])
{
    return (struct unknown_key){.revision = d->snapshot->revision,
                                .kind = UNKNOWN_BLOB,
                                .upstream = {d->upstream->name, strlen(d->upstream->name)},
                                .repo = {d->repo, strlen(d->repo)},
                                .reference = digest_write(&d->digest, text)};
}

static void note_unknown(const struct download *d)
{
    char text[DIGEST_TEXT_MAX];
    struct unknown_key key = unknown_key_of(d, text);

    unknown_note(&d->fetch->unknown, &key, pg_clock_mono_ms());
}

/* N20: two versions may have been spliced; a mirror may have another one. */
static void suspect(struct download *d)
{
    d->sources.seen |= d->segments.seen;
    if ((d->sources.all & (d->sources.all - 1)) != 0 || d->way.parted)
        suspect_note(&d->fetch->suspects, d->sources.origin, &d->digest, d->sources.seen,
                     d->sources.all);
}

static void lose(struct download *d, struct pg_err *err);

/* What stands in line behind one that failed, of the same repository, would fare no better. */
static void call_off_the_rest(const struct download *d)
{
    pg_list_each_safe (node, next, &d->fetch->downloads) {
        struct download *other = pg_container_of(node, struct download, node);
        struct pg_err err = {0};

        if (other == d || other->state != IN_LINE || !is_unasked(other) || !same_repo(d, other))
            continue;
        pg_fail(&err, PG_E_CANCELED, "another blob of the image did not come");
        lose(other, &err);
    }
}

/* Takes the texts of *err and frees d. */
static void fail(struct download *d, struct pg_err *err)
{
    if (d->priority == FETCH_AHEAD && d->state != IN_LINE)
        call_off_the_rest(d);
    lose(d, err);
}

static void lose(struct download *d, struct pg_err *err)
{
    if (d->state != IN_LINE && err->kind == PG_E_BLOB_UNKNOWN && exchange_is_unknown(&d->exchange))
        note_unknown(d);
    if (err->kind == PG_E_UPSTREAM_WRONG)
        pg_metric_inc(PG_M_UPSTREAM_WRONG);
    if (err->kind == PG_E_UPSTREAM_WRONG && d->sources.seen != 0)
        suspect(d);
    if (d->state != IN_LINE && err->kind != PG_E_CANCELED && err->kind != PG_E_BLOB_UNKNOWN)
        log_failure(d, err);
    segment_stop(&d->segments);
    if (d->fill != NULL)
        fill_fail(d->fill, err);
    else
        flight_fail(d->flight, err);
    pg_err_clear(err);
    free_download(d);
}

/* Nothing more is wanted from upstream; others may have the turn. */
static void end(struct download *d)
{
    d->state = ENDING;
    segment_stop(&d->segments);
    origin_leave(&d->turn);
    fill_end(d->fill);
}

/* Where each request counts, more of them are no gain. */
static bool is_worth_segments(const struct download *d)
{
    const struct origin *o = d->turn.origin;

    return d->size != UINT64_MAX &&
           (d->way.parted || d->size - d->fill->have > SEGMENTS_MIN * d->fetch->segment_bytes) &&
           !d->way.whole && !d->sources.one && !d->segments.off &&
           !health_counts_blobs(o->health) &&
           origin_gives_parts(d->turn.origin, &d->turn, &d->exchange.path);
}

/* At the first request it is not known yet whether there will be help. */
static unsigned segments_at_once(const struct download *d)
{
    bool is_alone = d->segments.seen == 0 && d->sources.seen != 0 && segment_is_alone(&d->segments);

    return is_alone ? ALONE_SEGMENTS : 1;
}

/* A helper that is nearly done is waited for; one that is not gives the rest of its run back. */
static bool waits_for(struct download *d, int lane)
{
    const struct extent_lane *l = fill_lane_look(d->fill, (unsigned)lane);

    if (l->end - l->at <= d->fetch->segment_bytes / 2)
        return true;
    segment_steal(&d->segments, (unsigned)lane);
    return false;
}

static void take_over(struct delay *delay);

static void ask(struct download *d)
{
    bool in_parts = is_worth_segments(d);
    unsigned most = in_parts ? segments_at_once(d) : 0;
    int next = fill_next(d->fill, most);

    d->state = ASKING;
    d->skip = d->brought = 0;
    d->way.blocked = false;
    delay_stop(&d->again);
    while (next >= 0 && !waits_for(d, next))
        next = fill_next(d->fill, most);
    if (next >= 0) {
        d->state = WAITING;
        delay_start(&d->fetch->origins.delays, &d->again, STEAL_MS, take_over);
    } else if (next == FILL_ALL) {
        end(d);
    } else {
        d->way.parted = d->way.parted || in_parts;
        d->exchange.spec.until = in_parts ? d->fill->until : 0;
        exchange_start(&d->exchange, d->way.whole ? 0 : d->fill->have, d->fails > 0);
    }
}

static void take_over(struct delay *delay)
{
    struct download *d = pg_container_of(delay, struct download, again);
    int lane = fill_next(d->fill, 0);

    if (lane >= 0)
        segment_steal(&d->segments, (unsigned)lane);
    ask(d);
}

static void on_moved(struct segments *s)
{
    struct download *d = pg_container_of(s, struct download, segments);

    if (d->state == WAITING)
        ask(d);
    else if (d->way.blocked)
        client_resume(&d->exchange.call);
}

static void ask_again(struct delay *delay)
{
    struct download *d = pg_container_of(delay, struct download, again);

    if (d->fill->have > 0)
        pg_metric_inc(PG_M_UPSTREAM_RESUMED);
    ask(d);
}

/* An upstream that went away under a download which has readers may come back while they wait. One
 * that says 429 in the midst of a blob was asked for parts: that is mended by patience. */
static bool is_worth_waiting(const struct download *d)
{
    const struct exchange_end *end = &d->exchange.end;
    bool is_asked_too_often = end->status == 429 && d->way.parted;

    return d->fill->have > 0 && (end->cause == RETRY_REFUSED || is_asked_too_often);
}

static unsigned fails_max(const struct download *d)
{
    unsigned max = retry_times(d->exchange.end.cause, RETRY_BLOB);

    return is_worth_waiting(d) ? DOWNLOAD_FAILS_MAX : max;
}

static uint64_t wait_ms(const struct download *d)
{
    int refused_s = d->exchange.end.retry_after_s;
    int max_s = d->way.parted && d->segments.off ? PARTED_WAIT_S : REFUSED_WAIT_S;
    uint64_t ms = retry_wait_ms(RETRY_BLOB, d->fails);

    if (!is_worth_waiting(d))
        return ms;
    return ms + (uint64_t)(refused_s < max_s ? refused_s : max_s) * 1000;
}

static bool may_splice(const struct download *d)
{
    return !d->sources.one || d->sources.seen == 0;
}

/* Where it moved, all may be asked again, but first another. */
static bool retry(struct download *d)
{
    struct exchange *x = &d->exchange;
    bool moved = d->brought >= DOWNLOAD_STEP_BYTES;

    if (moved) {
        d->fails = 0;
        exchange_forgive(x);
    }
    if (may_splice(d) && exchange_turn_elsewhere(x)) {
        ask_again(&d->again);
        return true;
    }
    if (++d->fails > fails_max(d))
        return false;
    exchange_forgive(x);
    delay_start(&d->fetch->origins.delays, &d->again, wait_ms(d), ask_again);
    return true;
}

/* It is known how much was to come and not all did, though the answer ended in good order. */
static bool is_short(const struct download *d)
{
    uint64_t until = d->fill->until < d->size ? d->fill->until : d->size;

    return d->size != UINT64_MAX && d->fill->have < until;
}

/* Some have no parts to give, and say so in their own way. */
static bool is_no_to_parts(const struct download *d)
{
    const struct exchange_end *end = &d->exchange.end;
    bool is_stuck = d->fails > 0 && (end->status == 500 || end->status == 501);

    return end->cause == RETRY_WRONG || end->status == 403 || is_stuck;
}

/* A part was asked for, and what came was none: a URL that knows no parts gives the whole. */
static bool takes_back_parts(struct download *d)
{
    struct exchange *x = &d->exchange;

    if (x->spec.until == 0 || x->site == NULL || d->brought > 0 || !is_no_to_parts(d))
        return false;
    if (x->end.cause == RETRY_WRONG)
        site_no_parts(x->site, pg_clock_mono_ms(), segment_complaint(x));
    else
        d->way.refused = segment_complaint(x);
    d->segments.off = true;
    pg_err_clear(&x->end.err);
    ask_again(&d->again);
    return true;
}

static void on_done(struct exchange *x)
{
    struct download *d = x->owner;
    struct pg_err err = {0};

    if (x->end.err.kind == PG_E_NONE && !is_short(d)) {
        d->fails = 0;
        if (x->spec.until > 0 && x->end.status == 206)
            site_gave_part(x->site);
        if (d->size == UINT64_MAX)
            end(d);
        else
            ask(d);
        return;
    }
    if (takes_back_parts(d))
        return;
    if (x->end.status == 429 && x->spec.until > 0 && x->site != NULL) {
        site_no_parts(x->site, pg_clock_mono_ms(), segment_complaint(x));
        d->segments.off = true;
    }
    if (x->end.err.kind == PG_E_NONE) {
        x->end.cause = RETRY_BROKEN;
        pg_fail(&x->end.err, PG_E_UPSTREAM_DOWN, "upstream broke off the blob");
    }
    if (x->end.status == 416 && x->from > 0) {
        d->way.whole = true;
        x->end.cause = RETRY_BROKEN;
    }
    if (retry(d))
        return;
    pg_err_move(&err, &x->end.err);
    fail(d, &err);
}

static bool on_head(struct exchange *x)
{
    struct download *d = x->owner;
    struct resume resume;

    if (d->sources.one) /* and stays there */
        x->path.avoid = ~origin_bit(x->site);
    d->sources.seen |= origin_bit(x->site);
    if (x->spec.until > 0 && x->call.head.status == 206) {
        if (resume_check_part(&x->call.head, d->fill->have, d->fill->until, d->size, &x->call.err) <
                0 ||
            fill_size(d->fill, d->size, &x->call.err) < 0)
            return false;
        segment_watch(&d->segments, d->turn.origin);
        return true;
    }
    if (x->spec.until > 0) { /* the whole; what helpers bring is passed over */
        d->way.refused = "it gives no parts";
        d->segments.off = true;
    }
    if (d->way.refused != NULL) {
        site_no_parts(x->site, pg_clock_mono_ms(), d->way.refused);
        d->way.refused = NULL;
    }
    if (resume_check(&x->call.head, d->fill->have, d->size, &resume, &x->call.err) < 0)
        return false;
    if (resume.size != RESUME_UNKNOWN && fill_size(d->fill, resume.size, &x->call.err) < 0)
        return false;
    d->size = resume.size;
    d->skip = resume.skip;
    return true;
}

/* The run is full and the answer goes on: passes over what is here already. */
static enum client_taken pass_over(struct download *d)
{
    uint64_t before = d->fill->have;
    int next;

    if (d->exchange.call.head.status == 206 && d->exchange.spec.until > 0)
        next = FILL_ALL;
    else
        next = fill_next(d->fill, 0);
    if (next == FILL_ALL) {
        pg_fail(&d->exchange.call.err, PG_E_UPSTREAM_WRONG, "upstream sends more than it said");
        return CLIENT_REFUSED;
    }
    d->skip += d->fill->have - before;
    d->way.blocked = next >= 0;
    return d->way.blocked ? CLIENT_FULL : CLIENT_TAKEN;
}

/* Of these bytes, and perhaps of those that follow, the first ->skip are done with; they come again
 * from their beginning after FULL. */
static enum client_taken on_data(struct exchange *x, struct sl data)
{
    struct download *d = x->owner;

    while (d->skip < data.n) {
        struct sl new = {data.p + d->skip, data.n - (size_t)d->skip};
        uint64_t room = d->fill->until - d->fill->have;
        enum client_taken passed = room == 0 ? pass_over(d) : CLIENT_TAKEN;
        int taken;

        if (passed != CLIENT_TAKEN)
            return passed;
        if (room == 0)
            continue;
        new.n = new.n < room ? new.n : (size_t)room;
        taken = fill_write(d->fill, new, &x->call.err);
        if (taken <= 0)
            return taken == 0 ? CLIENT_FULL : CLIENT_REFUSED;
        d->skip += new.n;
        d->brought += new.n;
    }
    d->skip -= data.n;
    return CLIENT_TAKEN;
}

static const struct exchange_events download_events = {on_head, on_data, on_done};

static void on_fill(struct fill *fill, enum fill_event event)
{
    struct download *d = fill->owner;
    struct pg_err err = {0};

    switch (event) {
    case FILL_READY:
        d->sources.seen =
            fill->have > 0 ? d->sources.all : 0; /* nobody knows any more whose they are */
        ask(d);
        break;
    case FILL_ROOM:
        client_resume(&d->exchange.call);
        segment_resume(&d->segments);
        break;
    case FILL_LANDED:
        suspect_clear(&d->fetch->suspects, d->sources.origin, &d->digest);
        free_download(d);
        break;
    case FILL_WRONG:
    case FILL_DISK:
        pg_err_copy(&err, &fill->err);
        fail(d, &err);
        break;
    }
}

/* Since it got in line the image may have been forgotten here, or upstream may have said that it
 * counts what we ask. 0, or -1. */
static int is_still_wise(const struct download *d, struct pg_err *err)
{
    struct index_link link;

    if (!is_unasked(d))
        return 0;
    if (health_counts_blobs(d->turn.origin->health))
        return pg_fail(err, PG_E_CANCELED, "upstream counts the blobs that it is asked for");
    if (overlay_get_link(d->fetch->store, flight_whose(d->flight), &d->digest, &link, err) == 1)
        return 0;
    return err->kind != PG_E_NONE ? -1
                                  : pg_fail(err, PG_E_CANCELED, "no manifest names it any more");
}

static void on_granted(struct origin_turn *turn)
{
    struct download *d = pg_container_of(turn, struct download, turn);
    struct pg_err err = {0};
    struct exchange_spec spec = {.unknown = PG_E_BLOB_UNKNOWN,
                                 .path = d->path,
                                 .repo = d->repo,
                                 .accept = "*/*",
                                 .trace = &d->trace};

    const struct suspect *s;

    if (is_still_wise(d, &err) < 0) {
        fail(d, &err);
        return;
    }
    d->sources.origin = turn->origin->number;
    d->sources.all = (1U << turn->origin->nsites) - 1;
    exchange_init(&d->exchange, &spec, turn, &download_events, d);
    s = suspect_find(&d->fetch->suspects, d->sources.origin, &d->digest);
    d->sources.one = s != NULL;
    d->exchange.path.avoid = s != NULL ? s->wrong : 0;
    d->state = OPENING;
    d->fill =
        fill_open(d->fetch->store, d->flight, &d->digest, d->size, &d->fetch->mail, on_fill, d);
    fill_set_segment(d->fill, d->fetch->segment_bytes);
    d->segments.fill = d->fill;
}

static void on_refused(struct origin_turn *turn, const struct pg_err *why, int retry_after_s)
{
    struct download *d = pg_container_of(turn, struct download, turn);
    struct pg_err err = {0};

    (void)retry_after_s;
    pg_err_copy(&err, why);
    fail(d, &err);
}

/* d is among them. */
static bool are_too_many(const struct download *d)
{
    unsigned of_caller = 0, of_upstream = 0;

    pg_list_each_safe (node, next, &d->fetch->downloads) {
        struct download *other = pg_container_of(node, struct download, node);

        if (!is_unasked(other) || other->upstream != d->upstream)
            continue;
        of_upstream++;
        of_caller += strcmp(other->caller, d->caller) == 0 ? 1 : 0;
    }
    return of_caller > DOWNLOAD_AHEAD_CALLER_MAX || of_upstream > DOWNLOAD_AHEAD_MAX;
}

/* 1: go on; 0: the blob landed since the order was written; -1. */
static int look_once_more(struct download *d, struct pg_err *err)
{
    char text[DIGEST_TEXT_MAX];
    struct unknown_key key = unknown_key_of(d, text);
    struct blob *blob;
    int found;

    if (d->fetch->draining)
        return pg_fail(err, PG_E_UPSTREAM_DOWN, "pullgate is about to stop");
    if (is_unasked(d) && are_too_many(d))
        return pg_fail(err, PG_E_CANCELED, "too much is fetched ahead already");
    if (ref_check_name((struct sl){d->repo, strlen(d->repo)}, err) < 0)
        return -1;
    if (d->size != UINT64_MAX && d->size > BLOB_BYTES_MAX)
        return pg_fail(err, PG_E_UPSTREAM_WRONG,
                       "the manifest says that the blob has %ju bytes, which cannot be",
                       (uintmax_t)d->size);
    if (unknown_has(&d->fetch->unknown, &key, pg_clock_mono_ms()))
        return pg_fail(err, PG_E_BLOB_UNKNOWN, "not known to upstream");
    found = blob_open(d->fetch->store, &d->digest, &blob, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return 1;
    blob_close(blob);
    pg_fail(err, PG_E_CANCELED, "already in the store");
    return 0;
}

static void begin(struct pg_mail *mail)
{
    struct download *d = pg_container_of(mail, struct download, mail);
    struct pg_err err = {0};
    struct origin *o = NULL;
    int retry_after_s;

    pg_list_push(&d->fetch->downloads, &d->node);
    pg_metric_inc(PG_M_FLIGHTS);
    if (look_once_more(d, &err) == 1)
        o = origin_get(&d->fetch->origins, d->snapshot, d->upstream, &err);
    if (o == NULL || origin_join(o, &d->turn, &retry_after_s, &err) < 0)
        fail(d, &err);
}

void download_order(struct fetch *f, const struct fetch_blob_order *order)
{
    struct download *d = calloc(1, sizeof(*d));
    char text[DIGEST_TEXT_MAX];
    int n;

    PG_CHECK(d != NULL);
    pg_list_init(&d->node);
    delay_init(&d->again);
    d->fetch = f;
    d->snapshot = config_snapshot_ref(order->snapshot);
    d->upstream = order->upstream;
    d->digest = order->digest;
    d->size = order->size;
    d->priority = order->priority;
    d->flight = order->flight;
    d->trace = order->trace;
    d->began_ms = pg_clock_mono_ms();
    d->repo = sl_dup(order->repo);
    d->caller = sl_dup(order->caller);
    n = snprintf(d->path, sizeof(d->path), "%s/blobs/" SL_FMT, d->repo,
                 SL_ARG(digest_write(&d->digest, text)));
    PG_CHECK(n > 0 && (size_t)n < sizeof(d->path));
    d->segments = (struct segments){.path = d->path,
                                    .repo = {d->repo, order->repo.n},
                                    .caller = {d->caller, order->caller.n},
                                    .moved = on_moved};
    segment_init(&d->segments);
    origin_turn_init(&d->turn);
    d->turn.line = d->priority == FETCH_AHEAD ? ORIGIN_AHEAD : ORIGIN_BLOBS;
    d->turn.class = SITE_BLOB;
    d->turn.repo = (struct sl){d->repo, order->repo.n};
    d->turn.caller = (struct sl){d->caller, order->caller.n};
    d->turn.has_digest = true;
    d->turn.flight = d->flight;
    d->turn.granted = on_granted;
    d->turn.refused = on_refused;
    d->mail.deliver = begin;
    pg_mailbox_post(&f->mail, &d->mail);
}

void download_cancel_all(struct fetch *f)
{
    pg_list_each_safe (node, next, &f->downloads) {
        struct pg_err err = {0};

        pg_fail(&err, PG_E_CANCELED, "pullgate stops");
        lose(pg_container_of(node, struct download, node), &err);
    }
}

static void write_segments(const struct download *d, struct pg_buf *out)
{
    const char *comma = "";

    pg_buf_printf(out, ",\"segments\":[");
    for (unsigned i = 0; i < EXTENT_LANES; i++) {
        const struct extent_lane *l;

        if (d->segments.helpers[i].state != SEGMENT_ASKING)
            continue;
        l = fill_lane_look(d->fill, i);
        pg_buf_printf(out, "%s{\"from\":%llu,\"at\":%llu,\"end\":%llu}", comma,
                      (unsigned long long)l->from, (unsigned long long)l->at,
                      (unsigned long long)l->end);
        comma = ",";
    }
    pg_buf_printf(out, "]");
}

void download_write_json(struct fetch *f, struct pg_buf *out)
{
    static const char *const states[] = {"in line", "opening", "asking", "waiting", "ending"};
    uint64_t now = pg_clock_mono_ms();

    pg_list_each_safe (node, next, &f->downloads) {
        struct download *d = pg_container_of(node, struct download, node);

        pg_buf_printf(out, "%s{\"kind\":\"blob\",\"upstream\":", out->n > 1 ? "," : "");
        pg_buf_put_json(out, (struct sl){d->upstream->name, strlen(d->upstream->name)});
        pg_buf_printf(out, ",\"path\":");
        pg_buf_put_json(out, (struct sl){d->path, strlen(d->path)});
        pg_buf_printf(out, ",\"state\":\"%s\",\"bytes\":%llu", states[d->state],
                      (unsigned long long)(d->fill != NULL ? d->fill->have : 0));
        if (d->size != UINT64_MAX)
            pg_buf_printf(out, ",\"size\":%llu", (unsigned long long)d->size);
        write_segments(d, out);
        pg_buf_printf(out, ",\"fails\":%u,\"ahead\":%s,\"age_ms\":%llu}", d->fails,
                      d->turn.line == ORIGIN_AHEAD ? "true" : "false",
                      (unsigned long long)(now - d->began_ms));
    }
}
