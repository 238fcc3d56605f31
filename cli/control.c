/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/control.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/config.h"
#include "cli/print.h"
#include "cli/show.h"

#define CONNECT_MS 5000L
#define URL_MAX    4096

static char *copy(const char *s)
{
    char *p = strdup(s);

    PG_CHECK(p != NULL);
    return p;
}

static bool is_port_unknown(const char *address)
{
    size_t n = strlen(address);

    return n > 2 && strcmp(address + n - 2, ":0") == 0;
}

static void take_configured(const struct config *config, enum control_way way, struct control *c)
{
    c->address = copy(config->admin_listen);
    if (way == CONTROL_CHANGE || is_port_unknown(c->address)) {
        c->socket = config_control_path(config);
    }
}

static int find(const struct command_args *args, enum control_way way, struct control *c)
{
    struct config_load load;
    struct pg_err err = {0};

    if (args->control != NULL) {
        c->socket = copy(args->control);
        return COMMAND_GOOD;
    }
    if (way == CONTROL_LOOK && args->admin != NULL) {
        c->address = copy(args->admin);
        return COMMAND_GOOD;
    }
    int rc = config_load(args->config_file, &load, &err);
    if (rc != 0) {
        rc = show_refusal(rc, &load, &err);
        (void)print_failure("a running server can be asked all the same: with --control SOCKET%s",
                            way == CONTROL_LOOK ? " or --admin ADDR:PORT" : "");
    } else {
        take_configured(&load.config, way, c);
    }
    config_load_free(&load);
    return rc;
}

int control_open(const struct command_args *args, enum control_way way, struct control *c_r)
{
    *c_r = (struct control){0};
    int rc = find(args, way, c_r);
    if (rc == COMMAND_GOOD) {
        c_r->curl = curl_easy_init();
        PG_CHECK(c_r->curl != NULL);
    }
    return rc;
}

void control_close(struct control *c)
{
    curl_easy_cleanup(c->curl);
    free(c->address);
    free(c->socket);
    *c = (struct control){0};
}

/* ---- answers ------------------------------------------------------------------------------- */

static size_t on_bytes(char *p, size_t size, size_t n, void *owner) // NOLINT: libcurl says so
{
    struct control_answer *a = owner;

    return pg_buf_put(&a->body, (struct sl){p, size * n}) < 0 ? 0 : size * n;
}

static void keep(char *out, size_t room, struct sl value)
{
    while (value.n > 0 && strchr(" \t\r\n", value.p[0]) != NULL) {
        value = (struct sl){value.p + 1, value.n - 1};
    }
    while (value.n > 0 && strchr(" \t\r\n", value.p[value.n - 1]) != NULL) {
        value.n--;
    }
    (void)snprintf(out, room, SL_FMT, SL_ARG(value));
}

static size_t on_header(char *p, size_t size, size_t n, void *owner) // NOLINT: libcurl says so
{
    struct control_answer *a = owner;
    const char *colon = memchr(p, ':', size * n);
    struct sl name = {p, colon != NULL ? (size_t)(colon - p) : 0};
    struct sl value = {p + name.n + 1, size * n - name.n - (colon != NULL ? 1 : 0)};

    if (colon != NULL && sl_eq_nocase(name, SL("Docker-Content-Digest"))) {
        keep(a->digest, sizeof(a->digest), value);
    } else if (colon != NULL && sl_eq_nocase(name, SL("Cache-Status"))) {
        keep(a->cache, sizeof(a->cache), value);
    } else if (colon != NULL && sl_eq_nocase(name, SL("Content-Type"))) {
        keep(a->type, sizeof(a->type), value);
    }
    return size * n;
}

CURLcode control_set_up(const struct control *c, CURL *curl, const char *path,
                        struct control_answer *a)
{
    char url[URL_MAX];

    if ((size_t)snprintf(url, sizeof(url), "http://%s%s",
                         c->socket != NULL ? "localhost" : c->address, path) >= sizeof(url)) {
        return CURLE_URL_MALFORMAT;
    }
    CURLcode rc = curl_easy_setopt(curl, CURLOPT_URL, url);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, CURLOPT_HEADERDATA, a);
    if (rc == CURLE_OK && c->socket != NULL) {
        rc = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, c->socket);
    }
    return rc;
}

/* ---- one question -------------------------------------------------------------------------- */

static CURLcode perform(struct control *c, const struct control_question *q,
                        struct curl_slist *headers, struct control_answer *a)
{
    bool is_head = strcmp(q->method, "HEAD") == 0;

    curl_easy_reset(c->curl);
    CURLcode rc = control_set_up(c, c->curl, q->path, a);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, q->wait_ms);
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    if (rc == CURLE_OK && is_head) {
        rc = curl_easy_setopt(c->curl, CURLOPT_NOBODY, 1L);
    } else if (rc == CURLE_OK && strcmp(q->method, "GET") != 0) {
        rc = curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, q->method);
    }
    rc = rc != CURLE_OK ? rc : curl_easy_perform(c->curl);
    (void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &a->status);
    return rc;
}

static CURLcode ask(struct control *c, const struct control_question *q, struct control_answer *a_r)
{
    struct curl_slist *headers = q->header != NULL ? curl_slist_append(NULL, q->header) : NULL;

    control_answer_init(a_r);
    CURLcode rc = perform(c, q, headers, a_r);
    curl_slist_free_all(headers);
    return rc;
}

int control_ask(struct control *c, const struct control_question *q, struct control_answer *a_r)
{
    const char *where = c->socket != NULL ? c->socket : c->address;
    CURLcode rc = ask(c, q, a_r);

    if (rc == CURLE_COULDNT_CONNECT) {
        return print_failure("nothing answers at %s; is pullgate running%s?", where,
                             c->socket != NULL ? ", and are you its user or root" : "");
    }
    if (rc != CURLE_OK) {
        return print_failure("cannot ask %s: %s", where, curl_easy_strerror(rc));
    }
    return COMMAND_GOOD;
}

bool control_try(struct control *c, const struct control_question *q, struct control_answer *a_r)
{
    return ask(c, q, a_r) == CURLE_OK;
}

void control_answer_init(struct control_answer *a)
{
    *a = (struct control_answer){0};
    pg_buf_init(&a->body, CONTROL_ANSWER_BYTES);
}

void control_answer_free(struct control_answer *a)
{
    pg_buf_free(&a->body);
}

void control_put_error(const struct control_answer *a, struct pg_buf *out)
{
    struct pg_err err = {0};
    _json_ json_t *root = NULL;
    struct sl message = {NULL, 0};

    if (pg_json_parse(pg_buf_sl(&a->body), PG_E_UPSTREAM_WRONG, &root, &err) == 0) {
        message = pg_json_str(json_array_get(json_object_get(root, "errors"), 0), "message");
    }
    pg_err_clear(&err);
    if (message.n > 0) {
        print_put_safe(message, out);
    } else {
        (void)pg_buf_printf(out, "the answer was %ld", a->status);
    }
}

int control_ask_json(struct control *c, const struct control_question *q, const char *about,
                     json_t **root_r)
{
    struct control_answer a;
    struct pg_err err = {0};
    struct pg_buf said;

    *root_r = NULL;
    int rc = control_ask(c, q, &a);
    pg_buf_init(&said, PRINT_BYTES_MAX);
    if (rc == COMMAND_GOOD && a.status != 200) {
        control_put_error(&a, &said);
        (void)print_failure("%s%s" SL_FMT, about != NULL ? about : "", about != NULL ? ": " : "",
                            SL_ARG(pg_buf_sl(&said)));
        rc = COMMAND_FOUND;
    } else if (rc == COMMAND_GOOD &&
               (pg_json_parse(pg_buf_sl(&a.body), PG_E_UPSTREAM_WRONG, root_r, &err) < 0 ||
                !json_is_object(*root_r))) {
        rc = print_failure("the answer is not JSON; is it pullgate?");
    }
    pg_err_clear(&err);
    pg_buf_free(&said);
    control_answer_free(&a);
    return rc;
}

void control_put_word(struct pg_buf *path, struct sl word)
{
    for (size_t i = 0; i < word.n; i++) {
        unsigned char b = (unsigned char)word.p[i];
        bool plain = (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') ||
                     b == '-' || b == '.' || b == '_' || b == '~' || b == '/';
        if (plain) {
            (void)pg_buf_put(path, (struct sl){word.p + i, 1});
        } else {
            (void)pg_buf_printf(path, "%%%02X", (unsigned)b);
        }
    }
}
