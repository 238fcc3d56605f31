/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/scanners.h"

#include <stdio.h>
#include <stdlib.h>

#include "cache/scanned.h"
#include "cli/address.h"
#include "cli/config_int.h"
#include "cli/listener.h"
#include "cli/rules.h"
#include "policy/scans.h"

#define TIMEOUT_MIN_MS     1000
#define TIMEOUT_MAX_MS     3600000
#define TIMEOUT_DEFAULT_MS 600000

static const struct option path_option = {.name = "", .type = OPTION_PATH};
static const struct option timeout_option = {
    .name = "", .type = OPTION_TIME, .min = TIMEOUT_MIN_MS, .max = TIMEOUT_MAX_MS};

/* 0; -1: it is missing, or is no such value, and that is said. */
static int read_value(struct config_load *load, const struct pg_tree *map, const char *key,
                      const struct option *o, void *value)
{
    const struct pg_tree *t = pg_tree_get(map, sl_str(key));
    struct pg_buf why;
    int rc = -1;

    if (t == NULL) {
        config_add_problem(load, map->at, "scanners: %s is missing", key);
        return -1;
    }
    if (!config_check_scalar(load, t, key)) {
        return -1;
    }
    pg_buf_init(&why, OPTION_WHY_MAX);
    rc = option_parse(o, t->text, value, &why);
    if (rc < 0) {
        config_add_problem(load, t->at, "scanners: %s: %.*s", key, (int)why.n, why.p);
    }
    pg_buf_free(&why);
    return rc;
}

static void read_path(struct config_load *load, const struct pg_tree *map, const char *key,
                      char **path_r)
{
    if (read_value(load, map, key, &path_option, path_r) == 0 && (*path_r)[0] == '\0') {
        config_add_problem(load, pg_tree_get(map, sl_str(key))->at, "scanners: %s is empty", key);
    }
}

static struct sl last_name(const char *path)
{
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;

    return sl_str(slash != NULL ? slash + 1 : "");
}

static void read_command(struct config_load *load, const struct pg_tree *t,
                         struct config_scanner *s)
{
    read_path(load, t, "command", &s->command);
    struct sl name = last_name(s->command);

    s->is_grype = sl_starts(name, SL("grype"));
    if (name.n > 0 && !s->is_grype && !sl_starts(name, SL("trivy"))) {
        config_add_problem(load, pg_tree_get(t, SL("command"))->at,
                           "scanners: command has to be a program whose name begins with trivy or "
                           "grype");
    }
}

static bool is_taken(const struct config_scans *scans, size_t no)
{
    for (size_t i = 0; i < no; i++) {
        if (scans->scanners[i].name != NULL &&
            strcmp(scans->scanners[i].name, scans->scanners[no].name) == 0) {
            return true;
        }
    }
    return false;
}

static bool check_name(struct config_load *load, struct pg_tree_at at, const char *list,
                       const char *name)
{
    if (!scanned_is_source(sl_str(name))) {
        config_add_problem(load, at,
                           "%s: \"%s\" is no name of at most %d lower case letters, digits, dots, "
                           "underscores and hyphens that begins with a letter or a digit",
                           list, name, SCANNED_SOURCE_MAX);
        return false;
    }
    if (sl_eq(sl_str(name), SCANS_ATTESTED)) {
        config_add_problem(load, at, "%s: %s is what policies call signed reports; another name",
                           list, name);
        return false;
    }
    return true;
}

static void read_name(struct config_load *load, const struct pg_tree *t, size_t no)
{
    struct config_scanner *s = &load->config.scans.scanners[no];
    const struct pg_tree *name = pg_tree_get(t, SL("name"));

    if (name != NULL && !config_check_scalar(load, name, "name")) {
        return;
    }
    s->name = sl_dup(name != NULL ? name->text : last_name(s->command));
    struct pg_tree_at at = name != NULL ? name->at : t->at;
    if (check_name(load, at, "scanners", s->name) && is_taken(&load->config.scans, no)) {
        config_add_problem(load, at, "scanners: there are two of the name %s", s->name);
    }
}

static void read_one(struct config_load *load, const struct pg_tree *t, size_t no)
{
    const struct config_words w = {.word = {"name", "command", "database", "timeout"}, .n = 4};
    struct config_scanner *s = &load->config.scans.scanners[no];

    s->timeout_ms = TIMEOUT_DEFAULT_MS;
    if (!config_check_map(load, t, "scanners", &w)) {
        return;
    }
    read_command(load, t, s);
    read_path(load, t, "database", &s->database);
    read_name(load, t, no);
    if (pg_tree_get(t, SL("timeout")) != NULL) {
        (void)read_value(load, t, "timeout", &timeout_option, &s->timeout_ms);
    }
}

/* ---- sources that push --------------------------------------------------------------------- */

static void read_source(struct config_load *load, const struct pg_tree *t)
{
    const struct config_words w = {.word = {"name", "token_file"}, .n = 2};
    struct config_scans *scans = &load->config.scans;
    struct config_source *s = &scans->sources[scans->nsources++];
    const struct pg_tree *name;

    if (!config_check_map(load, t, "scans.sources", &w)) {
        return;
    }
    read_path(load, t, "token_file", &s->token_file);
    name = pg_tree_get(t, SL("name"));
    if (name == NULL) {
        config_add_problem(load, t->at, "scans.sources: name is missing");
    } else if (config_check_scalar(load, name, "name")) {
        s->name = sl_dup(name->text);
        (void)check_name(load, name->at, "scans.sources", s->name);
    }
}

static bool has_name(const struct config_scans *s, const char *name, size_t before)
{
    for (size_t i = 0; i < s->nscanners; i++) {
        if (s->scanners[i].name != NULL && strcmp(s->scanners[i].name, name) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < before; i++) {
        if (s->sources[i].name != NULL && strcmp(s->sources[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void read_sources(struct config_load *load, const struct pg_tree *map)
{
    const struct pg_tree *list = pg_tree_get(map, SL("sources"));
    struct config_scans *s = &load->config.scans;

    if (list == NULL || list->kind != PG_TREE_LIST || list->nchildren == 0 ||
        list->nchildren > CONFIG_SOURCES_MAX) {
        config_add_problem(load, list != NULL ? list->at : map->at,
                           "scans.sources must be a list of 1 to %d {name, token_file}",
                           CONFIG_SOURCES_MAX);
        return;
    }
    s->sources = calloc(list->nchildren, sizeof(*s->sources));
    PG_CHECK(s->sources != NULL);
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        read_source(load, t);
        const char *name = s->sources[s->nsources - 1].name;
        if (name != NULL && has_name(s, name, s->nsources - 1)) {
            config_add_problem(load, t->at, "scans.sources: there are two sources of the name %s",
                               name);
        }
    }
}

static void read_scans(struct config_load *load, const struct pg_tree *root)
{
    const struct config_words w = {.word = {"listen", "tls", "sources"}, .n = 3};
    const struct pg_tree *t = root != NULL ? pg_tree_get(root, SL("scans")) : NULL;
    const struct pg_tree *listen, *tls;
    struct sockaddr_storage address;

    if (t == NULL || !config_check_map(load, t, "scans", &w)) {
        return;
    }
    listen = pg_tree_get(t, SL("listen"));
    tls = pg_tree_get(t, SL("tls"));
    if (listen == NULL || tls == NULL) {
        config_add_problem(load, t->at,
                           "scans: listen and tls are needed: reports and tokens come over TLS");
        return;
    }
    if (config_check_scalar(load, listen, "scans.listen")) {
        load->config.scans.listen = sl_dup(listen->text);
        if (address_parse(listen->text, &address) < 0) {
            config_add_problem(load, listen->at,
                               "scans.listen: \"" SL_FMT "\" is no address and port, such as "
                               "127.0.0.1:5002",
                               SL_ARG(listen->text));
        }
    }
    load->scans_at = t->at;
    listener_read_tls(load, tls, &load->config.scans.tls);
    read_sources(load, t);
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void read_scanners(struct config_load *load, const struct pg_tree *root)
{
    const struct pg_tree *list = root != NULL ? pg_tree_get(root, SL("scanners")) : NULL;
    size_t no = 0;

    if (list == NULL) {
        return;
    }
    if (list->kind != PG_TREE_LIST || list->nchildren > CONFIG_SCANNERS_MAX) {
        config_add_problem(load, list->at,
                           "scanners must be a list of at most %d {name, command, database}",
                           CONFIG_SCANNERS_MAX);
        return;
    }
    load->config.scans.scanners = calloc(list->nchildren + 1, sizeof(struct config_scanner));
    PG_CHECK(load->config.scans.scanners != NULL);
    load->config.scans.nscanners = list->nchildren;
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        read_one(load, t, no++);
    }
}

void scanners_read(struct config_load *load, const struct pg_tree *root)
{
    read_scanners(load, root);
    read_scans(load, root);
}

void scanners_check_world(struct config_load *load)
{
    const struct config_scans *s = &load->config.scans;

    if (s->listen == NULL) {
        return;
    }
    rules_check_tls(load, load->scans_at, &s->tls);
    for (size_t i = 0; i < s->nsources; i++) {
        config_check_file(load, load->scans_at, s->sources[i].token_file, PG_GUARDED_PRIVATE);
    }
}

static void put_scans(const struct config_scans *s, struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("scans:\n  listen: "));
    option_put_text(sl_str(s->listen), out);
    (void)pg_buf_put(out, SL("\n  tls:\n    certs:\n"));
    for (size_t i = 0; i < s->tls.npairs; i++) {
        (void)pg_buf_put(out, SL("      - cert: "));
        option_put_text(sl_str(s->tls.pairs[i].cert), out);
        (void)pg_buf_put(out, SL("\n        key: "));
        option_put_text(sl_str(s->tls.pairs[i].key), out);
        (void)pg_buf_put(out, SL("\n"));
    }
    if (s->tls.client_ca != NULL) {
        (void)pg_buf_put(out, SL("    client_ca: "));
        option_put_text(sl_str(s->tls.client_ca), out);
        (void)pg_buf_printf(out, "\n    client_auth: %s\n",
                            s->tls.client_required ? "required" : "optional");
    }
    (void)pg_buf_put(out, SL("  sources:\n"));
    for (size_t i = 0; i < s->nsources; i++) {
        (void)pg_buf_put(out, SL("    - name: "));
        option_put_text(sl_str(s->sources[i].name), out);
        (void)pg_buf_put(out, SL("\n      token_file: "));
        option_put_text(sl_str(s->sources[i].token_file), out);
        (void)pg_buf_put(out, SL("\n"));
    }
}

void scanners_put(const struct config_scans *s, struct pg_buf *out)
{
    for (size_t i = 0; i < s->nscanners; i++) {
        (void)pg_buf_put(out, i == 0 ? SL("scanners:\n") : SL(""));
        (void)pg_buf_printf(out, "  - name: ");
        option_put_text(sl_str(s->scanners[i].name), out);
        (void)pg_buf_put(out, SL("\n    command: "));
        option_put_text(sl_str(s->scanners[i].command), out);
        (void)pg_buf_put(out, SL("\n    database: "));
        option_put_text(sl_str(s->scanners[i].database), out);
        (void)pg_buf_printf(out, "\n    timeout: %llums\n",
                            (unsigned long long)s->scanners[i].timeout_ms);
    }
    if (s->listen != NULL) {
        put_scans(s, out);
    }
}

int scanners_open(const struct config *c, struct spawn *spawn, struct scanning **scanning_r,
                  struct pg_err *err)
{
    char *folder = NULL;
    int n = asprintf(&folder, "%s/scanners", c->storage_path);

    PG_CHECK(n > 0);
    const struct scanning_options o = {.spawn = spawn,
                                       .scans = &c->scans,
                                       .folder = folder,
                                       .reserve_bytes = c->storage_reserve,
                                       .is_free = !c->top_sandbox};
    int rc = scanning_open(&o, scanning_r, err);
    free(folder);
    return rc;
}
