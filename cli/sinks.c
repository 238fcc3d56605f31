/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sinks.h"

#include <stdlib.h>

#include "cli/config_int.h"
#include "proxy/upstream/url.h"

#define LIST       "audit.forward"
#define SYSLOG     "syslog+"
#define SYSLOG_TLS "syslog+tls://"
#define SYSLOG_TCP "syslog+tcp://"

static void *zeroed(size_t n, size_t size)
{
    void *p = calloc(n > 0 ? n : 1, size);

    PG_CHECK(p != NULL);
    return p;
}

/* ---- words --------------------------------------------------------------------------------- */

static bool is_name(struct sl s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '0' && s.p[i] <= '9') &&
            s.p[i] != '-') {
            return false;
        }
    }
    return s.n >= 1 && s.n <= CONFIG_SINK_NAME_MAX;
}

/* "logs.example.com" as "logs-example-com". */
static char *name_of(const char *host)
{
    char *name = sl_dup((struct sl){host, strnlen(host, CONFIG_SINK_NAME_MAX)});

    for (char *c = name; *c != '\0'; c++) {
        if (!is_name((struct sl){c, 1})) {
            *c = '-';
        }
    }
    return name;
}

/* ---- a sink -------------------------------------------------------------------------------- */

/* As the https or http URL of the same place: to be checked, and connected to. */
static char *plain_url(const char *url)
{
    char *plain = NULL;
    int n = strncmp(url, SYSLOG_TLS, strlen(SYSLOG_TLS)) == 0
                ? asprintf(&plain, "https://%s", url + strlen(SYSLOG_TLS))
            : strncmp(url, SYSLOG_TCP, strlen(SYSLOG_TCP)) == 0
                ? asprintf(&plain, "http://%s", url + strlen(SYSLOG_TCP))
                : asprintf(&plain, "%s", url);

    PG_CHECK(n >= 0);
    return plain;
}

/* HOST:PORT and nothing behind it. Not without a port: that would be the one of the web. */
static bool is_place_alone(const char *url)
{
    const char *host = url + strlen(SYSLOG_TLS), *end = host + strcspn(host, "/");
    const char *colon = memrchr(host, ':', (size_t)(end - host));
    bool has_port =
        colon != NULL && colon + 1 < end && memchr(colon, ']', (size_t)(end - colon)) == NULL;

    return has_port && (end[0] == '\0' || end[1] == '\0');
}

static void check_url(struct config_load *load, const struct pg_tree *t, struct config_sink *s)
{
    struct url u = {.text = NULL};
    struct pg_err err = {0};
    char *plain = plain_url(s->url);

    if (url_parse(NULL, sl_str(plain), &u, &err) < 0) {
        config_add_problem(load, t->at,
                           "audit.forward: url: \"%s\" is none of https://HOST/PATH, "
                           "syslog+tls://HOST:PORT, syslog+tcp://HOST:PORT",
                           s->url);
    } else if (strncmp(s->url, SYSLOG, strlen(SYSLOG)) == 0 && !is_place_alone(s->url)) {
        config_add_problem(load, t->at,
                           "audit.forward: url: \"%s\": a syslog server has a host and a port, and "
                           "behind them there is nothing",
                           s->url);
    } else if (s->name == NULL) {
        s->name = name_of(u.host);
    }
    if (u.text != NULL && !u.https &&
        (s->token_file != NULL || s->ca_file != NULL || s->client_cert != NULL)) {
        config_add_problem(load, t->at,
                           "audit.forward: url: \"%s\" is not encrypted: token_file, ca_file and "
                           "client_cert need https:// or syslog+tls://",
                           s->url);
    }
    pg_err_clear(&err);
    url_free(&u);
    free(plain);
}

static void check_together(struct config_load *load, const struct pg_tree *t,
                           const struct config_sink *s)
{
    if ((s->client_cert == NULL) != (s->client_key == NULL)) {
        config_add_problem(load, t->at,
                           "audit.forward: client_cert and client_key go together: the second is "
                           "the key of the first");
    }
    if (s->token_file != NULL && strncmp(s->url, SYSLOG, strlen(SYSLOG)) == 0) {
        config_add_problem(load, t->at,
                           "audit.forward: token_file is for https://; syslog knows no tokens, but "
                           "client certificates");
    }
}

static void read_sink(struct config_load *load, const struct pg_tree *t, struct config_sink *s)
{
    const struct config_words w = {
        .word = {"name", "url", "ca_file", "client_cert", "client_key", "token_file"}, .n = 6};

    if (!config_check_map(load, t, "audit.forward", &w)) {
        return;
    }
    s->name = config_read_text(load, t, LIST, "name");
    s->url = config_read_text(load, t, LIST, "url");
    s->ca_file = config_read_path(load, t, LIST, "ca_file");
    s->client_cert = config_read_path(load, t, LIST, "client_cert");
    s->client_key = config_read_path(load, t, LIST, "client_key");
    s->token_file = config_read_path(load, t, LIST, "token_file");
    if (s->name != NULL && !is_name(sl_str(s->name))) {
        config_add_problem(load, pg_tree_get(t, SL("name"))->at,
                           "audit.forward: name: \"%s\" must be 1 to %d of a-z, 0-9 and -", s->name,
                           CONFIG_SINK_NAME_MAX);
    }
    if (pg_tree_get(t, SL("url")) == NULL) {
        config_add_problem(load, t->at, "audit.forward: url is missing");
    } else if (s->url != NULL) {
        check_url(load, pg_tree_get(t, SL("url")), s);
        check_together(load, t, s);
    }
}

static void check_names(struct config_load *load)
{
    const struct config *c = &load->config;

    for (size_t i = 0; i < c->nsinks; i++) {
        for (size_t k = 0; k < i; k++) {
            if (c->sinks[i].name != NULL && c->sinks[k].name != NULL &&
                strcmp(c->sinks[i].name, c->sinks[k].name) == 0) {
                config_add_problem(load, load->sink_at[i],
                                   "audit.forward: two are named \"%s\": give each a name of its "
                                   "own",
                                   c->sinks[i].name);
            }
        }
    }
}

void sinks_read(struct config_load *load, const struct pg_tree *root)
{
    const struct pg_tree *audit = root != NULL ? pg_tree_get(root, SL("audit")) : NULL;
    const struct pg_tree *list =
        audit != NULL && audit->kind == PG_TREE_MAP ? pg_tree_get(audit, SL("forward")) : NULL;
    struct config *c = &load->config;

    if (list == NULL) {
        return;
    }
    if (list->kind != PG_TREE_LIST || list->nchildren > CONFIG_SINKS_MAX) {
        config_add_problem(load, list->at, "audit.forward must be a list of at most %d {name, url}",
                           CONFIG_SINKS_MAX);
        return;
    }
    if (list->nchildren > 0 && !c->audit_enabled) {
        config_add_problem(load, list->at,
                           "audit.forward sends what the audit log has: it needs audit.enabled");
    }
    c->sinks = zeroed(list->nchildren, sizeof(*c->sinks));
    load->sink_at = zeroed(list->nchildren, sizeof(*load->sink_at));
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        load->sink_at[c->nsinks] = t->at;
        read_sink(load, t, &c->sinks[c->nsinks++]);
    }
    check_names(load);
}

/* ---- files --------------------------------------------------------------------------------- */

void sinks_check_world(struct config_load *load)
{
    for (size_t i = 0; i < load->config.nsinks; i++) {
        const struct config_sink *s = &load->config.sinks[i];
        config_check_file(load, load->sink_at[i], s->ca_file, PG_GUARDED_PUBLIC);
        config_check_file(load, load->sink_at[i], s->client_cert, PG_GUARDED_PUBLIC);
        config_check_file(load, load->sink_at[i], s->client_key, PG_GUARDED_PRIVATE);
        config_check_file(load, load->sink_at[i], s->token_file, PG_GUARDED_PRIVATE);
    }
}
