/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/collect.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/metric.h"
#include "proxy/admit/collect_int.h"

static void advance(struct collect *c);

/* ---- its life ------------------------------------------------------------------------------ */

static void clear_piece(struct collect_piece *p)
{
    struct collect *c = p->collect;

    if (p->ask != NULL)
        fetch_ask_free(p->ask);
    if (p->state == PIECE_FLYING)
        flight_leave(&p->reader);
    if (p->is_verified)
        pg_fd_close(&p->fd);
    blob_close(p->blob);
    pg_bytes_unref(p->answer.body);
    pg_err_clear(&p->err);
    *p = (struct collect_piece){.collect = c};
}

static void unref(struct collect *c)
{
    if (--c->refs > 0)
        return;
    pg_bytes_unref(c->config.bytes);
    evidence_free(c->evidence);
    dossier_unref(c->dossier);
    pg_arena_free(&c->names);
    config_snapshot_unref(c->order.snapshot);
    free(c);
}

static void on_mail(struct pg_mail *mail)
{
    struct collect *c = pg_container_of(mail, struct collect, mail);

    c->posted = false;
    if (!c->stopped)
        advance(c);
    unref(c);
}

/* From callbacks, which may do nothing but note. */
static void go_on(struct collect *c)
{
    if (c->posted || c->stopped)
        return;
    c->posted = true;
    c->refs++;
    c->mail.deliver = on_mail;
    pg_mailbox_post(&c->home->loop->mail, &c->mail);
}

/* ---- asking -------------------------------------------------------------------------------- */

static void on_answered(struct fetch_ask *ask)
{
    struct collect_piece *p = ask->owner;

    p->answered = true;
    go_on(p->collect);
}

static void ask(struct collect_piece *p)
{
    struct collect *c = p->collect;
    const struct collect_order *o = &c->order;
    bool is_list = p->step.what == EVIDENCE_REFERRERS;
    char text[DIGEST_TEXT_MAX];
    struct fetch_question q = {.kind = is_list ? FETCH_REFERRERS : FETCH_MANIFEST,
                               .snapshot = o->snapshot,
                               .upstream = o->upstream,
                               .repo = o->repo,
                               .reference = p->step.what == EVIDENCE_TAG
                                                ? sl_str(p->step.tag)
                                                : digest_write(&p->step.digest, text),
                               .query = SL(""),
                               .caller = o->caller,
                               .trace = o->trace};

    if (is_list && p->step.next.p != NULL)
        q.query = p->step.next;
    p->state = PIECE_ASKED;
    p->ask = fetch_ask(c->home->fetch, &q, &c->home->loop->mail, on_answered, p);
}

static void on_news(struct flight_reader *reader)
{
    go_on(pg_container_of(reader, struct collect_piece, reader)->collect);
}

static void order(struct collect_piece *p)
{
    const struct collect *c = p->collect;
    struct fetch_blob_order o = {.snapshot = c->order.snapshot,
                                 .upstream = c->order.upstream,
                                 .repo = c->order.repo,
                                 .caller = c->order.caller,
                                 .digest = p->step.digest,
                                 .size = p->step.size_max,
                                 .priority = FETCH_WAITED_FOR,
                                 .flight = p->reader.flight,
                                 .trace = c->order.trace};

    flight_say_whose(p->reader.flight, c->order.canonical);
    fetch_blob(c->home->fetch, &o);
}

/* Takes it from the store if it is there. 1: it is, or that cannot be known. */
static int look(struct collect_piece *p)
{
    int found = blob_open(p->collect->home->store, &p->step.digest, &p->blob, &p->err);

    if (found == 0)
        return 0;
    p->state = PIECE_ARRIVED;
    return 1;
}

static void board(struct collect_piece *p)
{
    struct collect *c = p->collect;
    char text[DIGEST_TEXT_MAX];
    enum flight_role role;
    struct pg_err off = {0};

    if (look(p) > 0)
        return;
    if (flight_join(&c->home->loop->bell, digest_write(&p->step.digest, text), &p->reader, on_news,
                    &role, &p->err) < 0) {
        p->state = PIECE_ARRIVED;
        return;
    }
    if (role == FLIGHT_LEADER && look(p) > 0) { /* it landed between the two looks */
        pg_fail(&off, PG_E_CANCELED, "it is in the store already");
        flight_fail(p->reader.flight, &off);
        pg_err_clear(&off);
        flight_leave(&p->reader);
        return;
    }
    p->state = PIECE_FLYING;
    if (role == FLIGHT_LEADER)
        order(p);
    else
        fetch_hurry(c->home->fetch);
}

/* ---- answers ------------------------------------------------------------------------------- */

/* The ask ends here: what the pool reads may be read when fetch has stopped. */
static void take_ask(struct collect_piece *p)
{
    if (!p->answered)
        return;
    p->denied = p->ask->denied;
    if (p->ask->err.kind != PG_E_NONE) {
        pg_err_copy(&p->err, &p->ask->err);
    } else {
        p->answer = p->ask->answer;
        p->answer.body = pg_bytes_ref(p->answer.body);
        p->answer.content_type = pg_copy(&p->collect->names, p->answer.content_type);
        if (p->answer.link.p != NULL)
            p->answer.link = pg_copy(&p->collect->names, p->answer.link);
    }
    if (p->err.kind == PG_E_NONE && p->step.what == EVIDENCE_TAG)
        shelf_note_tag(p->collect->home->shelf, p->collect->order.canonical, &p->answer.digest,
                       sl_str(p->step.tag));
    fetch_ask_free(p->ask);
    p->ask = NULL;
    p->state = PIECE_ARRIVED;
}

/* The digest matched: that the bytes are durable, too, nobody waits for. */
static void take_verified(struct collect_piece *p, uint64_t size)
{
    p->fd = fcntl(p->reader.flight->fd, F_DUPFD_CLOEXEC, 0);
    p->size = size;
    p->is_verified = p->fd >= 0;
    if (p->fd < 0)
        (void)pg_fail(&p->err, PG_E_STORE_IO, "its file could not be opened again");
    flight_leave(&p->reader);
    p->state = PIECE_ARRIVED;
}

/* What upstream said of another repository's blob says nothing of ours. */
static void take_flight(struct collect_piece *p)
{
    struct collect *c = p->collect;
    struct flight_view v = flight_look(&p->reader);
    bool is_ours;

    if (v.verified)
        take_verified(p, v.size);
    if (v.verified || (v.state != FLIGHT_LANDED && v.state != FLIGHT_LOST))
        return;
    is_ours = v.state == FLIGHT_LOST && flight_is_of(p->reader.flight, c->order.canonical);
    if (v.state == FLIGHT_LOST)
        pg_err_copy(&p->err, &p->reader.flight->err);
    flight_leave(&p->reader);
    p->state = PIECE_ARRIVED;
    if (is_ours && p->err.kind != PG_E_CANCELED)
        return;
    pg_err_clear(&p->err);
    if (++p->tries <= COLLECT_TRIES)
        board(p);
    else
        pg_fail(&p->err, PG_E_UPSTREAM_DOWN, "the download was called off %u times", p->tries);
}

static bool take_answers(struct collect *c)
{
    bool any = false;

    for (size_t i = 0; i < COLLECT_PIECES; i++) {
        struct collect_piece *p = &c->pieces[i];

        if (p->state == PIECE_ASKED)
            take_ask(p);
        else if (p->state == PIECE_FLYING)
            take_flight(p);
        any = any || p->state == PIECE_ARRIVED;
    }
    return any;
}

/* ---- the pool ------------------------------------------------------------------------------ */

static void run(struct pg_job *job)
{
    struct collect *c = pg_container_of(job, struct collect, job);

    if (c->config.wanted)
        collect_read_plan(c);
    for (size_t i = 0; i < COLLECT_PIECES; i++)
        if (c->pieces[i].state == PIECE_READING)
            collect_read_piece(c, &c->pieces[i]);
    if (c->verifying)
        collect_read_dossier(c);
}

static void end(struct collect *c)
{
    c->over = true;
    pg_list_remove(&c->node);
    c->home->nlive--;
    pg_metric_add(PG_M_COLLECTS, -1);
    pg_metric_observe_us(PG_M_COLLECT_SECONDS, pg_clock_mono_us() - c->began_us);
    shelf_put(c->home->shelf, c->dossier);
    pg_list_each_safe (it, tmp, &c->readers) {
        struct collect_reader *r = pg_container_of(it, struct collect_reader, node);

        pg_list_remove(it);
        r->answered = true;
        r->done(r);
    }
    unref(c);
}

static void on_run(struct pg_job *job)
{
    struct collect *c = pg_container_of(job, struct collect, job);

    c->busy = false;
    if (c->verifying)
        pg_metric_add(PG_M_COLLECTS_VERIFYING, -1);
    for (size_t i = 0; i < COLLECT_PIECES; i++)
        if (c->pieces[i].state == PIECE_READING)
            clear_piece(&c->pieces[i]);
    if (!c->stopped && c->verifying)
        end(c);
    else if (!c->stopped)
        advance(c);
    unref(c);
}

static void start_job(struct collect *c)
{
    for (size_t i = 0; i < COLLECT_PIECES; i++)
        if (c->pieces[i].state == PIECE_ARRIVED)
            c->pieces[i].state = PIECE_READING;
    c->busy = true;
    c->refs++;
    c->job = (struct pg_job){.run = run, .done = on_run, .home = &c->home->loop->mail};
    if (c->verifying)
        pg_metric_inc(PG_M_COLLECTS_VERIFYING);
    pg_pool_submit(c->verifying ? c->home->verify_pool : c->home->read_pool, &c->job);
}

/* ---- the walk ------------------------------------------------------------------------------ */

static struct collect_piece *spare(struct collect *c)
{
    for (size_t i = 0; i < COLLECT_PIECES; i++)
        if (c->pieces[i].state == PIECE_FREE)
            return &c->pieces[i];
    return NULL;
}

/* The manifest that is looked at is about to be served: it is here. */
static bool is_own(const struct collect *c, const struct collect_piece *p)
{
    return c->order.scope.as_evidence && p->step.what == EVIDENCE_MANIFEST;
}

static bool is_late(const struct collect *c)
{
    uint64_t limit_us = c->order.snapshot->config.evidence_timeout * 1000;

    return pg_clock_mono_us() - c->began_us > limit_us;
}

static void give_up(struct collect_piece *p)
{
    uint64_t limit_ms = p->collect->order.snapshot->config.evidence_timeout;

    if (p->ask != NULL)
        fetch_ask_free(p->ask);
    p->ask = NULL;
    if (p->state == PIECE_FLYING)
        flight_leave(&p->reader);
    p->state = PIECE_ARRIVED;
    (void)pg_fail(&p->err, PG_E_TIMEOUT, "it did not come within %llu ms",
                  (unsigned long long)limit_ms);
}

/* What moves tells of itself, and what does not move is broken off by fetch: there is an occasion
 * to look at the clock. */
static void give_up_all(struct collect *c)
{
    for (size_t i = 0; i < COLLECT_PIECES; i++)
        if (c->pieces[i].state == PIECE_ASKED || c->pieces[i].state == PIECE_FLYING)
            give_up(&c->pieces[i]);
}

static void issue_config(struct collect *c)
{
    struct collect_piece *p = c->config.to_ask ? spare(c) : NULL;

    if (p == NULL)
        return;
    c->config.to_ask = false;
    c->config.waiting = true;
    p->step = (struct evidence_step){.id = COLLECT_CONFIG,
                                     .what = EVIDENCE_BLOB,
                                     .digest = c->config.digest,
                                     .size_max = c->config.size};
    board(p);
}

static void issue(struct collect *c)
{
    bool late = is_late(c);

    for (;;) {
        struct collect_piece *p = spare(c);

        if (p == NULL || !evidence_next(c->evidence, &p->step))
            return;
        p->is_own = is_own(c, p);
        if (p->is_own)
            p->state = PIECE_ARRIVED;
        else if (late)
            give_up(p);
        else if (p->step.what == EVIDENCE_BLOB)
            board(p);
        else
            ask(p);
    }
}

static void advance(struct collect *c)
{
    bool any;

    if (c->busy || c->over)
        return;
    issue_config(c);
    issue(c);
    if (is_late(c))
        give_up_all(c);
    any = take_answers(c);
    c->verifying = !any && evidence_is_done(c->evidence) && !c->config.wanted &&
                   !c->config.to_ask && !c->config.waiting;
    if (any || c->verifying || c->config.wanted)
        start_job(c);
}

/* ---- who waits ----------------------------------------------------------------------------- */

void collect_home_init(struct collect_home *home, struct loop *l, struct store *store,
                       struct fetch *fetch, struct shelf *shelf)
{
    *home = (struct collect_home){.loop = l, .store = store, .fetch = fetch, .shelf = shelf};
    pg_list_init(&home->live);
}

static struct collect *find(struct collect_home *home, const struct collect_order *o)
{
    pg_list_each_safe (it, tmp, &home->live) {
        struct collect *c = pg_container_of(it, struct collect, node);

        if (c->order.snapshot == o->snapshot && digest_eq(&c->order.subject, &o->subject) &&
            sl_eq(c->order.canonical, o->canonical) &&
            dossier_scopes_are_same(&c->order.scope, &o->scope))
            return c;
    }
    return NULL;
}

static struct evidence *plan(const struct collect_order *o)
{
    const struct policy_wants *w = &o->scope.wants;
    const struct evidence_wants wants = {.simple = w->simple && w->signatures,
                                         .envelope = w->simple && w->attestations,
                                         .bundle = w->bundle,
                                         .notation = w->notation};

    return o->scope.as_evidence ? evidence_new_of(&o->subject) : evidence_new(&o->subject, &wants);
}

static struct collect *begin(struct collect_home *home, const struct collect_order *o)
{
    struct collect *c = calloc(1, sizeof(*c));

    PG_CHECK(c != NULL);
    c->home = home;
    c->store = home->store;
    c->stamp = home->stamp;
    c->refs = 1;
    c->began_us = pg_clock_mono_us();
    pg_list_init(&c->node);
    pg_list_init(&c->readers);
    pg_list_push(&home->live, &c->node);
    home->nlive++;
    pg_metric_inc(PG_M_COLLECTS);
    pg_arena_init(&c->names, 65536);
    c->order = *o;
    c->order.snapshot = config_snapshot_ref(o->snapshot);
    c->order.repo = pg_copy(&c->names, o->repo);
    c->order.canonical = pg_copy(&c->names, o->canonical);
    c->order.caller = pg_copy(&c->names, o->caller);
    c->config.wanted = o->scope.wants.content && !o->scope.as_evidence;
    c->evidence = plan(o);
    for (size_t i = 0; i < COLLECT_PIECES; i++)
        c->pieces[i].collect = c;
    go_on(c);
    return c;
}

int collect_join(struct collect_home *home, const struct collect_order *o,
                 struct collect_reader *reader, void (*done)(struct collect_reader *r),
                 struct pg_err *err)
{
    struct collect *c = find(home, o);

    if (c == NULL && home->nlive >= COLLECT_MAX)
        return pg_fail(err, PG_E_PENDING, "too many images are being looked at; try again");
    if (c == NULL)
        c = begin(home, o);
    *reader = (struct collect_reader){.collect = c, .done = done};
    pg_list_init(&reader->node);
    pg_list_push(&c->readers, &reader->node);
    c->refs++;
    return 0;
}

void collect_leave(struct collect_reader *reader)
{
    if (reader->collect == NULL)
        return;
    pg_list_remove(&reader->node);
    unref(reader->collect);
    reader->collect = NULL;
}

struct dossier *collect_look(const struct collect_reader *reader)
{
    PG_CHECK(reader->answered && reader->collect->dossier != NULL);
    return reader->collect->dossier;
}

/* Its job may still run, and its mail be on its way: they hold it. */
void collect_stop_all(struct collect_home *home)
{
    pg_list_each_safe (it, tmp, &home->live) {
        struct collect *c = pg_container_of(it, struct collect, node);

        PG_CHECK(pg_list_empty(&c->readers));
        c->stopped = true;
        for (size_t i = 0; i < COLLECT_PIECES; i++)
            if (c->pieces[i].state != PIECE_READING)
                clear_piece(&c->pieces[i]);
        pg_list_remove(&c->node);
        unref(c);
    }
    pg_metric_add(PG_M_COLLECTS, -(int64_t)home->nlive);
    home->nlive = 0;
}
