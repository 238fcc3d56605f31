/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/origin_int.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

static struct sl name_of(const struct origin *o)
{
    return (struct sl){o->upstream->name, strlen(o->upstream->name)};
}

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

static void free_origin(struct origin *o)
{
    PG_CHECK(is_idle(o));
    pg_list_remove(&o->node);
    token_table_free(o->tokens);
    credential_free(o->credential);
    client_close(o->client);
    url_free(&o->base);
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

struct origin *origin_get(struct origins *set, struct snapshot *snapshot,
                          const struct config_upstream *upstream, struct pg_err *err)
{
    struct origin *o = find(set, snapshot, upstream->name);
    struct sl url = {upstream->upstream_url, strlen(upstream->upstream_url)};
    struct url base = {0};

    if (o != NULL)
        return o;
    if (url_parse(NULL, url, &base, err) < 0) {
        pg_wrap(err, "the configured url");
        return NULL;
    }
    o = calloc(1, sizeof(*o));
    PG_CHECK(o != NULL);
    o->set = set;
    o->base = base;
    o->snapshot = config_snapshot_ref(snapshot);
    o->upstream = upstream;
    o->health = health_of(set->book, upstream->name);
    health_reset(o->health);
    o->client = client_new(set->uv, upstream, o->health);
    o->credential = credential_new(set->runner, &snapshot->config, upstream);
    o->tokens = token_table_new(o->client, &set->delays, o->credential);
    for (int i = 0; i < ORIGIN_LINES; i++) {
        pg_list_init(&o->waiting[i]);
    }
    pg_list_init(&o->node);
    pg_list_push(&set->all, &o->node);
    if (snapshot->revision > set->revision)
        set->revision = snapshot->revision;
    return o;
}

/* Why a request of this class makes no sense now. */
static int refuse(struct origin *o, enum origin_class class, uint64_t now, int *retry_after_s_r,
                  struct pg_err *err)
{
    const struct breaker *b = breaker_refuses(&o->breaker, now) ? &o->breaker : &o->holds[class];

    *retry_after_s_r = breaker_wait_s(b, now);
    return pg_fail(err, PG_E_UPSTREAM_DOWN,
                   b == &o->breaker ? "upstream " SL_FMT " does not answer"
                                    : "upstream " SL_FMT " asks for patience",
                   SL_ARG(name_of(o)));
}

static bool refuses(const struct origin *o, enum origin_class class, uint64_t now)
{
    return breaker_refuses(&o->breaker, now) || breaker_refuses(&o->holds[class], now);
}

int origin_may(struct origin *o, enum origin_class class, int *retry_after_s_r, struct pg_err *err)
{
    uint64_t now = pg_clock_mono_ms();

    if (refuses(o, class, now))
        return refuse(o, class, now, retry_after_s_r, err);
    PG_CHECK(breaker_may(&o->breaker, now) && breaker_may(&o->holds[class], now));
    return 0;
}

void origin_answered(struct origin *o, enum origin_class class)
{
    if (breaker_ok(&o->breaker))
        pg_log_say(PG_LOG_INFO, PG_LOG_UPSTREAM, "upstream " SL_FMT " answers again",
                   SL_ARG(name_of(o)));
    breaker_ok(&o->holds[class]);
    health_answered(o->health);
}

void origin_failed(struct origin *o, enum breaker_weight weight, const struct pg_err *why)
{
    struct pg_log_line line;

    if (!breaker_fail(&o->breaker, weight, pg_clock_mono_ms()))
        return;
    health_down(o->health, o->breaker.until_ms);
    pg_log_begin(&line, PG_LOG_UPSTREAM, PG_LOG_WARN);
    pg_log_str(&line, "upstream", name_of(o));
    pg_log_u64(&line, "left_alone_ms", o->breaker.window_ms);
    pg_log_err(&line, why);
    pg_log_end(&line);
}

void origin_hold(struct origin *o, enum origin_class class, int seconds)
{
    uint64_t now = pg_clock_mono_ms(), ms = (uint64_t)seconds * 1000;

    for (unsigned i = 0; i < ORIGIN_CLASSES; i++) {
        if (class == ORIGIN_CLASSES || class == (enum origin_class)i)
            breaker_hold(&o->holds[i], ms, now);
    }
    health_limited(o->health, now + ms);
    pg_log_say(PG_LOG_WARN, PG_LOG_UPSTREAM, "upstream " SL_FMT " asks for patience: %d s",
               SL_ARG(name_of(o)), seconds);
}

int origin_held_s(const struct origin *o, enum origin_class class)
{
    return (int)(o->holds[class].window_ms / 1000);
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
    if (refuses(o, turn->class, now))
        return refuse(o, turn->class, now, retry_after_s_r, err);
    if (o->nwaiting >= ORIGIN_WAITING_MAX) {
        *retry_after_s_r = 1;
        return pg_fail(err, PG_E_UPSTREAM_DOWN, "too many wait for upstream " SL_FMT,
                       SL_ARG(name_of(o)));
    }
    turn->origin = o;
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
    if (turn->running) {
        PG_CHECK(o->running[turn->line] > 0);
        o->running[turn->line]--;
    } else {
        pg_list_remove(&turn->node);
        o->nwaiting--;
    }
    turn->running = false;
    turn->origin = NULL;
}

/* How many turns of a line may run; a line of later ones gives way to the earlier. */
static bool has_room(const struct origin *o, enum origin_line line)
{
    unsigned max = (unsigned)o->upstream->upstream_max_connections;
    unsigned blobs = max - (max >= 4 ? max / 4 : max > 1 ? 1 : 0), ahead = blobs - blobs / 2;
    unsigned loading = o->running[ORIGIN_BLOBS] + o->running[ORIGIN_AHEAD];

    if (o->running[ORIGIN_ASKS] + loading >= max)
        return false;
    return line == ORIGIN_ASKS || (line == ORIGIN_BLOBS && loading < blobs) ||
           (line == ORIGIN_AHEAD && loading < blobs && o->running[ORIGIN_AHEAD] < ahead);
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

/* A callback may take any turn out of its line, so each look begins at the head again. */
static struct origin_turn *next_refused(struct origin *o, uint64_t now)
{
    for (int line = 0; line < ORIGIN_LINES; line++) {
        pg_list_each_safe (node, next, &o->waiting[line]) {
            struct origin_turn *turn = pg_container_of(node, struct origin_turn, node);

            if (refuses(o, turn->class, now))
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

        refuse(o, turn->class, now, &retry_after_s, &err);
        origin_leave(turn);
        turn->refused(turn, &err, retry_after_s);
        pg_err_clear(&err);
    }
}

static void grant(struct origin *o)
{
    for (int line = 0; line < ORIGIN_LINES; line++) {
        while (!pg_list_empty(&o->waiting[line]) && has_room(o, (enum origin_line)line)) {
            struct origin_turn *turn =
                pg_container_of(o->waiting[line].next, struct origin_turn, node);

            pg_list_remove(&turn->node);
            o->nwaiting--;
            o->running[line]++;
            turn->running = true;
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
            refuse_those_who_wait_in_vain(o);
            grant(o);
        }
        if (is_idle(o) && o->snapshot->revision < set->revision)
            free_origin(o);
    }
}
