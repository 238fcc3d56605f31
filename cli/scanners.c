/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/scanners.h"

#include <stdlib.h>

#include "cache/scanned.h"
#include "cli/config_int.h"

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

static void read_name(struct config_load *load, const struct pg_tree *t, size_t no)
{
    struct config_scanner *s = &load->config.scans.scanners[no];
    const struct pg_tree *name = pg_tree_get(t, SL("name"));

    if (name != NULL && !config_check_scalar(load, name, "name")) {
        return;
    }
    s->name = sl_dup(name != NULL ? name->text : last_name(s->command));
    if (!scanned_is_source(sl_str(s->name))) {
        config_add_problem(load, name != NULL ? name->at : t->at,
                           "scanners: \"%s\" is no name of at most %d lower case letters, digits, "
                           "dots, underscores and hyphens that begins with a letter or a digit",
                           s->name, SCANNED_SOURCE_MAX);
    } else if (is_taken(&load->config.scans, no)) {
        config_add_problem(load, name != NULL ? name->at : t->at,
                           "scanners: there are two of the name %s", s->name);
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

void scanners_read(struct config_load *load, const struct pg_tree *root)
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
}
