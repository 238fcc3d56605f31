/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/affected.h"

#include <inttypes.h>

#include "cli/control.h"
#include "cli/print.h"

#define WAIT_MS 600000L

/* What all pages say together. */
struct sum {
    uint64_t images, served, scanned, unscanned, cut;
};

static uint64_t number(const json_t *row, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(row, key));

    return n > 0 ? (uint64_t)n : 0;
}

/* ---- as text ------------------------------------------------------------------------------- */

static void put(struct pg_buf *out, const char *before, struct sl text)
{
    if (text.n > 0) {
        (void)pg_buf_put(out, sl_str(before));
        print_put_safe(text, out);
    }
}

static void put_finding(const json_t *f, struct pg_buf *out)
{
    struct sl fixed = pg_json_str(f, "fixed");

    if (pg_json_str(f, "vulnerability").n == 0) {
        put(out, "  has ", pg_json_str(f, "package"));
        put(out, " ", pg_json_str(f, "version"));
        put(out, ", in which nothing is found, says ", pg_json_str(f, "source"));
        (void)pg_buf_put(out, SL("\n"));
        return;
    }
    put(out, "  ", pg_json_str(f, "vulnerability"));
    put(out, " ", pg_json_str(f, "severity"));
    put(out, json_is_true(json_object_get(f, "exploited")) ? ", exploited, in " : " in ",
        pg_json_str(f, "package"));
    put(out, " ", pg_json_str(f, "version"));
    put(out, ", fixed in ", fixed);
    if (fixed.n == 0) {
        (void)pg_buf_put(out, SL(", no fix is known"));
    }
    put(out, ", says ", pg_json_str(f, "source"));
    put(out, " since ", pg_json_str(f, "since"));
    (void)pg_buf_put(out, SL("\n"));
}

static void put_findings(const json_t *image, struct pg_buf *out)
{
    const json_t *all = json_object_get(image, "findings"), *f;
    uint64_t n = number(image, "nfindings");
    size_t i;

    json_array_foreach(all, i, f)
    {
        put_finding(f, out);
    }
    if (n > json_array_size(all)) {
        (void)pg_buf_printf(out, "  and %" PRIu64 " more\n", n - json_array_size(all));
    }
}

static void put_place(const json_t *place, struct pg_buf *out)
{
    const json_t *served = json_object_get(place, "served"), *tag;
    size_t i;

    put(out, "  from ", pg_json_str(place, "repo"));
    json_array_foreach(json_object_get(place, "tags"), i, tag)
    {
        put(out, i > 0 ? ", :" : " :", sl_str(json_string_value(tag)));
    }
    put(out, " since ", pg_json_str(place, "first_seen"));
    (void)pg_buf_put(out, json_is_true(served) ? SL("; would be served")
                          : json_is_false(served)
                              ? SL("; would not be served")
                              : SL("; whether it would be served is not known"));
    put(out, ", rule ", pg_json_str(place, "rule"));
    put(out, ": ", pg_json_str(place, "reason"));
    (void)pg_buf_put(out, SL("\n"));
}

static void put_pull(const json_t *pull, struct pg_buf *out)
{
    uint64_t count = number(pull, "count");

    put(out, "  pulled by ", pg_json_str(pull, "caller"));
    put(out, " from ", pg_json_str(pull, "repo"));
    put(out, " as ", pg_json_str(pull, "reference"));
    put(out, ", last ", pg_json_str(pull, "last"));
    (void)pg_buf_printf(out, ", %" PRIu64 " time%s\n", count, print_s(count));
}

static void put_image(const json_t *image, struct pg_buf *out)
{
    const json_t *row;
    size_t i;

    print_put_safe(pg_json_str(image, "digest"), out);
    (void)pg_buf_put(out, SL("\n"));
    put_findings(image, out);
    json_array_foreach(json_object_get(image, "repositories"), i, row)
    {
        put_place(row, out);
    }
    if (i == 0) {
        (void)pg_buf_put(out, SL("  in no repository any more: it is not served\n"));
    }
    json_array_foreach(json_object_get(image, "pulls"), i, row)
    {
        put_pull(row, out);
    }
    if (i == 0) {
        (void)pg_buf_put(out, SL("  no pull of it is on record\n"));
    }
    if (json_is_true(json_object_get(image, "more"))) {
        (void)pg_buf_put(out, SL("  and more; the longest ago are left out\n"));
    }
}

static void put_sum(const struct sum *s, const char *name, struct pg_buf *out)
{
    print_put_safe(sl_str(name), out);
    (void)pg_buf_printf(
        out, ": %" PRIu64 " of %" PRIu64 " scanned image%s; %" PRIu64 " would be served now",
        s->images, s->scanned, print_s(s->scanned), s->served);
    if (s->unscanned > 0) {
        (void)pg_buf_printf(out, "; of %" PRIu64 " image%s nothing is known: no scanner has looked",
                            s->unscanned, print_s(s->unscanned));
    }
    if (s->cut > 0) {
        (void)pg_buf_printf(out,
                            "; of %" PRIu64 " image%s not all is kept, so that it may "
                            "have it",
                            s->cut, print_s(s->cut));
    }
    (void)pg_buf_put(out, SL("\n"));
}

/* ---- pages --------------------------------------------------------------------------------- */

static bool is_served(const json_t *image)
{
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(image, "repositories"), i, row)
    {
        if (json_is_true(json_object_get(row, "served"))) {
            return true;
        }
    }
    return false;
}

static void put_json(const json_t *image, bool is_first, struct pg_buf *out)
{
    char *text = json_dumps(image, JSON_COMPACT);

    PG_CHECK(text != NULL);
    (void)pg_buf_put(out, is_first ? SL("") : SL(",\n"));
    (void)pg_buf_put(out, sl_str(text));
    free(text);
}

static int print_page(const struct command_args *args, const json_t *page, struct sum *s)
{
    const json_t *image;
    int rc = COMMAND_GOOD;
    size_t i;

    json_array_foreach(json_object_get(page, "images"), i, image)
    {
        struct pg_buf out;
        pg_buf_init(&out, PRINT_BYTES_MAX);
        if (args->json) {
            put_json(image, s->images == 0, &out);
        } else {
            put_image(image, &out);
        }
        rc = rc != COMMAND_GOOD || print_out(pg_buf_sl(&out)) < 0 ? COMMAND_CANNOT : rc;
        pg_buf_free(&out);
        s->images++;
        s->served += is_served(image);
    }
    s->scanned += number(page, "scanned");
    s->unscanned += number(page, "unscanned");
    s->cut += number(page, "cut");
    return rc;
}

static int ask(struct control *c, const char *name, struct sl cursor, json_t **page_r)
{
    struct pg_buf path;

    pg_buf_init(&path, PRINT_BYTES_MAX);
    (void)pg_buf_put(&path, SL("/api/v1/affected?name="));
    control_put_word(&path, sl_str(name));
    if (cursor.n > 0) {
        (void)pg_buf_put(&path, SL("&cursor="));
        control_put_word(&path, cursor);
    }
    (void)pg_buf_put(&path, (struct sl){"", 1});
    const struct control_question q = {"GET", path.p, NULL, WAIT_MS};
    int rc = control_ask_json(c, &q, NULL, page_r) == COMMAND_GOOD ? COMMAND_GOOD : COMMAND_CANNOT;
    pg_buf_free(&path);
    return rc; /* 1 would be "there is an image" */
}

static void put_begin(const char *name, struct pg_buf *out)
{
    (void)pg_buf_put(out, SL("{\"name\":"));
    (void)pg_buf_put_json(out, sl_str(name));
    (void)pg_buf_put(out, SL(",\"images\":["));
}

static void put_end(const struct sum *s, struct pg_buf *out)
{
    (void)pg_buf_printf(out,
                        "],\"scanned\":%" PRIu64 ",\"unscanned\":%" PRIu64 ",\"cut\":%" PRIu64
                        ",\"next\":null}\n",
                        s->scanned, s->unscanned, s->cut);
}

static int say(const struct command_args *args, const struct sum *s, bool is_end)
{
    struct pg_buf out;

    pg_buf_init(&out, PRINT_BYTES_MAX);
    if (!args->json && is_end) {
        put_sum(s, args->operands[0], &out);
    } else if (args->json) {
        is_end ? put_end(s, &out) : put_begin(args->operands[0], &out);
    }
    int rc = print_out(pg_buf_sl(&out)) < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
    pg_buf_free(&out);
    return rc;
}

static int list(const struct command_args *args, struct control *c)
{
    _json_ json_t *page = NULL;
    struct sl cursor = {NULL, 0};
    struct sum s = {0};
    int rc;

    do {
        _json_ json_t *before = page;
        page = NULL;
        rc = ask(c, args->operands[0], cursor, &page);
        if (rc == COMMAND_GOOD && before == NULL) {
            rc = say(args, &s, false);
        }
        rc = rc == COMMAND_GOOD ? print_page(args, page, &s) : rc;
        cursor = pg_json_str(page, "next");
    } while (rc == COMMAND_GOOD && cursor.n > 0);
    rc = rc == COMMAND_GOOD ? say(args, &s, true) : rc;
    return rc == COMMAND_GOOD && s.images > 0 ? COMMAND_FOUND : rc;
}

int affected_run(const struct command_args *args)
{
    struct control c = {0};

    if (args->noperands != 1) {
        return print_failure("affected needs one NAME: CVE-2024-3094, PACKAGE, PACKAGE@VERSION or "
                             "pkg:TYPE/NAME@VERSION");
    }
    int rc = control_open(args, CONTROL_CHANGE, &c);
    if (rc == COMMAND_GOOD) {
        rc = list(args, &c);
    }
    control_close(&c);
    return rc;
}
