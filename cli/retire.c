/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/retire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/moment.h"
#include "base/size.h"
#include "cli/control.h"
#include "cli/print.h"
#include "cli/retention.h"
#include "cli/stock.h"
#include "retention/plan.h"

#define WAIT_MS    600000L
#define RATE       "50"
#define RATE_MAX   100000
#define QUIET_DAYS 7 /* without a pull: more likely the clock is wrong */
#define FEW        20
#define REF_MAX    ((size_t)2048)
#define DAY_S      ((int64_t)86400)
#define SECOND_NS  1000000000L

struct retiring {
    const struct command_args *args;
    struct control control;
    struct stock stock;
    struct plan plan;
    long rate; /* images a second */
    bool begun;
    uint64_t removed, changed, failed, bytes;
};

/* ---- may it? ------------------------------------------------------------------------------- */

/* A clock that went ahead makes everything old, and one that went wrong does it all at once. */
static int check_clock(const struct retiring *r, int64_t now_s)
{
    int64_t last_s = 0;
    char when[PG_CLOCK_TEXT_MAX];

    for (size_t i = 0; i < r->plan.nrows; i++) {
        const struct image *image = r->plan.rows[i].image;
        last_s = image->pulled_s > last_s ? image->pulled_s : last_s;
        last_s = image->first_seen_s > last_s ? image->first_seen_s : last_s;
    }
    if (r->plan.ngo == 0 || r->args->backup.force || now_s - last_s <= QUIET_DAYS * DAY_S) {
        return COMMAND_GOOD;
    }
    return print_failure(
        "nothing was pulled since %s: if the clock is right and %zu manifests are to "
        "go, say --force",
        pg_clock_rfc3339(last_s * 1000, when), r->plan.ngo);
}

static int check_share(const struct retiring *r)
{
    const struct plan *p = &r->plan;

    if (r->args->backup.force || p->ngo < FEW || p->ngo <= p->nrows / 2) {
        return COMMAND_GOOD;
    }
    return print_failure("%zu of %zu manifests would go: look at them with retention plan, and say "
                         "--force",
                         p->ngo, p->nrows);
}

static int read_rate(struct retiring *r)
{
    const char *text = r->args->retention.rate != NULL ? r->args->retention.rate : RATE;
    char *end = NULL;

    r->rate = strtol(text, &end, 10);
    if (end == text || *end != '\0' || r->rate < 1 || r->rate > RATE_MAX) {
        return print_failure("--rate %s is no number from 1 to %d", text, RATE_MAX);
    }
    return COMMAND_GOOD;
}

/* ---- what is said -------------------------------------------------------------------------- */

static void tell(struct retiring *r, const struct image *image, const char *what)
{
    struct pg_buf out;
    char digest[DIGEST_TEXT_MAX];

    pg_buf_init(&out, PRINT_BYTES_MAX);
    (void)digest_write(&image->digest, digest);
    if (r->args->json) {
        (void)pg_buf_put(&out, r->begun ? SL(",\n{\"repo\":") : SL("\n{\"repo\":"));
        (void)pg_buf_put_json(&out, image->repo);
        (void)pg_buf_printf(&out, ",\"digest\":\"%s\",\"outcome\":", digest);
        (void)pg_buf_put_json(&out, sl_str(what));
        (void)pg_buf_put(&out, SL("}"));
    } else {
        print_put_safe(image->repo, &out);
        (void)pg_buf_printf(&out, "@%s: ", digest);
        print_put_safe(sl_str(what), &out);
        (void)pg_buf_put(&out, SL("\n"));
    }
    r->begun = true;
    r->failed += print_out(pg_buf_sl(&out)) < 0;
    pg_buf_free(&out);
}

static int print_sum(const struct retiring *r)
{
    struct pg_buf out;

    pg_buf_init(&out, PRINT_BYTES_MAX);
    if (r->args->json) {
        (void)pg_buf_printf(&out,
                            "],\"removed\":%" PRIu64 ",\"changed\":%" PRIu64 ",\"failed\":%" PRIu64
                            ",\"bytes\":%" PRIu64 "}\n",
                            r->removed, r->changed, r->failed, r->bytes);
    } else {
        (void)pg_buf_printf(&out, "%" PRIu64 " manifest%s removed, ", r->removed,
                            print_s(r->removed));
        pg_size_put(&out, r->bytes);
        (void)pg_buf_printf(&out, " freed; %" PRIu64 " changed since the plan was made, and stay\n",
                            r->changed);
    }
    int rc = print_out(pg_buf_sl(&out)) < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
    pg_buf_free(&out);
    return rc == COMMAND_GOOD && r->failed > 0 ? COMMAND_FOUND : rc;
}

/* ---- asking the server --------------------------------------------------------------------- */

enum { FAILED = -1, ABSENT, ASKED, DENIED };

static int read_answer(const struct control_answer *a, struct sl ref, json_t **root_r)
{
    struct pg_err err = {0};
    struct pg_buf why;

    if (a->status == 404 || a->status == 403) {
        return a->status == 404 ? ABSENT : DENIED;
    }
    pg_buf_init(&why, PRINT_BYTES_MAX);
    if (a->status != 200) {
        control_put_error(a, &why);
    } else if (pg_json_parse(pg_buf_sl(&a->body), PG_E_UPSTREAM_WRONG, root_r, &err) < 0) {
        (void)pg_buf_put(&why, sl_str(err.msg));
    }
    if (why.n > 0) {
        (void)print_failure(SL_FMT ": " SL_FMT, SL_ARG(ref), SL_ARG(pg_buf_sl(&why)));
    }
    int rc = why.n > 0 ? FAILED : ASKED;
    pg_buf_free(&why);
    pg_err_clear(&err);
    return rc;
}

/* ASKED: *root_r; ABSENT: there is no such thing; DENIED; FAILED: it was said why. */
static int ask(struct retiring *r, const char *method, const char *path, struct sl ref,
               json_t **root_r)
{
    struct control_answer a = {0};
    struct pg_buf whole;

    pg_buf_init(&whole, PRINT_BYTES_MAX);
    (void)pg_buf_put(&whole, sl_str(path));
    control_put_word(&whole, ref);
    (void)pg_buf_put(&whole, (struct sl){"", 1});
    const struct control_question q = {method, whole.p, NULL, WAIT_MS};
    int rc =
        control_ask(&r->control, &q, &a) == COMMAND_GOOD ? read_answer(&a, ref, root_r) : FAILED;
    pg_buf_free(&whole);
    control_answer_free(&a);
    return rc;
}

static struct sl ref_of(const struct image *image, struct sl tag, char *out)
{
    char digest[DIGEST_TEXT_MAX];
    int n = tag.n > 0 ? snprintf(out, REF_MAX, SL_FMT ":" SL_FMT, SL_ARG(image->repo), SL_ARG(tag))
                      : snprintf(out, REF_MAX, SL_FMT "@" SL_FMT, SL_ARG(image->repo),
                                 SL_ARG(digest_write(&image->digest, digest)));

    PG_CHECK(n > 0 && (size_t)n < REF_MAX);
    return (struct sl){out, (size_t)n};
}

/* The row of the one object that was asked for; NULL: none. */
static const json_t *only_row(const json_t *root, const char *list)
{
    return json_array_get(json_object_get(root, list), 0);
}

/* 1: pulled since the plan was made; 0: not, or it is gone; -1. */
static int was_pulled(struct retiring *r, const struct image *image)
{
    _json_ json_t *root = NULL;
    char ref[REF_MAX];
    int64_t last_s = 0;
    int rc = ask(r, "GET", "/api/v1/manifests?n=1&ref=", ref_of(image, SL(""), ref), &root);

    if (rc != ASKED) {
        return rc == ABSENT ? 0 : -1;
    }
    return moment_parse(pg_json_str(only_row(root, "manifests"), "last_pull"), &last_s) &&
           last_s > image->pulled_s;
}

/* It, or one of its children. */
static int was_used(struct retiring *r, size_t i)
{
    int rc = was_pulled(r, r->plan.rows[i].image);

    for (const struct graph_edge *e = r->plan.graph.nodes[i].children; e != NULL && rc == 0;
         e = e->next) {
        rc = was_pulled(r, e->to->image);
    }
    return rc;
}

/* 1: it is what it was; 0: it moved, or is gone; -1. */
static int is_same_tag(struct retiring *r, const struct image *image, struct sl tag)
{
    _json_ json_t *root = NULL;
    char ref[REF_MAX], digest[DIGEST_TEXT_MAX];
    int rc = ask(r, "GET", "/api/v1/tags?n=1&ref=", ref_of(image, tag, ref), &root);

    if (rc != ASKED) {
        return rc == ABSENT ? 0 : -1;
    }
    return sl_eq(pg_json_str(only_row(root, "tags"), "digest"),
                 digest_write(&image->digest, digest));
}

static int purge(struct retiring *r, const struct image *image, struct sl tag)
{
    _json_ json_t *root = NULL;
    char ref[REF_MAX];
    int rc = ask(r, "POST", "/api/v1/purge?dry_run=0&ref=", ref_of(image, tag, ref), &root);

    if (rc == ASKED) {
        r->bytes += (uint64_t)json_integer_value(json_object_get(root, "bytes"));
    }
    return rc;
}

/* ---- doing it ------------------------------------------------------------------------------ */

/* ASKED: gone; DENIED: something names it by now; FAILED. A tag that moved is not its any more. */
static int remove_image(struct retiring *r, const struct image *image)
{
    for (size_t i = 0; i < image->ntags; i++) {
        int same = is_same_tag(r, image, image->tags[i]);
        if (same < 0 || (same > 0 && purge(r, image, image->tags[i]) == FAILED)) {
            return FAILED;
        }
    }
    int gone = purge(r, image, SL(""));
    return gone == ABSENT ? ASKED : gone; /* it went with its last tag, or with its index */
}

static void pause_between(const struct retiring *r)
{
    const struct timespec each = {.tv_sec = r->rate == 1,
                                  .tv_nsec = SECOND_NS / r->rate % SECOND_NS};

    (void)nanosleep(&each, NULL);
}

static void retire(struct retiring *r, size_t i)
{
    const struct image *image = r->plan.rows[i].image;
    int used = was_used(r, i);

    if (used > 0) {
        r->changed++;
        tell(r, image, "was pulled since the plan was made: it stays");
        return;
    }
    int gone = used == 0 ? remove_image(r, image) : FAILED;
    if (gone == ASKED) {
        r->removed++;
        tell(r, image, "removed");
    } else if (gone == DENIED) {
        r->changed++;
        tell(r, image, "something names it since the plan was made: it stays");
    } else {
        r->failed++;
    }
    pause_between(r);
}

/* Indexes before their children, which are theirs for as long as they are there. */
static int carry_out(struct retiring *r)
{
    if (r->args->json && print_out(SL("{\"images\":[")) < 0) {
        return COMMAND_CANNOT;
    }
    for (int children = 0; children < 2; children++) {
        for (size_t i = 0; i < r->plan.nrows && r->failed < FEW; i++) {
            const struct plan_row *row = &r->plan.rows[i];
            if (row->goes && (row->why == PLAN_CHILD) == (children == 1)) {
                retire(r, i);
            }
        }
    }
    return print_sum(r);
}

static int plan_and_do(struct retiring *r, struct ruleset *rules)
{
    int64_t now_s = pg_clock_wall_s();

    rules->capacity = r->stock.load.config.storage_max_size;
    plan_make(rules, r->stock.inventory.images, r->stock.inventory.n, now_s, &r->plan);
    int rc = check_clock(r, now_s);
    rc = rc == COMMAND_GOOD ? check_share(r) : rc;
    rc = rc == COMMAND_GOOD ? control_open(r->args, CONTROL_CHANGE, &r->control) : rc;
    if (rc == COMMAND_GOOD) {
        rc = carry_out(r);
    }
    control_close(&r->control);
    plan_free(&r->plan);
    return rc;
}

int retire_run(const struct command_args *args)
{
    _ruleset_ struct ruleset *rules = NULL;
    struct retiring r = {.args = args};

    if (args->retention.rules == NULL) {
        return print_failure("retention apply needs --rules FILE");
    }
    int rc = read_rate(&r);
    rc = rc == COMMAND_GOOD ? retention_load(args->retention.rules, &rules) : rc;
    if (rc != COMMAND_GOOD) {
        return rc;
    }
    rc = stock_open(args, &r.stock);
    if (rc == COMMAND_GOOD) {
        rc = plan_and_do(&r, rules);
    }
    stock_close(&r.stock);
    return rc;
}
