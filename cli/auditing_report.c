/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/auditing_report.h"

#include <inttypes.h>

#include "audit/tally.h"
#include "base/clock.h"
#include "base/fd.h"
#include "cli/auditing.h"
#include "cli/markup.h"
#include "cli/print.h"
#include "cli/version.h"

#define REPORT_MAX ((size_t)256 << 20)

struct report {
    const struct command_args *args;
    struct search_wanted wanted;
    struct search_found found;
    struct auditing_check check;
    struct tally tally;
    struct pg_buf out;
};

static int on_entry(void *arg, const struct entry *e, struct pg_err *err)
{
    (void)err;
    tally_add(arg, e);
    return 0;
}

static void put_time(struct pg_buf *out, int64_t ms)
{
    char time[PG_CLOCK_TEXT_MAX];

    (void)pg_buf_put(out, sl_str(pg_clock_rfc3339(ms, time)));
}

/* The span that was asked for, as far as it was. */
static int64_t from_ms(const struct report *r)
{
    return r->wanted.from_ms != 0 ? r->wanted.from_ms : r->tally.first_ms;
}

static int64_t until_ms(const struct report *r)
{
    return r->wanted.until_ms != 0 ? r->wanted.until_ms : pg_clock_wall_ms();
}

/* ---- as JSON ------------------------------------------------------------------------------- */

static void put_row_json(struct pg_buf *out, enum tally_table table, const struct tally_row *row)
{
    (void)pg_buf_put(out, SL("{"));
    for (size_t i = 0; tally_column(table, i) != NULL; i++) {
        (void)pg_buf_printf(out, "\"%s\":", tally_column(table, i));
        (void)pg_buf_put_json(out, row->columns[i]);
        (void)pg_buf_put(out, SL(","));
    }
    (void)pg_buf_printf(out, "\"times\":%" PRIu64 ",\"first\":\"", row->n);
    put_time(out, row->first_ms);
    (void)pg_buf_put(out, SL("\",\"last\":\""));
    put_time(out, row->last_ms);
    (void)pg_buf_put(out, SL("\"}"));
}

static void put_json(struct report *r)
{
    struct pg_buf *out = &r->out;

    (void)pg_buf_put(out, SL("{\"from\":\""));
    put_time(out, from_ms(r));
    (void)pg_buf_put(out, SL("\",\"until\":\""));
    put_time(out, until_ms(r));
    (void)pg_buf_printf(out,
                        "\",\"entries\":%" PRIu64 ",\"unreadable\":%" PRIu64
                        ",\"findings\":%" PRIu64 ",\"last\":%" PRIu64,
                        r->tally.entries, r->found.unreadable, r->check.findings, r->check.last);
    for (size_t i = 0; i < TALLY_NTABLES; i++) {
        const struct tally_rows *rows = &r->tally.tables[i];
        (void)pg_buf_printf(out, ",\"%s\":{\"rows\":[", tally_name((enum tally_table)i));
        for (const struct tally_row *row = rows->first; row != NULL; row = row->next) {
            (void)pg_buf_put(out, row != rows->first ? SL(",\n") : SL("\n"));
            put_row_json(out, (enum tally_table)i, row);
        }
        (void)pg_buf_printf(out, "],\"more\":%" PRIu64 "}", rows->more);
    }
    (void)pg_buf_put(out, SL("}\n"));
}

/* ---- as HTML ------------------------------------------------------------------------------- */

static void put_cell(struct pg_buf *out, struct sl text)
{
    (void)pg_buf_put(out, SL("<td>"));
    markup_put(out, text);
    (void)pg_buf_put(out, SL("</td>"));
}

static void put_row_html(struct pg_buf *out, enum tally_table table, const struct tally_row *row)
{
    (void)pg_buf_put(out, SL("<tr>"));
    for (size_t i = 0; tally_column(table, i) != NULL; i++) {
        put_cell(out, row->columns[i]);
    }
    (void)pg_buf_printf(out, "<td>%" PRIu64 "</td><td>", row->n);
    put_time(out, row->first_ms);
    (void)pg_buf_put(out, SL("</td><td>"));
    put_time(out, row->last_ms);
    (void)pg_buf_put(out, SL("</td></tr>\n"));
}

static void put_table_html(struct report *r, enum tally_table table)
{
    const struct tally_rows *rows = &r->tally.tables[table];
    struct pg_buf *out = &r->out;

    (void)pg_buf_printf(out, "<h2>%s</h2>\n", tally_title(table));
    if (rows->first == NULL) {
        (void)pg_buf_put(out, SL("<p>Nothing.</p>\n"));
        return;
    }
    (void)pg_buf_put(out, SL("<table><tr>"));
    for (size_t i = 0; tally_column(table, i) != NULL; i++) {
        (void)pg_buf_printf(out, "<th>%s</th>", tally_column(table, i));
    }
    (void)pg_buf_put(out, SL("<th>times</th><th>first</th><th>last</th></tr>\n"));
    for (const struct tally_row *row = rows->first; row != NULL; row = row->next) {
        put_row_html(out, table, row);
    }
    (void)pg_buf_put(out, SL("</table>\n"));
    if (rows->more > 0) {
        (void)pg_buf_printf(out, "<p>And %" PRIu64 " entries more that found no row.</p>\n",
                            rows->more);
    }
}

static void put_page(struct report *r)
{
    struct pg_buf *out = &r->out;

    markup_begin(out, "pullgate: audit report");
    (void)pg_buf_put(out, SL("<h1>Audit report</h1>\n<p>From "));
    put_time(out, from_ms(r));
    (void)pg_buf_put(out, SL(" until "));
    put_time(out, until_ms(r));
    (void)pg_buf_printf(
        out, ": %" PRIu64 " entries. Made by pullgate " VERSION_TEXT ".</p>\n<p>The log ",
        r->tally.entries);
    if (r->check.findings == 0) {
        (void)pg_buf_printf(out, "is as it was written, up to entry %" PRIu64 ".</p>\n",
                            r->check.last);
    } else {
        (void)pg_buf_printf(out,
                            "<b>is not as it was written: %" PRIu64
                            " findings</b>; see pullgate audit verify.</p>\n",
                            r->check.findings);
    }
    for (size_t i = 0; i < TALLY_NTABLES; i++) {
        put_table_html(r, (enum tally_table)i);
    }
    markup_end(out);
}

/* ---- the command --------------------------------------------------------------------------- */

static int deliver(struct report *r)
{
    int rc = COMMAND_GOOD;

    if (r->args->audit.html != NULL) {
        put_page(r);
    } else {
        put_json(r);
    }
    if (r->out.over) {
        return print_failure("the report is too long: ask for less time, with --since and --until");
    }
    if (r->args->audit.html != NULL) {
        rc = markup_write(r->args->audit.html, pg_buf_sl(&r->out));
    } else if (print_out(pg_buf_sl(&r->out)) < 0) {
        rc = COMMAND_CANNOT;
    }
    return rc == COMMAND_GOOD && r->check.findings + r->found.unreadable > 0 ? COMMAND_FOUND : rc;
}

int auditing_report_run(const struct command_args *args)
{
    struct report r = {.args = args};
    struct pg_err err = {0};
    _fd_ int dir_fd = -1;

    if ((args->audit.html != NULL) == args->json) {
        return print_failure("audit report writes --html FILE or --json");
    }
    int rc = auditing_wanted(args, &r.wanted);
    if (rc == COMMAND_GOOD) {
        rc = auditing_open(args, &dir_fd);
    }
    if (rc == COMMAND_GOOD) {
        rc = auditing_check(args, dir_fd, &r.check);
    }
    if (rc != COMMAND_GOOD) {
        return rc;
    }
    tally_init(&r.tally);
    pg_buf_init(&r.out, REPORT_MAX);
    if (search_run(dir_fd, &r.wanted, on_entry, &r.tally, &r.found, &err) < 0) {
        rc = print_failure("%s", err.msg);
        pg_err_clear(&err);
    } else {
        rc = deliver(&r);
    }
    pg_buf_free(&r.out);
    tally_free(&r.tally);
    return rc;
}
