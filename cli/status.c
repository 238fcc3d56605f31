/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/size.h"
#include "cli/control.h"
#include "cli/print.h"
#include "cli/table.h"

#define WAIT_MS 5000L
#define WATCH_S 2

/* ---- as text ------------------------------------------------------------------------------- */

static long long number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void put_uptime(struct pg_buf *out, long long s)
{
    if (s >= 86400) {
        (void)pg_buf_printf(out, "%lldd ", s / 86400);
    }
    (void)pg_buf_printf(out, "%lld:%02lld:%02lld", s / 3600 % 24, s / 60 % 60, s % 60);
}

static void put_store(struct pg_buf *out, const json_t *store)
{
    (void)pg_buf_put(out, SL("store        "));
    print_put_safe(pg_json_str(store, "path"), out);
    (void)pg_buf_printf(out, "\n             %lld blobs, ", number(store, "blobs"));
    pg_size_put(out, (uint64_t)number(store, "bytes"));
    (void)pg_buf_put(out, SL(" of "));
    pg_size_put(out, (uint64_t)number(store, "max_bytes"));
    if (number(store, "max_bytes") > 0) {
        (void)pg_buf_printf(out, " (%lld %%)",
                            number(store, "bytes") / (number(store, "max_bytes") / 100 + 1));
    }
    (void)pg_buf_put(out, SL("; half here: "));
    pg_size_put(out, (uint64_t)number(store, "partial_bytes"));
    (void)pg_buf_put(out, SL("; always left free: "));
    pg_size_put(out, (uint64_t)number(store, "reserve_bytes"));
    (void)pg_buf_put(out, SL("\n"));
    if (json_is_false(json_object_get(store, "recovered"))) {
        (void)pg_buf_put(out, SL("             recovery still runs\n"));
    }
}

/* Of a hundred answers, how many did not wait for bytes of upstream. */
static void put_traffic(struct pg_buf *out, const json_t *t)
{
    long long hits = number(t, "hits") + number(t, "stale") + number(t, "revalidated");
    long long shared = number(t, "coalesced"), misses = number(t, "misses");
    long long all = hits + shared + misses;
    long long sent = number(t, "sent_bytes"), fetched = number(t, "fetched_bytes");

    (void)pg_buf_printf(out, "answers      %lld from the store", hits);
    if (number(t, "stale") > 0) {
        (void)pg_buf_printf(out, " (%lld stale)", number(t, "stale"));
    }
    (void)pg_buf_printf(out, ", %lld fetched, %lld shared a download", misses, shared);
    if (all > 0) {
        (void)pg_buf_printf(out, "; %lld %% hits", hits * 100 / all);
    }
    (void)pg_buf_put(out, SL("\nbytes        "));
    pg_size_put(out, (uint64_t)sent);
    (void)pg_buf_put(out, SL(" sent, "));
    pg_size_put(out, (uint64_t)fetched);
    (void)pg_buf_put(out, SL(" fetched, "));
    pg_size_put(out, sent > fetched ? (uint64_t)(sent - fetched) : 0);
    (void)pg_buf_printf(out, " saved\ndownloads    %lld under way, read by %lld requests\n",
                        number(t, "flights"), number(t, "flight_waiters"));
}

static void put_state(struct table *t, const json_t *u)
{
    struct sl state = pg_json_str(u, "state");
    long long wait_s = (number(u, "asked_again_ms") + 999) / 1000;
    char text[100];

    if (sl_eq(state, SL("unknown"))) {
        state = number(u, "requests") > 0 ? SL("no answer yet") : SL("not asked yet");
    } else if (sl_eq(state, SL("down"))) {
        state = SL("DOWN");
    } else if (sl_eq(state, SL("limited"))) {
        state = SL("LIMITED (429)");
    }
    int n = wait_s > 0 ? snprintf(text, sizeof(text), SL_FMT ", asked again in %lld s",
                                  SL_ARG(state), wait_s)
                       : snprintf(text, sizeof(text), SL_FMT, SL_ARG(state));
    table_put(t, (struct sl){text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1});
}

/* What is to be said of an upstream besides the table's row. */
static void put_budget(struct pg_buf *out, const json_t *b)
{
    (void)pg_buf_printf(out, "budget: %lld of %lld left", number(b, "left"), number(b, "limit"));
    if (pg_json_str(b, "source").n > 0) {
        (void)pg_buf_put(out, SL(" for "));
        print_put_safe(pg_json_str(b, "source"), out);
    }
    if (number(b, "slowness") == 0) {
        (void)pg_buf_put(out, SL("; tags are not confirmed, the rest is for cold pulls"));
    } else if (number(b, "slowness") > 1) {
        (void)pg_buf_printf(out, "; tags are confirmed %lld times as rarely",
                            number(b, "slowness"));
    }
    (void)pg_buf_put(out, SL("\n"));
}

static void put_last_error(struct pg_buf *out, const json_t *error)
{
    (void)pg_buf_put(out, SL("last error: "));
    print_put_safe(pg_json_str(error, "at"), out);
    (void)pg_buf_put(out, SL(" "));
    print_put_safe(pg_json_str(error, "message"), out);
    (void)pg_buf_put(out, SL("\n"));
}

static void put_name(struct pg_buf *out, const json_t *u)
{
    (void)pg_buf_put(out, SL("  "));
    print_put_safe(pg_json_str(u, "name"), out);
    (void)pg_buf_put(out, SL(": "));
}

static void put_notes(struct pg_buf *out, const json_t *list)
{
    const json_t *u;
    size_t i;

    json_array_foreach(list, i, u)
    {
        if (json_is_object(json_object_get(u, "budget"))) {
            put_name(out, u);
            put_budget(out, json_object_get(u, "budget"));
        }
        if (number(u, "kept") > 0) {
            put_name(out, u);
            (void)pg_buf_printf(out, "answers with what it has deleted: %lld\n", number(u, "kept"));
        }
        if (json_is_false(json_object_get(u, "parts"))) {
            put_name(out, u);
            (void)pg_buf_put(out, SL("large blobs come as a whole, not in parts\n"));
        }
        if (json_is_object(json_object_get(u, "last_error"))) {
            put_name(out, u);
            put_last_error(out, json_object_get(u, "last_error"));
        }
    }
}

static void put_upstreams(struct pg_buf *out, const json_t *list)
{
    const json_t *u;
    struct table t;
    size_t i;

    table_init(&t, 5);
    table_put(&t, SL("UPSTREAM"));
    table_put(&t, SL("STATE"));
    table_put(&t, SL(">REQUESTS"));
    table_put(&t, SL(">FAILED"));
    table_put(&t, SL(">RECEIVED"));
    json_array_foreach(list, i, u)
    {
        table_put(&t, pg_json_str(u, "name"));
        put_state(&t, u);
        table_put_number(&t, number(u, "requests"));
        table_put_number(&t, number(u, "failures"));
        table_put_bytes(&t, (uint64_t)number(u, "bytes"));
    }
    (void)pg_buf_put(out, SL("\n"));
    table_print(&t, "", out);
    table_free(&t);
    put_notes(out, list);
}

static void put_trust(struct pg_buf *out, const json_t *t)
{
    static const struct {
        const char *key, *what;
    } kinds[] = {{"keys", "key"},
                 {"authorities", "CA"},
                 {"logs", "log"},
                 {"timestamp_authorities", "timestamp server"},
                 {"certificates", "certificate"},
                 {"revocation_lists", "revocation list"}};
    bool any = false;

    (void)pg_buf_put(out, SL("             trusts "));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        long long n = number(t, kinds[i].key);
        if (n > 0) {
            (void)pg_buf_printf(out, "%s%lld %s%s", any ? ", " : "", n, kinds[i].what,
                                print_s((size_t)n));
            any = true;
        }
    }
    (void)pg_buf_put(out, any ? SL("") : SL("nobody"));
    if (pg_json_str(t, "ends").n > 0) {
        (void)pg_buf_put(out, SL("; the first ends at "));
        print_put_safe(pg_json_str(t, "ends"), out);
    }
    (void)pg_buf_put(out, SL("\n"));
}

static void put_policy(struct pg_buf *out, const json_t *root)
{
    const json_t *p = json_object_get(root, "policy"), *a = json_object_get(root, "admission");
    struct sl file = pg_json_str(p, "file");

    if (!json_is_object(p)) {
        (void)pg_buf_put(out, SL("policy       none: all that is asked for is served\n"));
        return;
    }
    (void)pg_buf_put(out, SL("policy       "));
    print_put_safe(file.n > 0 ? file : SL("in the configuration"), out);
    (void)pg_buf_put(out, SL(", revision "));
    print_put_safe(pg_json_str(p, "revision"), out);
    (void)pg_buf_put(out, SL(" since "));
    print_put_safe(pg_json_str(p, "since"), out);
    (void)pg_buf_printf(out, "\n             %lld rule%s", number(p, "rules"),
                        print_s((size_t)number(p, "rules")));
    if (number(p, "observing") > 0) {
        (void)pg_buf_printf(out, ", %lld of them only observe%s", number(p, "observing"),
                            number(p, "observing") == 1 ? "s" : "");
    }
    (void)pg_buf_put(out, SL("; what none speaks of: "));
    print_put_safe(pg_json_str(p, "default"), out);
    (void)pg_buf_put(out, SL("\n"));
    put_trust(out, json_object_get(p, "trust"));
    (void)pg_buf_printf(out,
                        "verdicts     %lld allowed, %lld denied, %lld pending; %lld manifest%s "
                        "looked at now\n",
                        number(a, "allow"), number(a, "deny"), number(a, "pending"),
                        number(a, "collecting"), print_s((size_t)number(a, "collecting")));
}

static void put_problems(struct pg_buf *out, const json_t *list)
{
    const json_t *problem;
    size_t i;

    json_array_foreach(list, i, problem)
    {
        (void)pg_buf_put(out, i == 0 ? SL("PROBLEM      ") : SL("             "));
        print_put_safe((struct sl){json_string_value(problem), json_string_length(problem)}, out);
        (void)pg_buf_put(out, SL("\n"));
    }
}

static void put_text(struct pg_buf *out, const json_t *root)
{
    const json_t *config = json_object_get(root, "config");
    struct sl file = pg_json_str(config, "file");

    (void)pg_buf_put(out, SL("pullgate     "));
    print_put_safe(pg_json_str(root, "version"), out);
    (void)pg_buf_put(out, json_is_true(json_object_get(root, "draining")) ? SL(", DRAINING, up ")
                                                                          : SL(", up "));
    put_uptime(out, number(root, "uptime_s"));
    (void)pg_buf_put(out, SL("\n"));
    put_problems(out, json_object_get(root, "problems"));
    (void)pg_buf_printf(out, "connections  %lld on %lld loops\n", number(root, "connections"),
                        number(root, "loops"));
    put_traffic(out, json_object_get(root, "traffic"));
    (void)pg_buf_put(out, SL("config       "));
    print_put_safe(file.n > 0 ? file : SL("defaults"), out);
    (void)pg_buf_printf(out, ", revision %lld\n", number(config, "revision"));
    put_policy(out, root);
    put_store(out, json_object_get(root, "store"));
    put_upstreams(out, json_object_get(root, "upstreams"));
}

/* ---- asking -------------------------------------------------------------------------------- */

static int print_answer(const struct command_args *args, const struct control_answer *a)
{
    struct pg_err err = {0};
    struct pg_buf out;
    _json_ json_t *root = NULL;

    if (pg_json_parse(pg_buf_sl(&a->body), PG_E_UPSTREAM_WRONG, &root, &err) < 0 ||
        !json_is_object(root)) {
        pg_err_clear(&err);
        return print_failure("the answer is not JSON; is it pullgate's admin listener?");
    }
    if (args->json) {
        return print_out(pg_buf_sl(&a->body)) < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
    }
    pg_buf_init(&out, PRINT_BYTES_MAX);
    if (args->watch && isatty(STDOUT_FILENO)) {
        (void)pg_buf_put(&out, SL("\033[H\033[2J"));
    }
    put_text(&out, root);
    int rc = print_out(pg_buf_sl(&out));
    pg_buf_free(&out);
    return rc < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
}

static int ask(const struct command_args *args, struct control *c)
{
    const struct control_question q = {"GET", "/api/v1/status", NULL, WAIT_MS};
    struct control_answer a;

    int rc = control_ask(c, &q, &a);
    if (rc == COMMAND_GOOD && a.status != 200) {
        rc = print_failure("%s answered %ld instead of 200; is it pullgate's admin listener?",
                           c->socket != NULL ? c->socket : c->address, a.status);
    }
    if (rc == COMMAND_GOOD) {
        rc = print_answer(args, &a);
    }
    control_answer_free(&a);
    return rc;
}

int status_run(const struct command_args *args)
{
    const struct timespec pause = {.tv_sec = WATCH_S};
    struct control c;

    int rc = control_open(args, CONTROL_LOOK, &c);
    if (rc == COMMAND_GOOD) {
        rc = ask(args, &c);
    }
    while (rc == COMMAND_GOOD && args->watch && nanosleep(&pause, NULL) == 0) {
        rc = ask(args, &c);
    }
    control_close(&c);
    return rc;
}
