/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/listener.h"

#include <stdlib.h>

#include "cli/config_int.h"

#define LISTEN_DEFAULT "127.0.0.1:5000"

static void *zeroed(size_t n, size_t size)
{
    void *p = calloc(n > 0 ? n : 1, size);

    PG_CHECK(p != NULL);
    return p;
}

/* ---- tls ----------------------------------------------------------------------------------- */

/* A path that must be there. */
static char *read_path(struct config_load *load, const struct pg_tree *map, struct sl key,
                       const char *name)
{
    const struct option path = {.name = "", .type = OPTION_PATH};
    const struct pg_tree *t = pg_tree_get(map, key);
    char *value = NULL;

    if (t == NULL) {
        config_add_problem(load, map->at, "%s is missing", name);
    } else if (config_check_scalar(load, t, name)) {
        struct pg_buf why;
        pg_buf_init(&why, OPTION_WHY_MAX);
        if (option_parse(&path, t->text, &value, &why) < 0) {
            config_add_problem(load, t->at, "%s: %.*s", name, (int)why.n, why.p);
        } else if (value[0] == '\0') {
            config_add_problem(load, t->at, "%s is empty", name);
        }
        pg_buf_free(&why);
    }
    return value;
}

/* Of the tls mapping itself, or of an entry of its certs. */
static void read_pair(struct config_load *load, const struct pg_tree *map, bool of_list,
                      struct config_tls *tls)
{
    struct config_pair *p = &tls->pairs[tls->npairs++];

    p->cert = read_path(load, map, SL("cert"), of_list ? "tls.certs: cert" : "tls.cert");
    p->key = read_path(load, map, SL("key"), of_list ? "tls.certs: key" : "tls.key");
}

static void read_certs(struct config_load *load, const struct pg_tree *certs,
                       struct config_tls *tls)
{
    const struct config_words w = {.word = {"cert", "key"}, .n = 2};

    if (certs->kind != PG_TREE_LIST || certs->nchildren == 0 ||
        certs->nchildren >= CONFIG_PAIRS_MAX) {
        config_add_problem(load, certs->at, "tls.certs must be a list of 1 to %d {cert, key}",
                           CONFIG_PAIRS_MAX - 1);
        return;
    }
    for (const struct pg_tree *t = certs->first; t != NULL; t = t->next) {
        if (config_check_map(load, t, "tls.certs", &w)) {
            read_pair(load, t, true, tls);
        }
    }
}

static void read_clients(struct config_load *load, const struct pg_tree *t, struct config_tls *tls)
{
    const struct pg_tree *auth = pg_tree_get(t, SL("client_auth"));

    if (pg_tree_get(t, SL("client_ca")) != NULL) {
        tls->client_ca = read_path(load, t, SL("client_ca"), "tls.client_ca");
        tls->client_required = true;
    }
    if (auth == NULL || !config_check_scalar(load, auth, "tls.client_auth")) {
        return;
    }
    if (!sl_eq(auth->text, SL("optional")) && !sl_eq(auth->text, SL("required"))) {
        config_add_problem(load, auth->at,
                           "tls.client_auth: \"" SL_FMT "\" is neither optional nor required",
                           SL_ARG(auth->text));
    } else if (tls->client_ca == NULL) {
        config_add_problem(load, auth->at,
                           "tls.client_auth needs client_ca beside it, the authorities of the "
                           "certificates that clients show");
    }
    tls->client_required = sl_eq(auth->text, SL("required"));
}

void listener_read_tls(struct config_load *load, const struct pg_tree *t, struct config_tls *tls)
{
    const struct config_words w = {.word = {"cert", "key", "certs", "client_ca", "client_auth"},
                                   .n = 5};
    const struct pg_tree *certs;

    if (!config_check_map(load, t, "tls", &w)) {
        return;
    }
    certs = pg_tree_get(t, SL("certs"));
    tls->pairs = zeroed(CONFIG_PAIRS_MAX, sizeof *tls->pairs);
    if (certs == NULL || pg_tree_get(t, SL("cert")) != NULL || pg_tree_get(t, SL("key")) != NULL) {
        read_pair(load, t, false, tls);
    }
    if (certs != NULL) {
        read_certs(load, certs, tls);
    }
    read_clients(load, t, tls);
}

/* ---- proxies, unix sockets ------------------------------------------------------------------ */

static void read_net(struct config_load *load, const struct pg_tree *t, const char *name,
                     struct pg_ip_nets *nets)
{
    struct pg_ip_net net;

    if (!config_check_scalar(load, t, name)) {
        return;
    }
    if (sl_eq(t->text, SL("unix"))) {
        nets->has_unix = true;
    } else if (pg_ip_parse_net(t->text, &net) == 0) {
        pg_ip_nets_add(nets, &net);
    } else {
        config_add_problem(load, t->at,
                           "%s: \"" SL_FMT "\" is no address, no network such as 10.0.0.0/8 (with "
                           "nothing behind its prefix), and not the word unix",
                           name, SL_ARG(t->text));
    }
}

static void read_nets(struct config_load *load, const struct pg_tree *map, struct sl key,
                      const char *name, struct pg_ip_nets *nets)
{
    const struct pg_tree *list = pg_tree_get(map, key);

    if (list == NULL) {
        return;
    }
    if (list->kind != PG_TREE_LIST || list->nchildren == 0 || list->nchildren > PG_IP_NETS_MAX) {
        config_add_problem(load, list->at, "%s must be a list of 1 to %d addresses and networks",
                           name, PG_IP_NETS_MAX);
        return;
    }
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        read_net(load, t, name, nets);
    }
}

static bool parse_mode(struct sl text, unsigned *mode_r)
{
    unsigned mode = 0;

    if (text.n < 3 || text.n > 4 || (text.n == 4 && text.p[0] != '0')) {
        return false;
    }
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '7') {
            return false;
        }
        mode = mode * 8 + (unsigned)(text.p[i] - '0');
    }
    *mode_r = mode;
    return true;
}

static void read_unix(struct config_load *load, const struct pg_tree *map,
                      struct config_listener *l)
{
    const struct pg_tree *mode = pg_tree_get(map, SL("mode")),
                         *owner = pg_tree_get(map, SL("owner"));
    const struct pg_tree *any = mode != NULL ? mode : owner;

    if (any != NULL && (l->address == NULL || strncmp(l->address, CONFIG_UNIX, 5) != 0)) {
        config_add_problem(load, any->at, "mode and owner are for a listener at unix:/PATH");
        return;
    }
    if (mode != NULL && config_check_scalar(load, mode, "mode") &&
        !parse_mode(mode->text, &l->mode)) {
        config_add_problem(load, mode->at, "mode: \"" SL_FMT "\" is not a mode such as 0660",
                           SL_ARG(mode->text));
    }
    if (owner != NULL && config_check_scalar(load, owner, "owner")) {
        l->owner = sl_dup(owner->text);
    }
}

/* ---- listeners ----------------------------------------------------------------------------- */

static void read_address(struct config_load *load, const struct pg_tree *t, size_t no)
{
    load->listener_at[no] = t->at;
    if (config_check_scalar(load, t, "listen")) {
        load->config.listeners[no].address = sl_dup(t->text);
    }
}

static bool is_unix(const struct config_listener *l)
{
    return l->address != NULL && strncmp(l->address, CONFIG_UNIX, strlen(CONFIG_UNIX)) == 0;
}

/* One listener. all: the tls of those that have none of their own; not of unix sockets. */
static void read_listener(struct config_load *load, const struct pg_tree *t,
                          const struct pg_tree *all, size_t no)
{
    const struct config_words w = {
        .word = {"address", "tls", "proxy_protocol", "trusted_proxies", "mode", "owner"}, .n = 6};
    struct config_listener *l = &load->config.listeners[no];
    const struct pg_tree *tls = NULL;

    l->mode = CONFIG_MODE;
    if (t->kind == PG_TREE_MAP) {
        const struct pg_tree *address = pg_tree_get(t, SL("address"));
        (void)config_check_map(load, t, "listen", &w);
        if (address == NULL) {
            config_add_problem(load, t->at, "listen: address is missing");
            return;
        }
        read_address(load, address, no);
        tls = pg_tree_get(t, SL("tls"));
        read_nets(load, t, SL("proxy_protocol"), "proxy_protocol", &l->proxy_protocol);
        read_nets(load, t, SL("trusted_proxies"), "trusted_proxies", &l->trusted_proxies);
        read_unix(load, t, l);
    } else {
        read_address(load, t, no);
    }
    if (tls == NULL && !is_unix(l)) {
        tls = all;
    }
    if (tls != NULL) {
        load->tls_at[no] = tls->at;
        listener_read_tls(load, tls, &l->tls);
    }
}

static void make_listeners(struct config_load *load, size_t n)
{
    load->config.listeners = zeroed(n, sizeof *load->config.listeners);
    load->listener_at = zeroed(n, sizeof *load->listener_at);
    load->tls_at = zeroed(n, sizeof *load->tls_at);
    load->config.nlisteners = n;
}

void listener_read(struct config_load *load, const struct pg_tree *root)
{
    const struct pg_tree *listen = root != NULL ? pg_tree_get(root, SL("listen")) : NULL;
    const struct pg_tree *tls = root != NULL ? pg_tree_get(root, SL("tls")) : NULL;
    const struct pg_tree nothing = {.text = SL(LISTEN_DEFAULT)};
    size_t no = 0;

    if (listen == NULL) {
        make_listeners(load, 1);
        read_listener(load, &nothing, tls, 0);
        return;
    }
    load->listen_at = listen->at;
    if (listen->kind != PG_TREE_LIST) {
        make_listeners(load, 1);
        read_listener(load, listen, tls, 0);
        return;
    }
    if (listen->nchildren == 0 || listen->nchildren > CONFIG_LISTENERS_MAX) {
        config_add_problem(load, listen->at, "listen must have from 1 to %d addresses",
                           CONFIG_LISTENERS_MAX);
        return;
    }
    make_listeners(load, listen->nchildren);
    for (const struct pg_tree *t = listen->first; t != NULL; t = t->next) {
        read_listener(load, t, tls, no++);
    }
}
