/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/storage_html.h"

#include <inttypes.h>

#include "base/size.h"
#include "cli/markup.h"
#include "cli/print.h"
#include "cli/version.h"

#define BAR_WIDTH    300.0
#define CHART_WIDTH  900.0
#define CHART_HEIGHT 160.0
#define ROWS_SHOWN   200

static void put_cell_bytes(struct pg_buf *out, uint64_t bytes)
{
    (void)pg_buf_put(out, SL("<td class=\"n\">"));
    pg_size_put(out, bytes);
    (void)pg_buf_put(out, SL("</td>"));
}

static void put_fact(struct pg_buf *out, const char *name, uint64_t bytes)
{
    (void)pg_buf_printf(out, "<tr><th>%s</th>", name);
    put_cell_bytes(out, bytes);
    (void)pg_buf_put(out, SL("</tr>\n"));
}

static void put_facts(struct pg_buf *out, const struct storage *r)
{
    const struct usage_sum *all = &r->usage.all;

    (void)pg_buf_put(out, SL("<table>\n"));
    put_fact(out, "stored", r->room.bytes);
    put_fact(out, "if nothing were shared", all->apart);
    put_fact(out, "duplicates avoided", all->apart > all->bytes ? all->apart - all->bytes : 0);
    put_fact(out, "waste: that no image names", r->waste.unnamed);
    put_fact(out, "waste: unfinished downloads", r->room.partial);
    put_fact(out, "waste: damaged, in quarantine", r->room.quarantine);
    if (r->waste.has_rules) {
        put_fact(out, "waste: expired by rules", r->waste.expired);
    }
    (void)pg_buf_printf(out, "<tr><th>reclaimed in %u days</th>", r->waste.days);
    put_cell_bytes(out, r->waste.reclaimed);
    (void)pg_buf_put(out, SL("</tr>\n"));
    put_fact(out, "room left", r->room.left);
    (void)pg_buf_put(out, SL("</table>\n<p>The store "));
    if (r->forecast.is_known) {
        storage_put_forecast(out, r);
    } else {
        (void)pg_buf_put(out, SL("is too young for a forecast"));
    }
    (void)pg_buf_put(out, SL(".</p>\n"));
}

/* A bar for each day, of what was stored at its end. */
static void put_chart(struct pg_buf *out, const struct growth *g)
{
    double each, width;
    uint64_t most = 1;

    if (g->n < 2) {
        return;
    }
    for (size_t i = 0; i < g->n; i++) {
        most = g->days[i].bytes > most ? g->days[i].bytes : most;
    }
    each = CHART_WIDTH / (double)g->n;
    width = each > 3 ? each - 1 : each;
    (void)pg_buf_printf(out,
                        "<h2>Day by day</h2>\n<svg width=\"%.0f\" height=\"%.0f\" role=\"img\" "
                        "aria-label=\"bytes stored, by day\">\n",
                        CHART_WIDTH, CHART_HEIGHT + 20);
    for (size_t i = 0; i < g->n; i++) {
        double height = (double)g->days[i].bytes / (double)most * CHART_HEIGHT;
        (void)pg_buf_printf(out,
                            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                            "fill=\"#48c\"><title>",
                            (double)i * each, CHART_HEIGHT - height, width, height);
        storage_put_date(out, g->days[i].begin_s);
        (void)pg_buf_put(out, SL(": "));
        pg_size_put(out, g->days[i].bytes);
        (void)pg_buf_put(out, SL("</title></rect>\n"));
    }
    (void)pg_buf_printf(out, "<text x=\"0\" y=\"%.0f\" font-size=\"12\">", CHART_HEIGHT + 15);
    storage_put_date(out, g->days[0].begin_s);
    (void)pg_buf_put(out, SL(" to "));
    storage_put_date(out, g->days[g->n - 1].begin_s);
    (void)pg_buf_put(out, SL(", the highest "));
    pg_size_put(out, most);
    (void)pg_buf_put(out, SL("</text></svg>\n"));
}

static void put_bar(struct pg_buf *out, const struct usage_sum *s, uint64_t most)
{
    double whole = most > 0 ? (double)s->bytes / (double)most * BAR_WIDTH : 0;
    double own = s->bytes > 0 ? (double)s->unique / (double)s->bytes * whole : 0;

    (void)pg_buf_printf(out,
                        "<td><svg width=\"%.0f\" height=\"14\"><rect width=\"%.1f\" height=\"14\" "
                        "fill=\"#acd\"/><rect width=\"%.1f\" height=\"14\" "
                        "fill=\"#48c\"/></svg></td>",
                        BAR_WIDTH, whole, own);
}

static void put_table(struct pg_buf *out, const struct storage *r, enum usage_by by)
{
    const struct usage_table *t = &r->usage.tables[by];

    (void)pg_buf_printf(out,
                        "<h2>By %s</h2>\n<table><tr><th>%s</th><th>bytes</th><th>only its</th>"
                        "<th>shared</th><th>new in 7 days</th><th>manifests</th><th></th></tr>\n",
                        usage_word(by), usage_word(by));
    for (size_t i = 0; i < t->n && i < ROWS_SHOWN; i++) {
        const struct usage_sum *s = &t->rows[i];
        (void)pg_buf_put(out, SL("<tr><td>"));
        markup_put(out, s->name.n > 0 ? s->name : SL("(none)"));
        (void)pg_buf_put(out, SL("</td>"));
        put_cell_bytes(out, s->bytes);
        put_cell_bytes(out, s->unique);
        put_cell_bytes(out, s->bytes - s->unique);
        put_cell_bytes(out, s->week);
        (void)pg_buf_printf(out, "<td class=\"n\">%" PRIu64 "</td>", s->manifests);
        put_bar(out, s, t->rows[0].bytes);
        (void)pg_buf_put(out, SL("</tr>\n"));
    }
    (void)pg_buf_put(out, SL("</table>\n"));
    if (t->n > ROWS_SHOWN) {
        (void)pg_buf_printf(out, "<p>And %zu more, which are smaller.</p>\n", t->n - ROWS_SHOWN);
    }
}

void storage_html_put(struct pg_buf *out, const struct storage *r)
{
    markup_begin(out, "pullgate: storage report");
    (void)pg_buf_put(out, SL("<h1>Storage report</h1>\n<p>Of "));
    markup_put(out, sl_str(r->stock.load.config.storage_path));
    (void)pg_buf_put(out, SL(", on "));
    storage_put_date(out, r->now_s);
    (void)pg_buf_printf(out,
                        ": %" PRIu64
                        " manifests in %zu repositories. Made by pullgate " VERSION_TEXT ".</p>\n",
                        r->usage.all.manifests, r->usage.repositories);
    put_facts(out, r);
    put_chart(out, &r->growth);
    for (int by = 0; by < USAGE_TABLES; by++) {
        put_table(out, r, (enum usage_by)by);
    }
    (void)pg_buf_put(out, SL("<p>Dark: only its own. Light: shared with others.</p>\n"));
    markup_end(out);
}
