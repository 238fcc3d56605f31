/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ls.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/control.h"
#include "cli/print.h"
#include "cli/table.h"

#define WAIT_MS      600000L
#define DIGEST_SHOWN 19 /* "sha256:" and twelve digits */

/* ---- as text ------------------------------------------------------------------------------- */

/* "3 h": how long ago; "-" when never. */
static void put_age(struct table *t, struct sl when)
{
    static const struct {
        long long s;
        const char *unit;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
    char text[32] = "-", copy[PG_CLOCK_TEXT_MAX] = "";
    struct tm tm = {0};

    if (when.n > 0 && when.n < sizeof(copy)) {
        memcpy(copy, when.p, when.n);
    }
    if (strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm) != NULL) {
        long long age_s = (long long)pg_clock_wall_s() - (long long)timegm(&tm);
        size_t i = 0;
        age_s = age_s > 0 ? age_s : 0;
        while (i < 3 && age_s < 2 * units[i].s) {
            i++;
        }
        (void)snprintf(text, sizeof(text), "%lld %s", age_s / units[i].s, units[i].unit);
    }
    table_put(t, (struct sl){text, strlen(text)});
}

static void put_digest(struct table *t, const json_t *row)
{
    struct sl digest = pg_json_str(row, "digest");

    digest.n = digest.n < DIGEST_SHOWN ? digest.n : DIGEST_SHOWN;
    table_put(t, digest);
}

static void put_size(struct table *t, const json_t *row)
{
    table_put_bytes(t, (uint64_t)json_integer_value(json_object_get(row, "bytes")));
}

static void put_tag(struct table *t, const json_t *row)
{
    struct pg_buf name;

    pg_buf_init(&name, PRINT_BYTES_MAX);
    (void)pg_buf_printf(&name, SL_FMT ":" SL_FMT "%s", SL_ARG(pg_json_str(row, "repo")),
                        SL_ARG(pg_json_str(row, "tag")),
                        json_is_string(json_object_get(row, "held_at")) ? " (held)" : "");
    table_put(t, pg_buf_sl(&name));
    pg_buf_free(&name);
    put_digest(t, row);
    put_size(t, row);
    put_age(t, pg_json_str(row, "validated"));
    put_age(t, pg_json_str(row, "last_pull"));
}

/* Whole digests: they are what one would purge. */
static void put_object(struct table *t, const json_t *row)
{
    table_put(t, pg_json_str(row, "repo"));
    table_put(t, pg_json_str(row, "digest"));
    put_size(t, row);
    put_age(t, pg_json_str(row, "first_seen"));
    put_age(t, pg_json_str(row, "last_pull"));
}

static void put_heads(struct table *t, bool tags)
{
    table_put(t, tags ? SL("TAG") : SL("REPOSITORY"));
    table_put(t, SL("DIGEST"));
    table_put(t, SL(">SIZE"));
    table_put(t, tags ? SL(">CONFIRMED") : SL(">FIRST SEEN"));
    table_put(t, SL(">LAST PULL"));
}

static int print_table(const json_t *rows, bool tags, bool heads)
{
    const json_t *row;
    struct pg_buf out;
    struct table t;
    size_t i;

    table_init(&t, 5);
    put_heads(&t, tags);
    json_array_foreach(rows, i, row)
    {
        (tags ? put_tag : put_object)(&t, row);
    }
    pg_buf_init(&out, PRINT_BYTES_MAX);
    if (heads || json_array_size(rows) > 0) {
        table_print(&t, "", &out);
    }
    int rc = print_out(pg_buf_sl(&out)) < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
    pg_buf_free(&out);
    table_free(&t);
    return rc;
}

/* ---- as JSON: the pages as one ------------------------------------------------------------- */

static int print_json(const json_t *rows, bool *begun)
{
    const json_t *row;
    size_t i;
    int rc = COMMAND_GOOD;

    json_array_foreach(rows, i, row)
    {
        char *text = json_dumps(row, JSON_COMPACT);
        PG_CHECK(text != NULL);
        if (rc == COMMAND_GOOD && ((*begun && print_out(SL(",\n")) < 0) ||
                                   print_out((struct sl){text, strlen(text)}) < 0)) {
            rc = COMMAND_CANNOT;
        }
        *begun = true;
        free(text);
    }
    return rc;
}

/* ---- asking -------------------------------------------------------------------------------- */

struct listing {
    struct control control;
    const struct command_args *args;
    const char *name; /* "tags" */
    bool is_tags, begun;
};

static int ask_page(struct listing *l, struct sl cursor, json_t **page_r)
{
    struct pg_buf path;

    pg_buf_init(&path, PRINT_BYTES_MAX);
    (void)pg_buf_printf(&path, "/api/v1/%s?n=1000", l->name);
    if (l->args->noperands > 0) {
        (void)pg_buf_put(&path, SL("&ref="));
        control_put_word(&path, (struct sl){l->args->operands[0], strlen(l->args->operands[0])});
    }
    if (cursor.n > 0) {
        (void)pg_buf_printf(&path, "&cursor=" SL_FMT, SL_ARG(cursor));
    }
    (void)pg_buf_put(&path, (struct sl){"", 1});
    const struct control_question q = {"GET", path.p, NULL, WAIT_MS};
    int rc = control_ask_json(&l->control, &q, NULL, page_r);
    pg_buf_free(&path);
    return rc;
}

static int print_page(struct listing *l, const json_t *page, bool first)
{
    const json_t *rows = json_object_get(page, l->name);

    return l->args->json ? print_json(rows, &l->begun) : print_table(rows, l->is_tags, first);
}

static int list(struct listing *l)
{
    _json_ json_t *page = NULL;
    struct sl cursor = {NULL, 0};
    int rc = COMMAND_GOOD;

    do {
        _json_ json_t *before = page;
        page = NULL;
        rc = ask_page(l, cursor, &page);
        if (rc == COMMAND_GOOD && before == NULL && l->args->json) {
            (void)printf("{\"%s\":[", l->name);
        }
        rc = rc == COMMAND_GOOD ? print_page(l, page, before == NULL) : rc;
        cursor = pg_json_str(page, "next");
    } while (rc == COMMAND_GOOD && cursor.n > 0);
    if (rc == COMMAND_GOOD && l->args->json && print_out(SL("],\"next\":null}\n")) < 0) {
        rc = COMMAND_CANNOT;
    }
    return rc;
}

int ls_run(const struct command_args *args)
{
    struct listing l = {.args = args,
                        .name = args->listed.manifests ? "manifests"
                                : args->listed.blobs   ? "blobs"
                                                       : "tags",
                        .is_tags = !args->listed.manifests && !args->listed.blobs};

    if (args->listed.tags + args->listed.manifests + args->listed.blobs > 1) {
        return print_failure("one of --tags, --manifests and --blobs");
    }
    if (args->noperands > 1) {
        return print_failure("ls takes one REF");
    }
    int rc = control_open(args, CONTROL_CHANGE, &l.control);
    if (rc == COMMAND_GOOD) {
        rc = list(&l);
    }
    control_close(&l.control);
    return rc;
}
