/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/config.h"
#include "cli/print.h"
#include "cli/show.h"

#define WAIT_MS      5000L
#define ANSWER_BYTES ((size_t)4 << 20)

/* Whom to ask: a TCP listener, or the control socket where the kernel picked the port. */
struct target {
    char *address; /* "127.0.0.1:5001" */
    char *socket;  /* NULL: over TCP */
};

static char *copy(const char *s)
{
    char *p = strdup(s);

    PG_CHECK(p != NULL);
    return p;
}

static void target_free(struct target *t)
{
    free(t->address);
    free(t->socket);
}

static bool is_port_unknown(const char *address)
{
    size_t n = strlen(address);

    return n > 2 && strcmp(address + n - 2, ":0") == 0;
}

static int find_target(const struct command_args *args, struct target *t)
{
    struct config_load load;
    struct pg_err err = {0};

    if (args->admin != NULL) {
        t->address = copy(args->admin);
        return COMMAND_GOOD;
    }
    int rc = config_load(args->config_file, &load, &err);
    if (rc != 0) {
        rc = show_refusal(rc, &load, &err);
        config_load_free(&load);
        return rc;
    }
    t->address = copy(load.config.admin_listen);
    if (is_port_unknown(t->address)) {
        t->socket = config_control_path(&load.config);
    }
    config_load_free(&load);
    return COMMAND_GOOD;
}

static size_t on_bytes(char *p, size_t size, size_t n, void *owner) // NOLINT: libcurl says so
{
    return pg_buf_put(owner, (struct sl){p, size * n}) < 0 ? 0 : size * n;
}

static CURLcode set_up(CURL *curl, const struct target *t, const char *url, struct pg_buf *body)
{
    CURLcode rc = curl_easy_setopt(curl, CURLOPT_URL, url);

    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, WAIT_MS);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    if (rc == CURLE_OK && t->socket != NULL) {
        rc = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, t->socket);
    }
    return rc;
}

static int ask(const struct target *t, struct pg_buf *body)
{
    const char *where = t->socket != NULL ? t->socket : t->address;
    char url[300];
    long status = 0;
    CURL *curl = curl_easy_init();

    PG_CHECK(curl != NULL);
    (void)snprintf(url, sizeof(url), "http://%s/api/v1/status",
                   t->socket != NULL ? "localhost" : t->address);
    CURLcode rc = set_up(curl, t, url, body);
    rc = rc == CURLE_OK ? curl_easy_perform(curl) : rc;
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (rc == CURLE_COULDNT_CONNECT) {
        return print_failure("nothing answers at %s; is pullgate running?", where);
    }
    if (rc != CURLE_OK) {
        return print_failure("cannot ask %s: %s", where, curl_easy_strerror(rc));
    }
    if (status != 200) {
        return print_failure("%s answered %ld instead of 200; is it pullgate's admin listener?",
                             where, status);
    }
    return COMMAND_GOOD;
}

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
    print_put_bytes(out, (uint64_t)number(store, "bytes"));
    (void)pg_buf_put(out, SL(" of "));
    print_put_bytes(out, (uint64_t)number(store, "max_bytes"));
    (void)pg_buf_put(out, SL("; half here: "));
    print_put_bytes(out, (uint64_t)number(store, "partial_bytes"));
    (void)pg_buf_put(out, SL("\n"));
    if (json_is_true(json_object_get(store, "degraded"))) {
        (void)pg_buf_put(out, SL("             DEGRADED: the disk is full or fails\n"));
    }
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
    print_put_bytes(out, (uint64_t)sent);
    (void)pg_buf_put(out, SL(" sent, "));
    print_put_bytes(out, (uint64_t)fetched);
    (void)pg_buf_put(out, SL(" fetched, "));
    print_put_bytes(out, sent > fetched ? (uint64_t)(sent - fetched) : 0);
    (void)pg_buf_printf(out, " saved\ndownloads    %lld under way, read by %lld requests\n",
                        number(t, "flights"), number(t, "flight_waiters"));
}

static void put_state(struct pg_buf *out, const json_t *u)
{
    struct sl state = pg_json_str(u, "state");
    long long wait_ms = number(u, "asked_again_ms");

    if (sl_eq(state, SL("unknown"))) {
        (void)pg_buf_put(out,
                         number(u, "requests") > 0 ? SL("no answer yet") : SL("not asked yet"));
    } else if (sl_eq(state, SL("down"))) {
        (void)pg_buf_put(out, SL("DOWN"));
    } else if (sl_eq(state, SL("limited"))) {
        (void)pg_buf_put(out, SL("LIMITED (429)"));
    } else {
        print_put_safe(state, out);
    }
    if (wait_ms > 0) {
        (void)pg_buf_printf(out, ", asked again in %lld s", (wait_ms + 999) / 1000);
    }
}

static void put_upstream(struct pg_buf *out, const json_t *u, size_t width)
{
    const json_t *error = json_object_get(u, "last_error");
    struct sl name = pg_json_str(u, "name");

    print_put_safe(name, out);
    (void)pg_buf_printf(out, "%*s", (int)(name.n < width ? width - name.n : 0) + 2, "");
    put_state(out, u);
    if (number(u, "requests") > 0) {
        (void)pg_buf_printf(out, "; %lld requests, %lld failed, ", number(u, "requests"),
                            number(u, "failures"));
        print_put_bytes(out, (uint64_t)number(u, "bytes"));
    }
    (void)pg_buf_put(out, SL("\n"));
    if (json_is_object(error)) {
        (void)pg_buf_printf(out, "%*slast error: ", 15, "");
        print_put_safe(pg_json_str(error, "at"), out);
        (void)pg_buf_put(out, SL(" "));
        print_put_safe(pg_json_str(error, "message"), out);
        (void)pg_buf_put(out, SL("\n"));
    }
}

static void put_upstreams(struct pg_buf *out, const json_t *list)
{
    const json_t *u;
    size_t i, width = 0;

    json_array_foreach(list, i, u)
    {
        struct sl name = pg_json_str(u, "name");

        width = name.n > width && name.n < 40 ? name.n : width;
    }
    json_array_foreach(list, i, u)
    {
        (void)pg_buf_put(out, i == 0 ? SL("upstreams    ") : SL("             "));
        put_upstream(out, u, width);
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
    (void)pg_buf_printf(out, "\nconnections  %lld on %lld loops\n", number(root, "connections"),
                        number(root, "loops"));
    put_traffic(out, json_object_get(root, "traffic"));
    (void)pg_buf_put(out, SL("config       "));
    print_put_safe(file.n > 0 ? file : SL("defaults"), out);
    (void)pg_buf_printf(out, ", revision %lld\n", number(config, "revision"));
    put_store(out, json_object_get(root, "store"));
    put_upstreams(out, json_object_get(root, "upstreams"));
}

static int print_answer(const struct command_args *args, const struct pg_buf *body)
{
    struct pg_err err = {0};
    struct pg_buf out;
    _json_ json_t *root = NULL;

    if (pg_json_parse(pg_buf_sl(body), PG_E_UPSTREAM_WRONG, &root, &err) < 0 ||
        !json_is_object(root)) {
        pg_err_clear(&err);
        return print_failure("the answer is not JSON; is it pullgate's admin listener?");
    }
    if (args->json) {
        return print_out(pg_buf_sl(body)) < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
    }
    pg_buf_init(&out, PRINT_BYTES_MAX);
    put_text(&out, root);
    int rc = print_out(pg_buf_sl(&out));
    pg_buf_free(&out);
    return rc < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
}

int status_run(const struct command_args *args)
{
    struct target t = {0};
    struct pg_buf body;

    pg_buf_init(&body, ANSWER_BYTES);
    int rc = find_target(args, &t);
    if (rc == COMMAND_GOOD) {
        rc = ask(&t, &body);
    }
    if (rc == COMMAND_GOOD) {
        rc = print_answer(args, &body);
    }
    pg_buf_free(&body);
    target_free(&t);
    return rc;
}
