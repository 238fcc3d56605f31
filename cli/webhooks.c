/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/webhooks.h"

#include <stdlib.h>

#include "base/nearest.h"
#include "base/news.h"
#include "cli/config_int.h"
#include "proxy/upstream/url.h"

#define LIST "webhooks"

static void read_url(struct config_load *load, const struct pg_tree *t, struct config_hook *h)
{
    struct url u = {.text = NULL};
    struct pg_err err = {0};

    h->url = config_read_text(load, t, LIST, "url");
    if (h->url == NULL) {
        return;
    }
    if (url_parse(NULL, sl_str(h->url), &u, &err) < 0) {
        config_add_problem(load, pg_tree_get(t, SL("url"))->at,
                           "webhooks: url is no https://HOST/PATH or http://HOST/PATH without a "
                           "login in it");
    } else {
        int n = asprintf(&h->place, "%s://%s:%u", u.https ? "https" : "http", u.host, u.port);
        PG_CHECK(n > 0);
    }
    pg_err_clear(&err);
    url_free(&u);
}

static void read_event(struct config_load *load, const struct pg_tree *t, struct config_hook *h)
{
    const char *words[PG_NEWS_KINDS];

    if (!config_check_scalar(load, t, "webhooks: events")) {
        return;
    }
    for (unsigned i = 0; i < PG_NEWS_KINDS; i++) {
        words[i] = pg_news_word((enum pg_news_kind)i);
        if (sl_eq(t->text, sl_str(words[i]))) {
            h->kinds |= 1U << i;
            return;
        }
    }
    const char *near = pg_nearest_of(t->text, words, PG_NEWS_KINDS);
    config_add_problem(load, t->at,
                       "webhooks: events: \"" SL_FMT "\" is none of eviction, failure, water-mark, "
                       "denial, revocation, tag-moved%s%s%s",
                       SL_ARG(t->text), near != NULL ? "; did you mean " : "",
                       near != NULL ? near : "", near != NULL ? "?" : "");
}

static void read_events(struct config_load *load, const struct pg_tree *map, struct config_hook *h)
{
    const struct pg_tree *list = pg_tree_get(map, SL("events"));

    if (list == NULL) {
        h->kinds = (1U << PG_NEWS_KINDS) - 1;
        return;
    }
    if (list->kind != PG_TREE_LIST || list->nchildren == 0) {
        config_add_problem(load, list->at,
                           "webhooks: events must be a list of words; leave it out for all");
        return;
    }
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        read_event(load, t, h);
    }
}

static void read_hook(struct config_load *load, const struct pg_tree *t, struct config_hook *h)
{
    const struct config_words w = {.word = {"url", "secret_file", "ca_file", "events"}, .n = 4};

    if (!config_check_map(load, t, "webhooks", &w)) {
        return;
    }
    read_url(load, t, h);
    h->secret_file = config_read_path(load, t, LIST, "secret_file");
    h->ca_file = config_read_path(load, t, LIST, "ca_file");
    read_events(load, t, h);
    if (pg_tree_get(t, SL("url")) == NULL || pg_tree_get(t, SL("secret_file")) == NULL) {
        config_add_problem(load, t->at, "webhooks: %s is missing%s",
                           pg_tree_get(t, SL("url")) == NULL ? "url" : "secret_file",
                           pg_tree_get(t, SL("url")) == NULL
                               ? ""
                               : ", the file of the secret that events are signed with");
    }
}

void webhooks_read(struct config_load *load, const struct pg_tree *root)
{
    const struct pg_tree *list = root != NULL ? pg_tree_get(root, SL("webhooks")) : NULL;
    struct config *c = &load->config;

    if (list == NULL) {
        return;
    }
    load->webhooks_at = list->at;
    if (list->kind != PG_TREE_LIST || list->nchildren > CONFIG_HOOKS_MAX) {
        config_add_problem(load, list->at,
                           "webhooks must be a list of at most %d {url, secret_file}",
                           CONFIG_HOOKS_MAX);
        return;
    }
    c->hooks = calloc(list->nchildren + 1, sizeof(*c->hooks));
    PG_CHECK(c->hooks != NULL);
    for (const struct pg_tree *t = list->first; t != NULL; t = t->next) {
        read_hook(load, t, &c->hooks[c->nhooks++]);
    }
}

void webhooks_check_world(struct config_load *load)
{
    for (size_t i = 0; i < load->config.nhooks; i++) {
        config_check_file(load, load->webhooks_at, load->config.hooks[i].secret_file,
                          PG_GUARDED_PRIVATE);
        config_check_file(load, load->webhooks_at, load->config.hooks[i].ca_file,
                          PG_GUARDED_PUBLIC);
    }
}
