/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/status.h"

#include <inttypes.h>

#include "base/clock.h"

static struct sl of_string(const char *s)
{
    return s == NULL ? SL("") : (struct sl){s, strlen(s)};
}

static const char *truth(bool b)
{
    return b ? "true" : "false";
}

/* It runs and answers. A full disk makes it slower, not dead: it is said, and no failure. */
bool status_write_health(const struct admin *a, struct pg_buf *out)
{
    bool degraded = atomic_load(&a->config.store->degraded);

    (void)pg_buf_printf(out, "{\"status\":\"%s\"}\n", degraded ? "degraded" : "ok");
    return true;
}

bool status_write_ready(const struct admin *a, struct pg_buf *out)
{
    bool draining = atomic_load(&a->draining);

    (void)pg_buf_printf(out, "{\"status\":\"%s\"}\n", draining ? "draining" : "ready");
    return !draining;
}

void status_write_version(const struct admin *a, struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("{\"version\":"));
    (void)pg_buf_put_json(out, of_string(a->config.version));
    (void)pg_buf_put(out, SL("}\n"));
}

static void write_store(const struct store *s, struct pg_buf *out)
{
    (void)pg_buf_put(out, SL(",\"store\":{\"path\":"));
    (void)pg_buf_put_json(out, of_string(s->config.path));
    (void)pg_buf_printf(out,
                        ",\"blobs\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"partial_bytes\":%" PRIu64
                        ",\"max_bytes\":%" PRIu64 ",\"degraded\":%s,\"recovered\":%s}",
                        atomic_load(&s->blobs), atomic_load(&s->bytes),
                        atomic_load(&s->partial_bytes), s->config.max_bytes,
                        truth(atomic_load(&s->degraded)), truth(atomic_load(&s->recovered)));
}

static void write_config(const struct snapshot *s, struct pg_buf *out)
{
    (void)pg_buf_put(out, SL(",\"config\":{\"file\":"));
    (void)pg_buf_put_json(out, of_string(s->config.file));
    (void)pg_buf_printf(out, ",\"revision\":%" PRIu64 "},\"upstreams\":[", s->revision);
    for (size_t i = 0; i < s->config.nupstreams; i++) {
        (void)pg_buf_put(out, i > 0 ? SL(",") : SL(""));
        (void)pg_buf_put_json(out, of_string(s->config.upstreams[i].name));
    }
    (void)pg_buf_put(out, SL("]"));
}

void status_write(const struct admin *a, const struct snapshot *s, struct pg_buf *out)
{
    char started[PG_CLOCK_TEXT_MAX];
    unsigned connections = 0;

    for (unsigned i = 0; i < a->config.nloops; i++)
        connections += atomic_load(&a->config.loops[i]->nconns);
    (void)pg_buf_put(out, SL("{\"version\":"));
    (void)pg_buf_put_json(out, of_string(a->config.version));
    (void)pg_buf_printf(out,
                        ",\"started\":\"%s\",\"uptime_s\":%" PRIu64
                        ",\"draining\":%s,\"loops\":%u,\"connections\":%u",
                        pg_clock_rfc3339(a->started_wall_ms, started),
                        (pg_clock_mono_ms() - a->started_mono_ms) / 1000,
                        truth(atomic_load(&a->draining)), a->config.nloops, connections);
    write_store(a->config.store, out);
    write_config(s, out);
    (void)pg_buf_put(out, SL("}\n"));
}
