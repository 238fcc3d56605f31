/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/origin_int.h"

#include <stdlib.h>

#include "base/clock.h"

void origin_open(struct origins *set, uv_loop_t *uv, struct health_book *book,
                 struct credential_runner *runner)
{
    *set = (struct origins){.uv = uv, .book = book, .runner = runner};
    pg_list_init(&set->all);
    delay_open(&set->delays, uv);
}

static bool is_idle(const struct origin *o)
{
    return o->nwaiting + o->running[ORIGIN_ASKS] + o->running[ORIGIN_BLOBS] +
               o->running[ORIGIN_AHEAD] ==
           0;
}

static void close_sites(struct origin *o)
{
    for (unsigned i = 0; i < o->nsites; i++) {
        site_close(&o->sites[i]);
    }
}

static void free_origin(struct origin *o)
{
    PG_CHECK(is_idle(o));
    pg_list_remove(&o->node);
    close_sites(o);
    client_pace_close(&o->pace);
    credential_free(o->credential);
    config_snapshot_unref(o->snapshot);
    free(o);
}

void origin_close(struct origins *set)
{
    pg_list_each_safe (node, next, &set->all) {
        free_origin(pg_container_of(node, struct origin, node));
    }
    delay_close(&set->delays);
}

static struct origin *find(struct origins *set, const struct snapshot *snapshot, const char *name)
{
    pg_list_each_safe (node, next, &set->all) {
        struct origin *o = pg_container_of(node, struct origin, node);

        if (o->snapshot->revision == snapshot->revision && strcmp(o->upstream->name, name) == 0)
            return o;
    }
    return NULL;
}

static int open_sites(struct origin *o, struct pg_err *err)
{
    PG_CHECK(o->upstream->nurls > 0 && o->upstream->nurls <= CONFIG_URLS_MAX);
    for (size_t i = 0; i < o->upstream->nurls; i++) {
        o->nsites++;
        if (site_open(&o->sites[i], o, &o->upstream->urls[i], err) < 0)
            return -1;
    }
    return 0;
}

struct origin *origin_get(struct origins *set, struct snapshot *snapshot,
                          const struct config_upstream *upstream, struct pg_err *err)
{
    struct origin *o = find(set, snapshot, upstream->name);

    if (o != NULL)
        return o;
    o = calloc(1, sizeof(*o));
    PG_CHECK(o != NULL);
    o->set = set;
    o->number = ++set->made;
    o->upstream = upstream;
    o->health = health_of(set->book, upstream->name);
    o->credential = credential_new(set->runner, &snapshot->config, upstream);
    client_pace_open(&o->pace, upstream->upstream_max_bandwidth, &set->delays);
    fair_init(&o->fair);
    if (open_sites(o, err) < 0) {
        close_sites(o);
        credential_free(o->credential);
        free(o);
        return NULL;
    }
    if (snapshot->revision >= set->revision) /* who still asks by an older one learns nothing new */
        health_reset(o->health);
    o->snapshot = config_snapshot_ref(snapshot);
    for (int i = 0; i < ORIGIN_LINES; i++) {
        pg_list_init(&o->waiting[i]);
    }
    pg_list_init(&o->ahead);
    pg_list_init(&o->node);
    pg_list_push(&set->all, &o->node);
    if (snapshot->revision > set->revision)
        set->revision = snapshot->revision;
    return o;
}

unsigned origin_bit(const struct site *s)
{
    return 1U << (s - s->origin->sites);
}

unsigned origin_partless(const struct origin *o)
{
    uint64_t now = pg_clock_mono_ms();
    unsigned sites = 0;

    for (unsigned i = 0; i < o->nsites; i++) {
        if (!site_gives_parts(&o->sites[i], now))
            sites |= origin_bit(&o->sites[i]);
    }
    return sites;
}

static bool may_know(const struct site *s, const struct origin_turn *turn)
{
    return turn->has_digest || s->config->authoritative;
}

/* May it be asked? Of those in `not`: no. */
static bool is_candidate(const struct site *s, const struct origin_turn *turn, unsigned not,
                         uint64_t now_ms)
{
    return may_know(s, turn) && (origin_bit(s) & not ) == 0 &&
           !site_refuses(s, turn->class, now_ms);
}

static struct site *first_of(struct origin *o, const struct origin_turn *turn, unsigned not,
                             bool slow_too)
{
    uint64_t now = pg_clock_mono_ms();

    for (unsigned i = 0; i < o->nsites; i++) {
        struct site *s = &o->sites[i];

        if (is_candidate(s, turn, not, now) && (slow_too || !site_is_slow(s, now)))
            return s;
    }
    return NULL;
}

struct site *origin_choose(struct origin *o, const struct origin_turn *turn,
                           const struct origin_path *path, bool *may_hurry_r)
{
    unsigned not = path->tried | path->avoid, been = not | path->hurried;
    struct site *s = first_of(o, turn, been, false);

    if (s == NULL)
        s = first_of(o, turn, been, true);
    *may_hurry_r = s != NULL && first_of(o, turn, been | origin_bit(s), true) != NULL;
    return s != NULL ? s : first_of(o, turn, not, true);
}

bool origin_gives_parts(struct origin *o, const struct origin_turn *turn,
                        const struct origin_path *path)
{
    bool ignored;
    const struct site *s = origin_choose(o, turn, path, &ignored);

    return s != NULL && site_gives_parts(s, pg_clock_mono_ms());
}

int origin_refuse(const struct origin *o, const struct origin_turn *turn, int *retry_after_s_r,
                  struct pg_err *err)
{
    uint64_t now = pg_clock_mono_ms();

    for (unsigned i = 0; i < o->nsites; i++) { /* whose word counts has the word here, too */
        if (o->sites[i].config->authoritative && site_refuses(&o->sites[i], turn->class, now))
            return site_refuse(&o->sites[i], turn->class, now, retry_after_s_r, err);
    }
    return site_refuse(&o->sites[0], turn->class, now, retry_after_s_r, err);
}

static bool refuses(const struct origin *o, const struct origin_turn *turn, uint64_t now_ms)
{
    for (unsigned i = 0; i < o->nsites; i++) {
        if (is_candidate(&o->sites[i], turn, 0, now_ms))
            return false;
    }
    return true;
}

/* Down is who answers nowhere. */
void origin_lost(struct origin *o)
{
    uint64_t now = pg_clock_mono_ms(), until = UINT64_MAX;

    for (unsigned i = 0; i < o->nsites; i++) {
        const struct breaker *b = &o->sites[i].breaker;

        if (o->sites[i].config->authoritative && !breaker_refuses(b, now))
            return;
        if (o->sites[i].config->authoritative && b->until_ms < until)
            until = b->until_ms;
    }
    health_down(o->health, until);
}

/* To be told once none of them gives any. */
void origin_lost_parts(struct origin *o)
{
    uint64_t until = UINT64_MAX;

    for (unsigned i = 0; i < o->nsites; i++) {
        if (o->sites[i].no_parts_until_ms < until)
            until = o->sites[i].no_parts_until_ms;
    }
    health_no_parts(o->health, until);
}

void origin_turn_init(struct origin_turn *turn)
{
    *turn = (struct origin_turn){0};
    pg_list_init(&turn->node);
}

int origin_join(struct origin *o, struct origin_turn *turn, int *retry_after_s_r,
                struct pg_err *err)
{
    uint64_t now = pg_clock_mono_ms();

    PG_CHECK(turn->origin == NULL);
    if (refuses(o, turn, now))
        return origin_refuse(o, turn, retry_after_s_r, err);
    if (o->nwaiting >= ORIGIN_WAITING_MAX) {
        *retry_after_s_r = 1;
        return pg_fail(err, PG_E_UPSTREAM_DOWN, "too many wait for upstream %s", o->upstream->name);
    }
    turn->origin = o;
    turn->party = fair_party(&o->fair, turn->caller, turn->repo);
    turn->running = false;
    pg_list_push(&o->waiting[turn->line], &turn->node);
    o->nwaiting++;
    return 0;
}

void origin_leave(struct origin_turn *turn)
{
    struct origin *o = turn->origin;

    if (o == NULL)
        return;
    pg_list_remove(&turn->node);
    if (turn->running) {
        PG_CHECK(o->running[turn->line] > 0);
        o->running[turn->line]--;
        fair_end(&o->fair, &turn->party);
    } else {
        o->nwaiting--;
    }
    turn->running = false;
    turn->origin = NULL;
}

/* How many turns of a line may run; a line of later ones gives way to the earlier. If so many of
 * AHEAD, `less`, did not run. */
static bool would_have_room(const struct origin *o, enum origin_line line, unsigned less)
{
    unsigned max = (unsigned)o->upstream->upstream_max_connections;
    unsigned blobs = max - (max >= 4 ? max / 4 : max > 1 ? 1 : 0), ahead = blobs - blobs / 2;
    unsigned loading = o->running[ORIGIN_BLOBS] + o->running[ORIGIN_AHEAD] - less;

    if (o->running[ORIGIN_ASKS] + loading >= max)
        return false;
    return line == ORIGIN_ASKS || (line == ORIGIN_BLOBS && loading < blobs) ||
           (line == ORIGIN_AHEAD && loading < blobs && o->running[ORIGIN_AHEAD] < ahead);
}

static bool has_room(const struct origin *o, enum origin_line line)
{
    return would_have_room(o, line, 0);
}

/* Those that were ordered ahead and have found a reader since go to the line of the waited for. */
static void promote(struct origin *o)
{
    pg_list_each_safe (node, next, &o->waiting[ORIGIN_AHEAD]) {
        struct origin_turn *turn = pg_container_of(node, struct origin_turn, node);

        if (turn->flight != NULL && flight_is_waited_for(turn->flight)) {
            pg_list_remove(node);
            turn->line = ORIGIN_BLOBS;
            pg_list_push(&o->waiting[ORIGIN_BLOBS], node);
        }
    }
}

/* They count as such, too, when they are on their way: others may be fetched ahead beside them. */
static void promote_running(struct origin *o)
{
    pg_list_each_safe (node, next, &o->ahead) {
        struct origin_turn *turn = pg_container_of(node, struct origin_turn, node);

        if (turn->flight != NULL && flight_is_waited_for(turn->flight)) {
            pg_list_remove(node);
            o->running[ORIGIN_AHEAD]--;
            o->running[ORIGIN_BLOBS]++;
            turn->line = ORIGIN_BLOBS;
        }
    }
}

/* A callback may take any turn out of its line, so each look begins at the head again. */
static struct origin_turn *next_refused(struct origin *o, uint64_t now)
{
    for (int line = 0; line < ORIGIN_LINES; line++) {
        pg_list_each_safe (node, next, &o->waiting[line]) {
            struct origin_turn *turn = pg_container_of(node, struct origin_turn, node);

            if (refuses(o, turn, now))
                return turn;
        }
    }
    return NULL;
}

static void refuse_those_who_wait_in_vain(struct origin *o)
{
    uint64_t now = pg_clock_mono_ms();
    struct origin_turn *turn;

    while ((turn = next_refused(o, now)) != NULL) {
        struct pg_err err = {0};
        int retry_after_s;

        (void)origin_refuse(o, turn, &retry_after_s, &err);
        origin_leave(turn);
        turn->refused(turn, &err, retry_after_s);
        pg_err_clear(&err);
    }
}

static struct origin_turn *next_of(const struct origin *o, int line)
{
    struct origin_turn *best = NULL;

    for (struct pg_list *node = o->waiting[line].next; node != &o->waiting[line];
         node = node->next) {
        struct origin_turn *turn = pg_container_of(node, struct origin_turn, node);

        if (best == NULL || fair_is_before(&o->fair, &turn->party, &best->party))
            best = turn;
    }
    return best;
}

/* Of those that can be cut short the one that began last: it has the most before it. */
static struct origin_turn *last_yielding(const struct origin *o, unsigned *n_r)
{
    struct origin_turn *last = NULL;

    *n_r = 0;
    for (struct pg_list *node = o->ahead.next; node != &o->ahead; node = node->next) {
        struct origin_turn *turn = pg_container_of(node, struct origin_turn, node);

        if (turn->yield != NULL) {
            last = turn;
            ++*n_r;
        }
    }
    return last;
}

/* One gives its place up, if that is of use, at once or once others have, too. */
static bool make_way(struct origin *o, enum origin_line line)
{
    unsigned n;
    struct origin_turn *last = last_yielding(o, &n);

    if (line == ORIGIN_AHEAD || !would_have_room(o, line, n))
        return false;
    last->yield(last);
    return true;
}

/* NULL: nobody waits there, or has to go on waiting. */
static struct origin_turn *next_to_run(struct origin *o, enum origin_line line)
{
    while (!pg_list_empty(&o->waiting[line]) && !has_room(o, line)) {
        if (!make_way(o, line))
            return NULL;
    }
    return next_of(o, line);
}

static void grant(struct origin *o)
{
    for (int line = 0; line < ORIGIN_LINES; line++) {
        struct origin_turn *turn;

        while ((turn = next_to_run(o, (enum origin_line)line)) != NULL) {
            pg_list_remove(&turn->node);
            o->nwaiting--;
            o->running[line]++;
            fair_begin(&o->fair, &turn->party);
            turn->running = true;
            if (line == ORIGIN_AHEAD)
                pg_list_push(&o->ahead, &turn->node);
            turn->granted(turn);
        }
    }
}

void origin_run(struct origins *set)
{
    pg_list_each_safe (node, next, &set->all) {
        struct origin *o = pg_container_of(node, struct origin, node);

        if (o->nwaiting > 0) {
            promote(o);
            promote_running(o);
            refuse_those_who_wait_in_vain(o);
            grant(o);
        }
        if (is_idle(o) && o->snapshot->revision < set->revision)
            free_origin(o);
    }
}
