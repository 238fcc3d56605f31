/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show.h"

#include <stdio.h>
#include <string.h>

#include "base/news.h"
#include "cli/admission.h"
#include "cli/authority.h"
#include "cli/option.h"
#include "cli/print.h"
#include "cli/scanners.h"
#include "proxy/admin/options.h"

#define ORIGIN_COLUMN 48

static struct sl text_of(const char *s)
{
    return (struct sl){s, strlen(s)};
}

int show_refusal(int rc, const struct config_load *load, struct pg_err *err)
{
    struct pg_buf out;

    if (rc < 0) {
        (void)print_failure("%s", err->msg);
        pg_err_clear(err);
        return COMMAND_CANNOT;
    }
    pg_buf_init(&out, PRINT_BYTES_MAX);
    config_load_put_problems(load, &out);
    print_error(pg_buf_sl(&out));
    pg_buf_free(&out);
    return COMMAND_CANNOT;
}

/* ---- check --------------------------------------------------------------------------------- */

static void put_problems_json(const struct config_load *load, struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("{\"file\":"));
    (void)pg_buf_put_json(out, text_of(load->config.file));
    (void)pg_buf_printf(out, ",\"good\":%s,\"problems\":[",
                        load->nproblems == 0 ? "true" : "false");
    for (size_t i = 0; i < load->nproblems; i++) {
        const struct config_problem *p = &load->problems[i];
        (void)pg_buf_printf(out, "%s{\"line\":%u,\"column\":%u,\"message\":", i > 0 ? "," : "",
                            p->at.line, p->at.col);
        (void)pg_buf_put_json(out, text_of(p->text));
        (void)pg_buf_put(out, SL("}"));
    }
    (void)pg_buf_printf(out, "],\"more\":%s}\n", load->has_more ? "true" : "false");
}

int show_check(const struct command_args *args)
{
    struct config_load load;
    struct pg_err err = {0};
    struct pg_buf out;
    int rc = config_load(args->config_file, &load, &err);

    if (rc < 0) {
        return show_refusal(rc, &load, &err);
    }
    pg_buf_init(&out, PRINT_BYTES_MAX);
    if (args->json) {
        put_problems_json(&load, &out);
    } else if (rc == 0) {
        const char *file = load.config.file;
        size_t n = load.config.nupstreams;
        (void)pg_buf_printf(&out, "%s: good; %zu upstream%s%s\n",
                            file[0] != '\0' ? file : "defaults", n, print_s(n),
                            n == 0 ? ": every pull is refused" : "");
    } else {
        config_load_put_problems(&load, &out);
    }
    int printed = print_out(pg_buf_sl(&out));
    pg_buf_free(&out);
    config_load_free(&load);
    return printed < 0 ? COMMAND_CANNOT : rc > 0 ? COMMAND_FOUND : COMMAND_GOOD;
}

/* ---- show ---------------------------------------------------------------------------------- */

/* Ends a line that began at `start` with where its value comes from. */
static void put_origin(struct pg_buf *out, size_t start, struct pg_tree_at at)
{
    int pad = ORIGIN_COLUMN - (int)(out->n - start);

    (void)pg_buf_printf(out, "%*s# ", pad > 2 ? pad : 2, "");
    if (at.line > 0) {
        (void)pg_buf_printf(out, "line %u\n", at.line);
    } else {
        (void)pg_buf_put(out, SL("default\n"));
    }
}

static void put_option(struct pg_buf *out, const char *indent, const struct option *o,
                       const void *base, struct pg_tree_at at)
{
    size_t start = out->n;

    (void)pg_buf_printf(out, "%s%s: ", indent, o->name);
    option_put(o, base, out);
    put_origin(out, start, at);
}

static void put_tls(const struct config_tls *tls, struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("    tls: {certs: ["));
    for (size_t i = 0; i < tls->npairs; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(", {cert: ") : SL("{cert: "));
        (void)pg_buf_put_json(out, text_of(tls->pairs[i].cert));
        (void)pg_buf_put(out, SL(", key: "));
        (void)pg_buf_put_json(out, text_of(tls->pairs[i].key));
        (void)pg_buf_put(out, SL("}"));
    }
    (void)pg_buf_put(out, SL("]"));
    if (tls->client_ca != NULL) {
        (void)pg_buf_put(out, SL(", client_ca: "));
        (void)pg_buf_put_json(out, text_of(tls->client_ca));
        (void)pg_buf_printf(out, ", client_auth: %s",
                            tls->client_required ? "required" : "optional");
    }
    (void)pg_buf_put(out, SL("}"));
}

static void put_nets(const char *name, const struct pg_ip_nets *nets, struct pg_buf *out)
{
    if (pg_ip_nets_is_empty(nets)) {
        return;
    }
    (void)pg_buf_printf(out, "    %s: [%s", name, nets->has_unix ? "unix" : "");
    for (size_t i = 0; i < nets->n; i++) {
        (void)pg_buf_put(out, i > 0 || nets->has_unix ? SL(", \"") : SL("\""));
        pg_ip_put_net(&nets->nets[i], out);
        (void)pg_buf_put(out, SL("\""));
    }
    (void)pg_buf_put(out, SL("]\n"));
}

static void put_socket(const struct config_listener *l, struct pg_buf *out)
{
    if (strncmp(l->address, CONFIG_UNIX, strlen(CONFIG_UNIX)) == 0) {
        (void)pg_buf_printf(out, "    mode: \"%04o\"\n", l->mode);
    }
    if (l->owner != NULL) {
        (void)pg_buf_put(out, SL("    owner: "));
        (void)pg_buf_put_json(out, text_of(l->owner));
        (void)pg_buf_put(out, SL("\n"));
    }
    put_nets("proxy_protocol", &l->proxy_protocol, out);
    put_nets("trusted_proxies", &l->trusted_proxies, out);
}

static void put_listeners(const struct config_load *load, struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("listen:\n"));
    for (size_t i = 0; i < load->config.nlisteners; i++) {
        const struct config_listener *l = &load->config.listeners[i];
        size_t start = out->n;
        (void)pg_buf_put(out, SL("  - address: "));
        option_put_text(text_of(l->address), out);
        put_origin(out, start, load->listener_at[i]);
        put_socket(l, out);
        if (l->tls.npairs > 0) {
            start = out->n;
            put_tls(&l->tls, out);
            put_origin(out, start, load->tls_at[i]);
        }
    }
}

static void put_hook_text(const char *before, const char *text, struct pg_buf *out)
{
    (void)pg_buf_printf(out, "%s", before);
    (void)pg_buf_put_json(out, text_of(text));
}

static void put_hooks(const struct config_load *load, struct pg_buf *out)
{
    for (size_t i = 0; i < load->config.nhooks; i++) {
        const struct config_hook *h = &load->config.hooks[i];
        (void)pg_buf_put(out, i == 0 ? SL("webhooks:\n") : SL(""));
        put_hook_text("  - {url: ", h->url, out);
        put_hook_text(", secret_file: ", h->secret_file, out);
        if (h->ca_file != NULL) {
            put_hook_text(", ca_file: ", h->ca_file, out);
        }
        (void)pg_buf_put(out, SL(", events: ["));
        for (unsigned k = 0, n = 0; k < PG_NEWS_KINDS; k++) {
            if ((h->kinds & 1U << k) != 0) {
                (void)pg_buf_printf(out, "%s%s", n++ > 0 ? ", " : "",
                                    pg_news_word((enum pg_news_kind)k));
            }
        }
        (void)pg_buf_put(out, SL("]}\n"));
    }
}

static void put_globals(const struct config_load *load, struct pg_buf *out)
{
    const char *section = "";

    for (size_t i = 0; i < OPTION_NGLOBAL; i++) {
        const struct option *o = &option_global[i];
        bool top = option_is_top(o);
        if (!top && strcmp(section, o->section) != 0) {
            (void)pg_buf_printf(out, "%s:\n", o->section);
        }
        section = o->section;
        put_option(out, top ? "" : "  ", o, &load->config, load->global_at[i]);
    }
}

static void put_urls(const struct config_load *load, size_t no, struct pg_buf *out)
{
    const struct config_upstream *u = &load->config.upstreams[no];

    (void)pg_buf_put(out, SL("    urls:\n"));
    for (size_t i = 0; i < u->nurls; i++) {
        size_t start = out->n;
        (void)pg_buf_printf(out, "      - {url: ");
        (void)pg_buf_put_json(out, text_of(u->urls[i].text));
        (void)pg_buf_printf(out, ", authoritative: %s}",
                            u->urls[i].authoritative ? "true" : "false");
        put_origin(out, start, load->upstream_at[no].url[i]);
    }
}

/* What is another name has no options of its own. */
static bool is_of(const struct config_upstream *u, const struct option *o)
{
    bool is_alias = strcmp(o->name, "alias_of") == 0;

    return is_alias == config_is_alias(u) && (strcmp(o->name, "url") != 0 || !u->has_list);
}

static void put_upstream(const struct config_load *load, size_t no, struct pg_buf *out)
{
    const struct config_upstream *u = &load->config.upstreams[no];

    if (u->has_list) {
        put_urls(load, no, out);
    }
    for (size_t k = 0; k < OPTION_NUPSTREAM; k++) {
        if (is_of(u, &option_upstream[k])) {
            put_option(out, "    ", &option_upstream[k], u, load->upstream_at[no].option[k]);
        }
    }
}

void show_write_yaml(const struct config_load *load, struct pg_buf *out)
{
    const char *file = load->config.file;

    (void)pg_buf_put(out, SL("# "));
    print_put_safe(text_of(file[0] != '\0' ? file : "no file: the defaults"), out);
    (void)pg_buf_put(out, SL("\n"));
    put_listeners(load, out);
    put_globals(load, out);
    admission_put(&load->config.admission, out);
    scanners_put(&load->config.scans, out);
    put_hooks(load, out);
    size_t start = out->n;
    (void)pg_buf_put(out, load->config.nupstreams > 0 ? SL("upstreams:") : SL("upstreams: {}"));
    put_origin(out, start, load->upstreams_at);
    for (size_t i = 0; i < load->config.nupstreams; i++) {
        const struct config_upstream *u = &load->config.upstreams[i];
        (void)pg_buf_put(out, SL("  "));
        option_put_text(text_of(u->name), out);
        (void)pg_buf_put(out, SL(":\n"));
        put_upstream(load, i, out);
    }
}

/* `"name":{"line":..,"column":..}` for a value that stands in the file. */
static void put_origin_json(struct pg_buf *out, bool *first, const char *prefix, const char *name,
                            struct pg_tree_at at)
{
    char whole[AUTHORITY_MAX + 100];

    if (at.line == 0) {
        return;
    }
    (void)snprintf(whole, sizeof whole, "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", name);
    (void)pg_buf_put(out, *first ? SL("") : SL(","));
    (void)pg_buf_put_json(out, text_of(whole));
    (void)pg_buf_printf(out, ":{\"line\":%u,\"column\":%u}", at.line, at.col);
    *first = false;
}

void show_write_json(struct config_load *load, struct pg_buf *out)
{
    char prefix[AUTHORITY_MAX + 20];
    bool first = true;

    (void)pg_buf_put(out, SL("{\"config\":"));
    struct snapshot *s = config_snapshot_new(&load->config, 0); /* as the admin API writes it */
    options_write(s, out);
    load->config = s->config;
    s->config = (struct config){0};
    config_snapshot_unref(s);
    (void)pg_buf_put(out, SL(",\"origins\":{"));
    put_origin_json(out, &first, "", "listen", load->listen_at);
    for (size_t i = 0; i < OPTION_NGLOBAL; i++) {
        const struct option *o = &option_global[i];
        put_origin_json(out, &first, option_is_top(o) ? "" : o->section, o->name,
                        load->global_at[i]);
    }
    for (size_t i = 0; i < load->config.nupstreams; i++) {
        (void)snprintf(prefix, sizeof prefix, "upstreams.%s", load->config.upstreams[i].name);
        for (size_t k = 0; k < OPTION_NUPSTREAM; k++) {
            put_origin_json(out, &first, prefix, option_upstream[k].name,
                            load->upstream_at[i].option[k]);
        }
    }
    (void)pg_buf_put(out, SL("}}\n"));
}

int show_effective(const struct command_args *args)
{
    struct config_load load;
    struct pg_err err = {0};
    struct pg_buf out;
    int rc = config_load(args->config_file, &load, &err);

    if (rc != 0) {
        rc = show_refusal(rc, &load, &err);
        config_load_free(&load);
        return rc;
    }
    pg_buf_init(&out, PRINT_BYTES_MAX);
    if (args->json) {
        show_write_json(&load, &out);
    } else {
        show_write_yaml(&load, &out);
    }
    rc = print_out(pg_buf_sl(&out));
    pg_buf_free(&out);
    config_load_free(&load);
    return rc < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
}
