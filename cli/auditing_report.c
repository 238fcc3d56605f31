/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/auditing_report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "audit/tally.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/utf8.h"
#include "cli/auditing.h"
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

/* Nothing of an entry is markup, or reorders what is shown. */
static void put_html(struct pg_buf *out, struct sl text)
{
    char escaped[PG_UTF8_ESCAPE_MAX];

    while (text.n > 0) {
        size_t n, taken = pg_utf8_escape(text, escaped, &n);
        switch (text.p[0]) {
        case '<':
            (void)pg_buf_put(out, SL("&lt;"));
            break;
        case '>':
            (void)pg_buf_put(out, SL("&gt;"));
            break;
        case '&':
            (void)pg_buf_put(out, SL("&amp;"));
            break;
        case '"':
            (void)pg_buf_put(out, SL("&quot;"));
            break;
        case '\'':
            (void)pg_buf_put(out, SL("&#39;"));
            break;
        default:
            (void)pg_buf_put(out, (struct sl){escaped, n});
        }
        text = (struct sl){text.p + taken, text.n - taken};
    }
}

static void put_cell(struct pg_buf *out, struct sl text)
{
    (void)pg_buf_put(out, SL("<td>"));
    put_html(out, text);
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

    (void)pg_buf_put(
        out,
        SL("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
           "'unsafe-inline'\">\n<title>pullgate: audit report</title>\n"
           "<style>body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}"
           "td,th{border:1px solid #bbb;padding:.2em .5em;text-align:left;vertical-align:top;"
           "word-break:break-word}th{background:#eee}</style></head><body>\n"
           "<h1>Audit report</h1>\n<p>From "));
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
    (void)pg_buf_put(out, SL("</body></html>\n"));
}

/* ---- the command --------------------------------------------------------------------------- */

/* Nothing is overwritten, and no half of it stays. */
static int write_file(const char *path, struct sl text)
{
    _fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int why = errno;

    if (fd >= 0 && pg_fd_write(fd, text.p, text.n) == 0) {
        return COMMAND_GOOD;
    }
    if (fd >= 0) {
        why = errno;
        (void)unlink(path);
    }
    return print_failure("cannot write %s: %s", path, strerrordesc_np(why));
}

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
        rc = write_file(r->args->audit.html, pg_buf_sl(&r->out));
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
