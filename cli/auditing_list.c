/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/auditing_list.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cli/auditing.h"
#include "cli/print.h"

#define FLUSH_BYTES ((size_t)64 * 1024)

enum form { TEXT, JSON, CSV };

struct listing {
    enum form form;
    struct pg_buf out;
};

/* ---- one entry ----------------------------------------------------------------------------- */

static void put_word(struct pg_buf *out, const char *before, struct sl text)
{
    if (text.n > 0) {
        (void)pg_buf_put(out, sl_str(before));
        print_put_safe(text, out);
    }
}

static void put_image(struct pg_buf *out, const struct sl *t)
{
    struct sl reference = t[ENTRY_TEXT_REFERENCE];

    put_word(out, " ", t[ENTRY_TEXT_REPOSITORY]);
    put_word(out, memchr(reference.p, ':', reference.n) != NULL ? "@" : ":", reference);
    if (!sl_eq(reference, t[ENTRY_TEXT_DIGEST])) {
        put_word(out, " ", t[ENTRY_TEXT_DIGEST]);
    }
}

static void put_decision(struct pg_buf *out, const struct entry *e)
{
    const struct sl *t = e->text;

    put_word(out, " ", t[ENTRY_TEXT_VERDICT]);
    put_image(out, t);
    put_word(out, " to ", t[ENTRY_TEXT_CALLER]);
    put_word(out, " at ", t[ENTRY_TEXT_ADDRESS]);
    put_word(out, ", rule ", t[ENTRY_TEXT_RULE]);
    put_word(out, ": ", t[ENTRY_TEXT_REASON]);
    put_word(out, "; observed: ", t[ENTRY_TEXT_OBSERVED]);
}

static void put_other(struct pg_buf *out, const struct entry *e)
{
    const struct sl *t = e->text;

    (void)pg_buf_printf(out, " %s", entry_kind_name(e->kind));
    put_word(out, " ", t[ENTRY_TEXT_ACT]);
    put_word(out, " ", t[ENTRY_TEXT_TARGET]);
    put_image(out, t);
    put_word(out, " by ", t[ENTRY_TEXT_CALLER]);
    put_word(out, " at ", t[ENTRY_TEXT_ADDRESS]);
    put_word(out, ": ", t[ENTRY_TEXT_RESULT]);
    put_word(out, ": ", t[ENTRY_TEXT_REASON]);
    if (e->number[ENTRY_NUMBER_COUNT] > 0) {
        (void)pg_buf_printf(out, " (%" PRIu64 ")", e->number[ENTRY_NUMBER_COUNT]);
    }
}

static void put_text(struct pg_buf *out, const struct entry *e)
{
    char time[PG_CLOCK_TEXT_MAX];

    (void)pg_buf_printf(out, "%s %" PRIu64, pg_clock_rfc3339(e->when_ms, time), e->seq);
    if (e->kind == ENTRY_DECISION) {
        put_decision(out, e);
    } else {
        put_other(out, e);
    }
    (void)pg_buf_put(out, SL("\n"));
}

/* A cell in quotes, without controls; one that a spreadsheet would compute is made a text. */
static void put_cell(struct pg_buf *out, struct sl text)
{
    bool computes = text.n > 0 && text.p[0] != '\0' && strchr("=+-@\t\r", text.p[0]) != NULL;

    (void)pg_buf_put(out, computes ? SL(",\"'") : SL(",\""));
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '"') {
            (void)pg_buf_put(out, SL("\"\""));
        } else {
            (void)pg_buf_put(out, (unsigned char)c < ' ' ? SL(" ") : (struct sl){&text.p[i], 1});
        }
    }
    (void)pg_buf_put(out, SL("\""));
}

static void put_csv_head(struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("seq,time,kind,request,count"));
    for (size_t i = 0; i < ENTRY_TEXT_PREVIOUS; i++) {
        (void)pg_buf_printf(out, ",%s", entry_text_name((enum entry_text)i));
    }
    (void)pg_buf_put(out, SL("\r\n"));
}

static void put_csv(struct pg_buf *out, const struct entry *e)
{
    char time[PG_CLOCK_TEXT_MAX];

    (void)pg_buf_printf(out, "%" PRIu64 ",%s,%s,%" PRIu64 ",%" PRIu64, e->seq,
                        pg_clock_rfc3339(e->when_ms, time), entry_kind_name(e->kind),
                        e->number[ENTRY_NUMBER_REQUEST], e->number[ENTRY_NUMBER_COUNT]);
    for (size_t i = 0; i < ENTRY_TEXT_PREVIOUS; i++) {
        put_cell(out, e->text[i]);
    }
    (void)pg_buf_put(out, SL("\r\n"));
}

/* ---- all of them --------------------------------------------------------------------------- */

static int flush(struct listing *l, struct pg_err *err)
{
    int rc = print_out(pg_buf_sl(&l->out));

    pg_buf_clear(&l->out);
    return rc < 0 ? pg_fail(err, PG_E_STORE_IO, "standard output takes nothing") : 0;
}

static int on_entry(void *arg, const struct entry *e, struct pg_err *err)
{
    struct listing *l = arg;

    if (l->form == TEXT) {
        put_text(&l->out, e);
    } else if (l->form == CSV) {
        put_csv(&l->out, e);
    } else {
        entry_write(e, &l->out);
        (void)pg_buf_put(&l->out, SL("\n"));
    }
    return l->out.n >= FLUSH_BYTES ? flush(l, err) : 0;
}

static int list(const struct command_args *args, enum form form)
{
    struct listing l = {.form = form};
    struct search_wanted wanted;
    struct search_found found;
    struct pg_err err = {0};
    _fd_ int dir_fd = -1;
    int rc = auditing_wanted(args, &wanted);

    if (rc == COMMAND_GOOD) {
        rc = auditing_open(args, &dir_fd);
    }
    if (rc != COMMAND_GOOD) {
        return rc;
    }
    pg_buf_init(&l.out, PRINT_BYTES_MAX);
    if (form == CSV) {
        put_csv_head(&l.out);
    }
    if (search_run(dir_fd, &wanted, on_entry, &l, &found, &err) < 0 || flush(&l, &err) < 0) {
        rc = print_failure("%s", err.msg);
    } else if (found.unreadable > 0) {
        (void)print_failure("%" PRIu64 " lines cannot be read and are left out; see pullgate audit "
                            "verify",
                            found.unreadable);
        rc = COMMAND_FOUND;
    }
    pg_err_clear(&err);
    pg_buf_free(&l.out);
    return rc;
}

int auditing_list_query(const struct command_args *args)
{
    return list(args, args->json ? JSON : TEXT);
}

int auditing_list_export(const struct command_args *args)
{
    if (args->audit.csv == args->json) {
        return print_failure("audit export writes --csv or --json");
    }
    return list(args, args->json ? JSON : CSV);
}
