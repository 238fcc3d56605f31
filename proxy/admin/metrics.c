/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/metrics_int.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/metric.h"

/* What is told of one upstream. The value, or false: nothing is known of that. */
typedef bool look_fn(const struct health_view *v, uint64_t *value_r);

static bool look_up(const struct health_view *v, uint64_t *value_r)
{
    *value_r = v->state != HEALTH_DOWN;
    return v->state != HEALTH_UNKNOWN;
}

static bool look_limited(const struct health_view *v, uint64_t *value_r)
{
    *value_r = v->state == HEALTH_LIMITED;
    return v->state != HEALTH_UNKNOWN;
}

static bool look_requests(const struct health_view *v, uint64_t *value_r)
{
    *value_r = v->requests;
    return true;
}

static bool look_failures(const struct health_view *v, uint64_t *value_r)
{
    *value_r = v->failures;
    return true;
}

static bool look_bytes(const struct health_view *v, uint64_t *value_r)
{
    *value_r = v->bytes;
    return true;
}

static bool look_kept(const struct health_view *v, uint64_t *value_r)
{
    *value_r = v->kept;
    return true;
}

static bool look_limit(const struct health_view *v, uint64_t *value_r)
{
    *value_r = v->budget.limit;
    return v->budget.known;
}

static bool look_left(const struct health_view *v, uint64_t *value_r)
{
    *value_r = v->budget_left;
    return v->budget.known;
}

/* Names and types stand as in the exposition; tests/check/dashboards.py reads them here. */
static const struct {
    const char *name, *type, *doc;
    bool has_source; /* what upstream calls us is a label */
    look_fn *look;
} of_upstream[] = {
    {"pullgate_upstream_up", "gauge", "1: it answers; 0: it does not and is left alone.", false,
     look_up},
    {"pullgate_upstream_limited", "gauge", "1: it asks for patience (429).", false, look_limited},
    {"pullgate_upstream_asked_total", "counter", "Requests to it, tokens and redirects included.",
     false, look_requests},
    {"pullgate_upstream_failed_total", "counter", "Requests to it that failed.", false,
     look_failures},
    {"pullgate_upstream_received_bytes_total", "counter", "Bytes of bodies from it.", false,
     look_bytes},
    {"pullgate_upstream_kept_total", "counter",
     "Answers with what it has deleted or withdrawn, as configured.", false, look_kept},
    {"pullgate_upstream_budget_limit", "gauge",
     "Requests that it allows us in its window, if it says so.", true, look_limit},
    {"pullgate_upstream_budget_left", "gauge",
     "Requests that it still allows us, as far as it says.", true, look_left},
};

static void write_upstreams(const struct config *c, const struct health_view *views,
                            struct pg_buf *out)
{
    for (size_t m = 0; m < sizeof(of_upstream) / sizeof(of_upstream[0]); m++) {
        const char *name = of_upstream[m].name;

        pg_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, of_upstream[m].doc, name,
                      of_upstream[m].type);
        for (size_t i = 0; i < c->nupstreams; i++) {
            uint64_t value;

            if (!of_upstream[m].look(&views[i], &value))
                continue;
            pg_buf_printf(out, "%s{upstream=\"%s\"", name, c->upstreams[i].name);
            if (of_upstream[m].has_source)
                pg_buf_printf(out, ",source=\"%s\"", views[i].budget.source);
            pg_buf_printf(out, "} %" PRIu64 "\n", value);
        }
    }
}

void metrics_write(const struct admin *a, const struct snapshot *s, struct pg_buf *out)
{
    const struct config *c = &s->config;
    struct health_view *views = calloc(c->nupstreams + 1, sizeof(*views));

    PG_CHECK(views != NULL);
    for (size_t i = 0; i < c->nupstreams; i++) {
        const char *name = c->upstreams[i].name;

        fetch_health(a->config.fetch, (struct sl){name, strlen(name)}, &views[i]);
    }
    pg_metric_write(out);
    write_upstreams(c, views, out);
    process_write(&a->process, a->config.version, out);
    free(views);
}
