/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/guarded.h"
#include "cli/address.h"
#include "cli/authority.h"
#include "proxy/http/socket.h"
#include "proxy/http/tls.h"
#include "proxy/sandbox.h"
#include "proxy/upstream/addr.h"
#include "proxy/upstream/docker_config.h"
#include "proxy/upstream/docker_credential.h"
#include "proxy/upstream/pace.h"

#define SECRET_BYTES_MAX 65536
#define SOCKET_PATH_MAX  107 /* sockaddr_un */

static struct sl text_of(const char *s)
{
    return (struct sl){s, strlen(s)};
}

/* ---- listeners ----------------------------------------------------------------------------- */

/* Listener no; the last one is the admin's. */
static const char *listener_text(const struct config_load *load, size_t no)
{
    return no < load->config.nlisteners ? load->config.listeners[no].address
                                        : load->config.admin_listen;
}

static struct pg_tree_at listener_position(const struct config_load *load, size_t no)
{
    return no < load->config.nlisteners ? load->listener_at[no]
                                        : config_at(load, "admin", "listen");
}

static bool listener_address(const struct config_load *load, size_t no,
                             struct sockaddr_storage *address_r)
{
    const char *text = listener_text(load, no);

    return text != NULL && address_parse(text_of(text), address_r) == 0;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* A unix socket or one that systemd passes: what is wrong with it, or NULL. */
static const char *check_special(const char *text)
{
    const char *rest = strchr(text, ':') + 1;

    if (starts_with(text, CONFIG_UNIX)) {
        return rest[0] != '/'                   ? "must be followed by an absolute path"
               : strlen(rest) > SOCKET_PATH_MAX ? "the path of a socket has at most 107 bytes"
                                                : NULL;
    }
    for (const char *c = rest; *c != '\0'; c++) {
        if ((*c < '0' || *c > '9') && (*c < 'A' || *c > 'Z') && (*c < 'a' || *c > 'z') &&
            strchr("-_.", *c) == NULL) {
            return "must be followed by the FileDescriptorName of a socket unit";
        }
    }
    return rest[0] == '\0' ? "must be followed by the FileDescriptorName of a socket unit" : NULL;
}

static bool is_special(const char *text)
{
    return starts_with(text, CONFIG_UNIX) || starts_with(text, CONFIG_SYSTEMD);
}

static bool check_address(struct config_load *load, size_t no)
{
    const char *text = listener_text(load, no);
    bool is_admin = no == load->config.nlisteners;
    struct sockaddr_storage a;

    if (!is_admin && is_special(text)) {
        const char *why = check_special(text);
        if (why != NULL) {
            config_add_problem(load, listener_position(load, no), "listen: %s: %s", text, why);
        }
        return why == NULL;
    }
    if (!listener_address(load, no, &a)) {
        config_add_problem(load, listener_position(load, no),
                           "%s must be an IP address and a port, such as 127.0.0.1:5000 or "
                           "\"[::]:5000\"%s",
                           is_admin ? "admin.listen" : "listen",
                           is_admin ? "" : ", or unix:/PATH, or systemd:NAME");
        return false;
    }
    return true;
}

static bool is_same_place(const struct config_load *load, size_t first, size_t second)
{
    struct sockaddr_storage a, b;

    if (listener_address(load, first, &a) && listener_address(load, second, &b)) {
        return address_reaches(&b, &a);
    }
    return strcmp(listener_text(load, first), listener_text(load, second)) == 0;
}

static void check_listeners(struct config_load *load)
{
    for (size_t i = 0; i <= load->config.nlisteners; i++) {
        const char *text = listener_text(load, i);
        if (text == NULL || !check_address(load, i)) {
            continue;
        }
        for (size_t k = 0; k < i; k++) {
            if (listener_text(load, k) != NULL && is_same_place(load, k, i)) {
                config_add_problem(load, listener_position(load, i),
                                   "%s: %s is taken by the listener %s already",
                                   i < load->config.nlisteners ? "listen" : "admin.listen", text,
                                   listener_text(load, k));
                break;
            }
        }
    }
}

/* ---- upstreams ----------------------------------------------------------------------------- */

static void check_name(struct config_load *load, size_t no)
{
    const struct config_upstream *u = &load->config.upstreams[no];
    struct pg_tree_at at = load->upstream_at[no].name;
    struct sl name = text_of(u->name), host;
    uint16_t port;
    const char *canonical = config_alias_of(name);

    if (canonical != NULL) {
        config_add_problem(load, at, "upstreams.%s is another name of %s; write %s", u->name,
                           canonical, canonical);
        return;
    }
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] >= 'A' && name.p[i] <= 'Z') {
            config_add_problem(load, at, "upstreams.%s: write the name in lower case", u->name);
            return;
        }
    }
    if (authority_parse(name, &host, &port) < 0) {
        config_add_problem(load, at,
                           "upstreams: a key must be the host name of a registry, such "
                           "as quay.io, and perhaps a port");
        return;
    }
    /* the first part of a repository's name could be meant */
    if (memchr(name.p, '.', name.n) == NULL && memchr(name.p, ':', name.n) == NULL &&
        !sl_eq(name, SL("localhost"))) {
        config_add_problem(load, at, "upstreams.%s: the name of a registry has a dot or a port",
                           u->name);
    }
}

static char *lower(struct sl s)
{
    char *p = sl_dup(s);

    for (char *c = p; *c != '\0'; c++) {
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    }
    return p;
}

static bool has_login(const struct config_upstream *u)
{
    return u->upstream_username[0] != '\0' || u->upstream_docker_config[0] != '\0' ||
           u->upstream_credential_helper[0] != '\0';
}

/* The URL in its one form, without the slash at its end. */
static void store_url(struct config_url *u, const struct authority_url *url)
{
    char *host = lower(url->authority);
    char *whole = NULL;
    int n = asprintf(&whole, "%s://%s", url->is_https ? "https" : "http", host);

    PG_CHECK(n > 0);
    free(u->text);
    u->text = whole;
    u->host = host;
    u->https = url->is_https;
}

static const char *key_of(const struct config_upstream *u)
{
    return u->has_list ? "urls" : "url";
}

static void check_url(struct config_load *load, size_t no, size_t which)
{
    struct config_upstream *u = &load->config.upstreams[no];
    struct config_url *one = &u->urls[which];
    struct pg_tree_at at = load->upstream_at[no].url[which];
    struct sockaddr_storage address;
    struct authority_url url;
    const char *why = NULL, *key = key_of(u);

    if (authority_parse_url(text_of(one->text), &url, &why) < 0) {
        config_add_problem(load, at, "upstreams.%s.%s %s", u->name, key, why);
        return;
    }
    if (address_parse_host(url.host, url.port, &address) == 0 && !u->upstream_allow_private &&
        !addr_is_public((const struct sockaddr *)&address, sizeof(address))) {
        config_add_problem(load, at,
                           "upstreams.%s.%s is at a private address; add allow_private: true if "
                           "that is meant",
                           u->name, key);
    }
    if (!url.is_https && has_login(u) && !u->upstream_allow_private) {
        config_add_problem(load, at,
                           "upstreams.%s.%s is http://, which would send the password in clear; "
                           "use https://",
                           u->name, key);
    }
    store_url(one, &url);
    for (size_t i = 0; i < which; i++) {
        if (u->urls[i].host != NULL && strcmp(u->urls[i].host, one->host) == 0) {
            config_add_problem(load, at, "upstreams.%s.%s has %s twice", u->name, key, one->host);
            return;
        }
    }
}

/* What stands for the whole: the first URL whose word counts. */
static void choose_url(struct config_load *load, size_t no)
{
    struct config_upstream *u = &load->config.upstreams[no];

    for (size_t i = 0; i < u->nurls; i++) {
        if (u->urls[i].authoritative) {
            if (u->urls[i].host != NULL) {
                free(u->upstream_url);
                u->upstream_url = sl_dup(text_of(u->urls[i].text));
                u->url_host = sl_dup(text_of(u->urls[i].host));
                u->url_https = u->urls[i].https;
            }
            return;
        }
    }
    config_add_problem(load, load->upstream_at[no].url[0],
                       "upstreams.%s.urls: one of them must be authoritative, or nobody says what "
                       "a tag is",
                       u->name);
}

static void check_urls(struct config_load *load, size_t no)
{
    struct config_upstream *u = &load->config.upstreams[no];
    struct pg_tree_at at = config_upstream_at(load, no, "url");

    if (u->nurls == 0) {
        if (!config_is_alias(u) && !u->has_list) {
            config_add_problem(load, at.line > 0 ? at : load->upstream_at[no].name,
                               "upstreams.%s: url is missing", u->name);
        }
        return;
    }
    for (size_t i = 0; i < u->nurls; i++) {
        check_url(load, no, i);
    }
    choose_url(load, no);
}

static void check_alias(struct config_load *load, size_t no)
{
    const struct config_upstream *u = &load->config.upstreams[no];
    const char *target = u->upstream_alias_of;

    if (!config_is_alias(u)) {
        return;
    }
    for (size_t i = 0; i < load->config.nupstreams; i++) {
        const struct config_upstream *other = &load->config.upstreams[i];

        if (strcmp(other->name, target) == 0 && !config_is_alias(other)) {
            return;
        }
    }
    config_add_problem(load, config_upstream_at(load, no, "alias_of"),
                       "upstreams.%s.alias_of must be the name of another upstream that is no "
                       "alias itself; there is no such upstream %s",
                       u->name, target);
}

static void check_words_of(struct config_load *load, size_t no)
{
    const struct config_upstream *u = &load->config.upstreams[no];
    struct sl host, rest = text_of(u->upstream_realms);
    uint16_t port;

    if (u->upstream_host[0] != '\0' &&
        (authority_parse(text_of(u->upstream_host), &host, &port) < 0 || port != 0)) {
        config_add_problem(load, config_upstream_at(load, no, "host"),
                           "upstreams.%s.host must be a host name without a port", u->name);
    }
    while (rest.n > 0) {
        const char *space = memchr(rest.p, ' ', rest.n);
        struct sl one = {rest.p, space != NULL ? (size_t)(space - rest.p) : rest.n};
        if (one.n > 0 && authority_parse(one, &host, &port) < 0) {
            config_add_problem(load, config_upstream_at(load, no, "realms"),
                               "upstreams.%s.realms must be host names separated by spaces",
                               u->name);
            return;
        }
        rest = (struct sl){rest.p + one.n + (space != NULL ? 1 : 0),
                           rest.n - one.n - (space != NULL ? 1 : 0)};
    }
}

/* A login comes from one place. */
static void check_login(struct config_load *load, size_t no)
{
    const struct config_upstream *u = &load->config.upstreams[no];
    bool has_user = u->upstream_username[0] != '\0',
         has_file = u->upstream_password_file[0] != '\0',
         has_env = u->upstream_password_env[0] != '\0',
         has_config = u->upstream_docker_config[0] != '\0',
         has_helper = u->upstream_credential_helper[0] != '\0';
    const char *secret = has_file ? "password_file" : "password_env";

    if (has_user && !has_file && !has_env) {
        config_add_problem(load, config_upstream_at(load, no, "username"),
                           "upstreams.%s.username needs a password_file or password_env beside it",
                           u->name);
    } else if (!has_user && (has_file || has_env)) {
        config_add_problem(load, config_upstream_at(load, no, secret),
                           "upstreams.%s.%s needs a username beside it", u->name, secret);
    } else if (has_file && has_env) {
        config_add_problem(load, config_upstream_at(load, no, "password_env"),
                           "upstreams.%s has a password_file and a password_env; one of them is "
                           "enough",
                           u->name);
    } else if (has_user + has_config + has_helper > 1) {
        config_add_problem(
            load, config_upstream_at(load, no, has_helper ? "credential_helper" : "docker_config"),
            "upstreams.%s has more than one of username, docker_config and "
            "credential_helper; a login comes from one place",
            u->name);
    }
    if (has_user && strchr(u->upstream_username, ':') != NULL) {
        config_add_problem(load, config_upstream_at(load, no, "username"),
                           "upstreams.%s.username must not have a colon; the password goes into "
                           "password_file",
                           u->name);
    }
}

/* Rules that are written for the one must not be walked around by the name of the other. A mirror
 * that both have, and neither believes, is no registry of its own. */
static void check_same_registry(struct config_load *load, size_t first, size_t second)
{
    const struct config_upstream *a = &load->config.upstreams[first];
    const struct config_upstream *b = &load->config.upstreams[second];

    for (size_t i = 0; i < a->nurls * b->nurls; i++) {
        const struct config_url *ua = &a->urls[i / b->nurls], *ub = &b->urls[i % b->nurls];

        if (ua->host != NULL && ub->host != NULL && strcmp(ua->host, ub->host) == 0 &&
            (ua->authoritative || ub->authoritative)) {
            config_add_problem(load, load->upstream_at[second].url[i % b->nurls],
                               "upstreams.%s and %s are one registry, %s; if %s is only another "
                               "name, write {alias_of: %s}",
                               b->name, a->name, ub->host, b->name, a->name);
            return;
        }
    }
}

/* What two upstreams must not have in common. */
static void check_pair(struct config_load *load, size_t first, size_t second)
{
    const struct config_upstream *a = &load->config.upstreams[first];
    const struct config_upstream *b = &load->config.upstreams[second];

    if (a->upstream_default && b->upstream_default) {
        config_add_problem(load, config_upstream_at(load, second, "default"),
                           "upstreams.%s is a second default; the first is %s", b->name, a->name);
    }
    check_same_registry(load, first, second);
    if (b->upstream_host[0] != '\0' && strcasecmp(a->upstream_host, b->upstream_host) == 0) {
        config_add_problem(load, config_upstream_at(load, second, "host"),
                           "upstreams.%s.host is the host of %s already", b->name, a->name);
    }
}

/* Files and places that belong to how an upstream is reached. */
static void check_way(struct config_load *load, size_t no)
{
    const struct config_upstream *u = &load->config.upstreams[no];
    bool has_cert = u->upstream_client_cert[0] != '\0', has_key = u->upstream_client_key[0] != '\0';
    struct authority_url url;
    const char *why = NULL;

    if (has_cert != has_key) {
        config_add_problem(load,
                           config_upstream_at(load, no, has_cert ? "client_cert" : "client_key"),
                           "upstreams.%s needs client_cert and client_key, or neither", u->name);
    }
    if (has_cert && u->url_host != NULL && !u->url_https) {
        config_add_problem(load, config_upstream_at(load, no, "client_cert"),
                           "upstreams.%s.client_cert is for https:// alone", u->name);
    }
    if (u->upstream_max_bandwidth != 0 && u->upstream_max_bandwidth < PACE_LEAST) {
        config_add_problem(load, config_upstream_at(load, no, "max_bandwidth"),
                           "upstreams.%s.max_bandwidth must be 64KiB or more, or 0", u->name);
    }
    if (u->upstream_proxy[0] == '\0') {
        return;
    }
    if (strchr(u->upstream_proxy, '@') != NULL) {
        config_add_problem(load, config_upstream_at(load, no, "proxy"),
                           "upstreams.%s.proxy must not hold a user or password; a proxy that asks "
                           "for a login is not supported",
                           u->name);
    } else if (authority_parse_url(text_of(u->upstream_proxy), &url, &why) < 0 || url.is_https ||
               !url.has_port) {
        config_add_problem(load, config_upstream_at(load, no, "proxy"),
                           "upstreams.%s.proxy must be http://host:port", u->name);
    }
}

static bool url_address(const struct config_url *u, struct sockaddr_storage *address_r)
{
    struct authority_url url;
    const char *why;

    return u->host != NULL && authority_parse_url(text_of(u->text), &url, &why) == 0 &&
           address_parse_host(url.host, url.port, address_r) == 0;
}

/* A pull that goes round in a circle ends when every connection is used up. */
static void check_not_ourselves(struct config_load *load, size_t no)
{
    const struct config_upstream *u = &load->config.upstreams[no];
    struct sockaddr_storage to, listener;
    size_t nlisteners = load->config.nlisteners + 1;

    for (size_t i = 0; i < u->nurls * nlisteners; i++) {
        size_t url = i / nlisteners, no_listener = i % nlisteners;

        if (url_address(&u->urls[url], &to) && listener_address(load, no_listener, &listener) &&
            address_reaches(&to, &listener)) {
            config_add_problem(load, load->upstream_at[no].url[url],
                               "upstreams.%s.%s is our own listener %s", u->name, key_of(u),
                               listener_text(load, no_listener));
            return;
        }
    }
}

int rules_check_ourselves(struct config_load *load)
{
    for (size_t i = 0; i < load->config.nupstreams; i++) {
        check_not_ourselves(load, i);
    }
    return load->nproblems > 0;
}

static void check_control(struct config_load *load)
{
    bool is_set = load->config.admin_control[0] != '\0';
    char *path = config_control_path(&load->config);

    if (strlen(path) > SOCKET_PATH_MAX) {
        config_add_problem(
            load, config_at(load, is_set ? "admin" : "storage", is_set ? "control" : "path"),
            "the control socket would be %s; a socket's path has at most %d bytes: "
            "set admin.control",
            path, SOCKET_PATH_MAX);
    }
    free(path);
}

/* Base and path: the authority is checked as that of a registry is. */
static void check_collector(struct config_load *load)
{
    const char *endpoint = load->config.trace_endpoint;
    const char *behind = strstr(endpoint, "://");
    const char *path = behind != NULL ? strchr(behind + 3, '/') : NULL;
    const char *why = "wants its path, too, such as /v1/traces";
    struct authority_url url;

    if (endpoint[0] == '\0') {
        return;
    }
    if (path == NULL ||
        authority_parse_url((struct sl){endpoint, (size_t)(path - endpoint)}, &url, &why) < 0) {
        config_add_problem(load, config_at(load, "trace", "endpoint"), "trace.endpoint %s", why);
    }
}

/* Names of variables, not what is in them. */
static void check_environment(struct config_load *load)
{
    static const char word[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    const char *p = load->config.helpers_environment;

    while (*p != '\0') {
        size_t n = strcspn(p, " "), good = strspn(p, word);
        if (good != n && !(good == n - 1 && p[good] == '*')) {
            config_add_problem(load, config_at(load, "helpers", "environment"),
                               "helpers.environment must be names of variables separated by "
                               "spaces, such as HOME or AWS_*; what they hold comes from the "
                               "environment of pullgate");
            return;
        }
        p += n + strspn(p + n, " ");
    }
}

void rules_check(struct config_load *load)
{
    check_environment(load);
    check_listeners(load);
    check_collector(load);
    check_control(load);
    for (size_t i = 0; i < load->config.nupstreams; i++) {
        check_name(load, i);
        check_urls(load, i);
        check_alias(load, i);
        check_way(load, i);
        check_words_of(load, i);
        check_login(load, i);
        check_not_ourselves(load, i);
        size_t before = load->nproblems;
        for (size_t k = 0; k < i && load->nproblems == before; k++) {
            check_pair(load, k, i);
        }
    }
}

/* ---- files --------------------------------------------------------------------------------- */

/* What more there is to say of a file that could not be opened just now. */
const char *rules_hint(const char *path)
{
    return errno == EACCES && path != NULL && sandbox_hides(path)
               ? ": the running server's sandbox does not reach there; restart it, or use a "
                 "directory that it reads already"
               : "";
}

/* Adds a problem when the file may not be used; whether it may. */
static bool check_path(struct config_load *load, struct pg_tree_at at, const char *path,
                       enum pg_guarded_mode forbidden)
{
    struct pg_err err = {0};
    struct stat st;
    _fd_ int fd = pg_guarded_open(path, forbidden, &err);

    if (fd < 0) {
        config_add_problem(load, at, "%s%s", err.msg, rules_hint(path));
        pg_err_clear(&err);
        return false;
    }
    if (forbidden == PG_GUARDED_PRIVATE &&
        (fstat(fd, &st) < 0 || st.st_size == 0 || st.st_size > SECRET_BYTES_MAX)) {
        config_add_problem(load, at, "%s is empty or too large", path);
        return false;
    }
    return true;
}

/* The whole that will be used at the start is made here, and thrown away. */
void rules_check_tls(struct config_load *load, struct pg_tree_at at, const struct config_tls *tls)
{
    struct tls_server *server = NULL;
    struct pg_err err = {0};

    errno = 0;
    if (tls_server_new(tls, &server, &err) < 0) {
        const char *more = rules_hint(tls->client_ca);
        for (size_t i = 0; i < tls->npairs && more[0] == '\0'; i++) {
            more = rules_hint(tls->pairs[i].cert);
            more = more[0] != '\0' ? more : rules_hint(tls->pairs[i].key);
        }
        config_add_problem(load, at, "%s%s", err.msg, more);
        pg_err_clear(&err);
        return;
    }
    tls_server_free(server);
}

static void check_authorities(struct config_load *load, struct pg_tree_at at, const char *path)
{
    X509_STORE *store;

    if (!check_path(load, at, path, PG_GUARDED_PUBLIC)) {
        return;
    }
    store = X509_STORE_new();
    PG_CHECK(store != NULL);
    if (X509_STORE_load_file(store, path) != 1) {
        config_add_problem(load, at, "%s holds no certificates in PEM form", path);
    }
    ERR_clear_error();
    X509_STORE_free(store);
}

static int read_all(int fd, struct pg_buf *text)
{
    char chunk[4096];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof chunk)) > 0) {
        if (pg_buf_put(text, (struct sl){chunk, (size_t)n}) < 0) {
            errno = EFBIG;
            return -1;
        }
    }
    return n == 0 ? 0 : -1;
}

static void check_helper(struct config_load *load, struct pg_tree_at at, const char *name)
{
    char path[DOCKER_CREDENTIAL_PATH_MAX];
    struct pg_err err = {0};

    if (docker_credential_find(name, path, &err) < 0)
        config_add_problem(load, at, "%s: %s", err.detail, err.msg);
    pg_err_clear(&err);
}

/* That it has a login for this upstream, of a form that makes sense, or a helper that is there. */
static void check_docker_config(struct config_load *load, size_t no, struct pg_tree_at at)
{
    const struct config_upstream *u = &load->config.upstreams[no];
    const char *path = u->upstream_docker_config, *server = docker_config_server(u->url_host);
    struct docker_config dc = {0};
    struct pg_err err = {0};
    struct pg_buf text;
    int rc = -1;

    if (!check_path(load, at, path, PG_GUARDED_PRIVATE)) {
        return;
    }
    pg_buf_init(&text, SECRET_BYTES_MAX);
    _fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || read_all(fd, &text) < 0) {
        config_add_problem(load, at, "cannot read %s: %s", path, strerror(errno));
    } else if ((rc = docker_config_parse(pg_buf_sl(&text), server, &dc, &err)) < 0) {
        config_add_problem(load, at, "%s: %s", path, err.msg);
    } else if (rc == 0) {
        config_add_problem(load, at, "%s has no login for %s", path, server);
    } else if (dc.helper[0] != '\0') {
        check_helper(load, at, dc.helper);
    }
    secret_wipe(&text);
    docker_config_clear(&dc);
    pg_err_clear(&err);
}

static void check_password_env(struct config_load *load, size_t no)
{
    const struct config_upstream *u = &load->config.upstreams[no];
    const char *value = getenv(u->upstream_password_env); // NOLINT(concurrency-mt-unsafe)

    if (value == NULL || value[0] == '\0') {
        config_add_problem(load, config_upstream_at(load, no, "password_env"),
                           "upstreams.%s.password_env: the environment variable %s is not set",
                           u->name, u->upstream_password_env);
    }
}

static void check_login_world(struct config_load *load, size_t no)
{
    const struct config_upstream *u = &load->config.upstreams[no];

    if (u->upstream_password_file[0] != '\0') {
        (void)check_path(load, config_upstream_at(load, no, "password_file"),
                         u->upstream_password_file, PG_GUARDED_PRIVATE);
    }
    if (u->upstream_password_env[0] != '\0') {
        check_password_env(load, no);
    }
    if (u->upstream_docker_config[0] != '\0') {
        check_docker_config(load, no, config_upstream_at(load, no, "docker_config"));
    }
    if (u->upstream_credential_helper[0] != '\0') {
        check_helper(load, config_upstream_at(load, no, "credential_helper"),
                     u->upstream_credential_helper);
    }
}

static void check_client_cert(struct config_load *load, size_t no)
{
    const struct config_upstream *u = &load->config.upstreams[no];
    const char *cert = u->upstream_client_cert, *key = u->upstream_client_key;
    struct pg_tree_at at = config_upstream_at(load, no, "client_cert");
    SSL_CTX *ctx;

    if (cert[0] == '\0' || !check_path(load, at, cert, PG_GUARDED_PUBLIC) ||
        !check_path(load, config_upstream_at(load, no, "client_key"), key, PG_GUARDED_PRIVATE)) {
        return;
    }
    ctx = SSL_CTX_new(TLS_client_method());
    PG_CHECK(ctx != NULL);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1) {
        config_add_problem(load, at, "%s holds no certificate in PEM form", cert);
    } else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
        config_add_problem(load, config_upstream_at(load, no, "client_key"),
                           "%s is no key in PEM form, or not that of %s", key, cert);
    }
    ERR_clear_error();
    SSL_CTX_free(ctx);
}

void rules_check_world(struct config_load *load)
{
    const struct config *c = &load->config;
    struct pg_err err = {0};
    uid_t uid;
    gid_t gid;

    for (size_t i = 0; i < c->nlisteners; i++) {
        const struct config_listener *l = &c->listeners[i];
        if (l->tls.npairs > 0) {
            rules_check_tls(load, load->tls_at[i], &l->tls);
        }
        if (l->owner != NULL && socket_find_owner(l->owner, &uid, &gid, &err) < 0) {
            config_add_problem(load, load->listener_at[i], "listen: %s", err.msg);
            pg_err_clear(&err);
        }
    }
    for (size_t i = 0; i < c->nupstreams; i++) {
        check_login_world(load, i);
        check_client_cert(load, i);
        if (c->upstreams[i].upstream_ca_file[0] != '\0') {
            check_authorities(load, config_upstream_at(load, i, "ca_file"),
                              c->upstreams[i].upstream_ca_file);
        }
    }
}
