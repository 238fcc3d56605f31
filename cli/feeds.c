/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/feeds.h"

#include <stdlib.h>

#include "base/hash.h"
#include "cli/config_int.h"
#include "cli/rules.h"
#include "proxy/upstream/url.h"
#include "signing/feed.h"

#define LIST     "revocation_feeds"
#define FILE_URL "file:"
#define KEY_MAX  ((size_t)65536)

static const struct option interval = {
    .name = "", .type = OPTION_TIME, .initial = "5m", .min = 10000, .max = 604800000};

static bool is_name(struct sl s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '0' && s.p[i] <= '9') &&
            s.p[i] != '-') {
            return false;
        }
    }
    return s.n >= 1 && s.n <= CONFIG_FEED_NAME_MAX;
}

static void require(struct config_load *load, const struct pg_tree *map, const char *key)
{
    if (pg_tree_get(map, sl_str(key)) == NULL) {
        config_add_problem(load, map->at, LIST ": %s is missing", key);
    }
}

static void check_url(struct config_load *load, const struct pg_tree *map, const char *text)
{
    struct url u = {.text = NULL};
    struct pg_err err = {0};

    if (strncmp(text, FILE_URL "/", strlen(FILE_URL) + 1) == 0) {
        return;
    }
    if (url_parse(NULL, sl_str(text), &u, &err) < 0) {
        config_add_problem(load, pg_tree_get(map, SL("url"))->at,
                           LIST ": url: \"%s\" is neither https://HOST/PATH nor file:/PATH", text);
    }
    pg_err_clear(&err);
    url_free(&u);
}

static void read_interval(struct config_load *load, const struct pg_tree *map,
                          struct config_feed *f)
{
    const struct pg_tree *t = pg_tree_get(map, SL("interval"));
    struct pg_buf why;

    option_initial(&interval, &f->interval_ms);
    if (t == NULL || !config_check_scalar(load, t, LIST ": interval")) {
        return;
    }
    pg_buf_init(&why, OPTION_WHY_MAX);
    if (option_parse(&interval, t->text, &f->interval_ms, &why) < 0) {
        config_add_problem(load, t->at, LIST ": interval: %.*s", (int)why.n, why.p);
    }
    pg_buf_free(&why);
}

static void read_stale(struct config_load *load, const struct pg_tree *map, struct config_feed *f)
{
    const struct pg_tree *t = pg_tree_get(map, SL("when_stale"));

    if (t == NULL || !config_check_scalar(load, t, LIST ": when_stale")) {
        return;
    }
    if (!sl_eq(t->text, SL("alarm")) && !sl_eq(t->text, SL("deny"))) {
        config_add_problem(load, t->at,
                           LIST ": when_stale: \"" SL_FMT "\" is neither alarm nor deny",
                           SL_ARG(t->text));
    }
    f->deny_when_stale = sl_eq(t->text, SL("deny"));
}

static void read_feed(struct config_load *load, const struct pg_tree *t, struct config_feed *f)
{
    const struct config_words w = {
        .word = {"name", "url", "key", "ca_file", "interval", "when_stale"}, .n = 6};

    if (!config_check_map(load, t, LIST, &w)) {
        return;
    }
    require(load, t, "name");
    require(load, t, "url");
    require(load, t, "key");
    f->name = config_read_text(load, t, LIST, "name");
    f->url = config_read_text(load, t, LIST, "url");
    f->key_file = config_read_path(load, t, LIST, "key");
    f->ca_file = config_read_path(load, t, LIST, "ca_file");
    read_interval(load, t, f);
    read_stale(load, t, f);
    if (f->name != NULL && !is_name(sl_str(f->name))) {
        config_add_problem(load, pg_tree_get(t, SL("name"))->at,
                           LIST ": name: \"%s\" must be 1 to %d of a-z, 0-9 and -", f->name,
                           CONFIG_FEED_NAME_MAX);
    }
    if (f->url != NULL) {
        check_url(load, t, f->url);
    }
}

static void check_names(struct config_load *load)
{
    const struct config *c = &load->config;

    for (size_t i = 0; i < c->nfeeds; i++) {
        for (size_t k = 0; k < i; k++) {
            if (c->feeds[i].name != NULL && c->feeds[k].name != NULL &&
                strcmp(c->feeds[i].name, c->feeds[k].name) == 0) {
                config_add_problem(load, load->feed_at[i], LIST ": two are named \"%s\"",
                                   c->feeds[i].name);
            }
        }
    }
}

void feeds_read(struct config_load *load, const struct pg_tree *root)
{
    const struct pg_tree *list = root != NULL ? pg_tree_get(root, SL(LIST)) : NULL;
    struct config *c = &load->config;

    if (list == NULL) {
        return;
    }
    if (list->kind != PG_TREE_LIST || list->nchildren > CONFIG_FEEDS_MAX) {
        config_add_problem(load, list->at, LIST " must be a list of at most %d {name, url, key}",
                           CONFIG_FEEDS_MAX);
        return;
    }
    c->feeds = calloc(list->nchildren + 1, sizeof(*c->feeds));
    load->feed_at = calloc(list->nchildren + 1, sizeof(*load->feed_at));
    PG_CHECK(c->feeds != NULL && load->feed_at != NULL);
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        load->feed_at[c->nfeeds] = t->at;
        read_feed(load, t, &c->feeds[c->nfeeds++]);
    }
    check_names(load);
}

/* ---- files --------------------------------------------------------------------------------- */

static void check_key(struct config_load *load, struct pg_tree_at at, const char *path)
{
    struct pg_err err = {0};
    struct pg_buf text;

    if (path == NULL) {
        return;
    }
    pg_buf_init(&text, KEY_MAX);
    if (pg_guarded_read(path, PG_GUARDED_PUBLIC, &text, &err) < 0 ||
        feed_check_key(pg_buf_sl(&text), path, &err) < 0) {
        config_add_problem(load, at, "%s%s", err.msg, rules_hint(path));
    }
    pg_buf_free(&text);
    pg_err_clear(&err);
}

void feeds_check_world(struct config_load *load)
{
    pg_hash_setup(); /* keys are known by a hash */
    for (size_t i = 0; i < load->config.nfeeds; i++) {
        const struct config_feed *f = &load->config.feeds[i];
        check_key(load, load->feed_at[i], f->key_file);
        config_check_file(load, load->feed_at[i], f->ca_file, PG_GUARDED_PUBLIC);
    }
}
