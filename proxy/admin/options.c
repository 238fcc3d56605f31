/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/options.h"

#include <inttypes.h>

/* Of "scheme://user:secret@host/", what stands between "://" and "@" is left out. */
static void write_STRING(struct pg_buf *out, const char *value)
{
    struct sl s = sl_str(value != NULL ? value : "");
    const char *scheme = memmem(s.p, s.n, "://", 3), *at = NULL;
    struct pg_buf shown;

    if (scheme != NULL)
        at = memrchr(scheme, '@', s.n - (size_t)(scheme - s.p));
    if (at == NULL) {
        (void)pg_buf_put_json(out, s);
        return;
    }
    pg_buf_init(&shown, s.n);
    (void)pg_buf_put(&shown, (struct sl){s.p, (size_t)(scheme + 3 - s.p)});
    (void)pg_buf_put(&shown, (struct sl){at + 1, s.n - (size_t)(at + 1 - s.p)});
    (void)pg_buf_put_json(out, pg_buf_sl(&shown));
    pg_buf_free(&shown);
}

void options_write_url(const char *url, struct pg_buf *out)
{
    write_STRING(out, url);
}

static void write_COUNT(struct pg_buf *out, uint64_t value)
{
    (void)pg_buf_printf(out, "%" PRIu64, value);
}

static void write_BOOL(struct pg_buf *out, bool value)
{
    (void)pg_buf_put(out, value ? SL("true") : SL("false"));
}

static void write_LOGFORMAT(struct pg_buf *out, enum pg_log_format value)
{
    (void)pg_buf_put(out, value == PG_LOG_JSON ? SL("\"json\"") : SL("\"text\""));
}

static void write_LOGLEVEL(struct pg_buf *out, enum pg_log_level value)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    (void)pg_buf_printf(out, "\"%s\"", names[value]);
}

static void write_DELETED(struct pg_buf *out, enum config_deleted value)
{
    static const char *const names[] = {"follow", "keep", "keep-and-flag"};

    (void)pg_buf_printf(out, "\"%s\"", names[value]);
}

#define write_PATH write_STRING
#define write_SIZE write_COUNT
#define write_TIME write_COUNT

static void put_name(struct pg_buf *out, const char *section, const char *name, bool *first)
{
    (void)pg_buf_put(out, *first ? SL("") : SL(","));
    *first = false;
    if (strcmp(section, "top") == 0 || strcmp(section, "upstream") == 0)
        (void)pg_buf_printf(out, "\"%s\":", name);
    else
        (void)pg_buf_printf(out, "\"%s.%s\":", section, name);
}

static void write_global(const struct config *c, struct pg_buf *out)
{
    bool first = true;

#define X(section, name, type, ...)                                                                \
    put_name(out, #section, #name, &first);                                                        \
    write_##type(out, c->section##_##name);
    CONFIG_GLOBAL(X)
#undef X
}

static void write_upstream(const struct config_upstream *c, struct pg_buf *out)
{
    bool first = false; /* behind its name */

    (void)pg_buf_put(out, SL("{\"name\":"));
    (void)pg_buf_put_json(out, sl_str(c->name));
#define X(section, name, type, ...)                                                                \
    put_name(out, #section, #name, &first);                                                        \
    write_##type(out, c->section##_##name);
    CONFIG_UPSTREAM(X)
#undef X
    (void)pg_buf_put(out, SL(",\"urls\":["));
    for (size_t i = 0; i < c->nurls; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(",{\"url\":") : SL("{\"url\":"));
        write_STRING(out, c->urls[i].text);
        (void)pg_buf_printf(out, ",\"authoritative\":%s}",
                            c->urls[i].authoritative ? "true" : "false");
    }
    (void)pg_buf_put(out, SL("]}"));
}

static void write_listener(const struct config_listener *l, struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("{\"address\":"));
    (void)pg_buf_put_json(out, sl_str(l->address));
    (void)pg_buf_printf(out, ",\"tls\":%s}", l->tls.npairs > 0 ? "true" : "false");
}

void options_write(const struct snapshot *s, struct pg_buf *out)
{
    const struct config *c = &s->config;

    (void)pg_buf_put(out, SL("{\"file\":"));
    (void)pg_buf_put_json(out, sl_str(c->file));
    (void)pg_buf_printf(out, ",\"revision\":%" PRIu64 ",\"options\":{", s->revision);
    write_global(c, out);
    (void)pg_buf_put(out, SL("},\"listen\":["));
    for (size_t i = 0; i < c->nlisteners; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(",") : SL(""));
        write_listener(&c->listeners[i], out);
    }
    (void)pg_buf_put(out, SL("],\"upstreams\":["));
    for (size_t i = 0; i < c->nupstreams; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(",") : SL(""));
        write_upstream(&c->upstreams[i], out);
    }
    (void)pg_buf_put(out, SL("]}\n"));
}
