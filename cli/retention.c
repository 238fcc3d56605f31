/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/retention.h"

#include <string.h>

#include "base/clock.h"
#include "base/reading.h"
#include "cli/input.h"
#include "cli/print.h"
#include "cli/stock.h"
#include "retention/import.h"
#include "retention/lint.h"
#include "retention/plan.h"
#include "retention/tell.h"

#define PLAN_BYTES_MAX ((size_t)1 << 30)
#define DEPTH          8

/* In whatever form. */
static int load_rules(const char *file, bool lenient, struct ruleset **rules_r)
{
    struct pg_err err = {0};
    struct pg_buf text;
    enum import_form form;

    pg_buf_init(&text, RULESET_BYTES_MAX);
    int rc = input_read(file, &text, &err);
    rc = rc < 0 ? rc : import_load(file, pg_buf_sl(&text), lenient, rules_r, &form, &err);
    pg_buf_free(&text);
    return rc < 0 ? print_refusal(&err) : COMMAND_GOOD;
}

int retention_load(const char *file, struct ruleset **rules_r)
{
    return load_rules(file, false, rules_r);
}

static int print_buf(const struct pg_buf *out)
{
    if (out->over) {
        return print_failure("the answer is longer than %zu MiB", out->max >> 20);
    }
    return print_out(pg_buf_sl(out)) < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
}

/* ---- plan ---------------------------------------------------------------------------------- */

static int print_plan(const struct command_args *args, struct ruleset *rules, int64_t now_s)
{
    struct stock stock;
    struct plan plan;
    struct pg_buf out;

    int rc = stock_open(args, &stock);
    if (rc == COMMAND_GOOD) {
        PG_CHECK(rules != NULL);
        rules->capacity = stock.load.config.storage_max_size;
        plan_make(rules, stock.inventory.images, stock.inventory.n, now_s, &plan);
        pg_buf_init(&out, PLAN_BYTES_MAX);
        if (args->json) {
            tell_json(&plan, now_s, &out);
        } else if (args->retention.csv) {
            tell_csv(&plan, &out);
        } else {
            tell_text(&plan, !args->retention.all, &out);
        }
        rc = print_buf(&out);
        pg_buf_free(&out);
        plan_free(&plan);
    }
    stock_close(&stock);
    return rc;
}

int retention_plan(const struct command_args *args)
{
    _ruleset_ struct ruleset *rules = NULL;
    int64_t now_s = pg_clock_wall_s();

    if (args->retention.rules == NULL) {
        return print_failure("retention plan needs --rules FILE");
    }
    if (args->json && args->retention.csv) {
        return print_failure("one of --json and --csv");
    }
    if (args->retention.as_of != NULL &&
        reading_parse_date(sl_str(args->retention.as_of), &now_s) < 0) {
        return print_failure("--as-of %s is no date; such as 2026-12-31 or 2026-12-31T04:00:00Z",
                             args->retention.as_of);
    }
    int rc = load_rules(args->retention.rules, false, &rules);
    return rc == COMMAND_GOOD ? print_plan(args, rules, now_s) : rc;
}

/* ---- import and lint ------------------------------------------------------------------------ */

int retention_import(const struct command_args *args)
{
    _ruleset_ struct ruleset *rules = NULL;
    struct pg_buf out;

    if (args->noperands != 1) {
        return print_failure("retention import needs one FILE");
    }
    int rc = load_rules(args->operands[0], false, &rules);
    if (rc == COMMAND_GOOD) {
        pg_buf_init(&out, PRINT_BYTES_MAX);
        ruleset_put_all(rules, &out);
        rc = print_buf(&out);
        pg_buf_free(&out);
    }
    return rc;
}

struct listing {
    const char *file;
    bool json;
    size_t n;
    struct pg_buf out;
};

static void put_string(struct pg_buf *out, const char *key, const char *text)
{
    (void)pg_buf_printf(out, ",\"%s\":", key);
    (void)pg_buf_put_json(out, sl_str(text));
}

static void on_finding(void *arg, const struct lint_finding *f)
{
    struct listing *l = arg;

    if (l->json) {
        (void)pg_buf_printf(&l->out, "%s{\"line\":%u,\"column\":%u", l->n++ > 0 ? ",\n" : "\n",
                            f->at.line, f->at.col);
        put_string(&l->out, "message", f->what);
        put_string(&l->out, "instead", f->remedy);
        (void)pg_buf_put(&l->out, SL("}"));
        return;
    }
    l->n++;
    print_put_safe(sl_str(l->file), &l->out);
    (void)pg_buf_printf(&l->out, ":%u:%u: ", f->at.line, f->at.col);
    print_put_safe(sl_str(f->what), &l->out);
    (void)pg_buf_put(&l->out, SL("; instead: "));
    print_put_safe(sl_str(f->remedy), &l->out);
    (void)pg_buf_put(&l->out, SL("\n"));
}

int retention_lint(const struct command_args *args)
{
    _ruleset_ struct ruleset *rules = NULL;
    struct listing l = {.json = args->json};

    if (args->noperands != 1) {
        return print_failure("retention lint needs one FILE");
    }
    l.file = args->operands[0];
    int rc = load_rules(l.file, true, &rules);
    if (rules == NULL) {
        return rc;
    }
    pg_buf_init(&l.out, PRINT_BYTES_MAX);
    (void)pg_buf_put(&l.out, l.json ? SL("{\"findings\":[") : SL(""));
    (void)lint_rules(rules, pg_clock_wall_s(), on_finding, &l);
    if (l.json) {
        (void)pg_buf_put(&l.out, SL("]}\n"));
    } else if (l.n == 0) {
        print_put_safe(sl_str(l.file), &l.out);
        (void)pg_buf_printf(&l.out, ": nothing found in %zu rule%s\n", rules->nrules,
                            print_s(rules->nrules));
    }
    rc = print_buf(&l.out);
    pg_buf_free(&l.out);
    return rc == COMMAND_GOOD && l.n > 0 ? COMMAND_FOUND : rc;
}

/* ---- deps ---------------------------------------------------------------------------------- */

/* REPOSITORY:TAG, REPOSITORY@DIGEST, or REPOSITORY, which is its tag latest. */
static struct graph_node *find(struct graph *g, struct sl name)
{
    const char *sign = memchr(name.p, '@', name.n);
    const char *slash = memrchr(name.p, '/', name.n);
    size_t from = slash != NULL ? (size_t)(slash - name.p) : 0;
    const char *colon = memchr(name.p + from, ':', name.n - from);
    struct pg_err ignored = {0};
    struct digest d;

    if (sign != NULL) {
        size_t n = (size_t)(sign - name.p);
        int rc = digest_parse((struct sl){sign + 1, name.n - n - 1}, &d, &ignored);
        pg_err_clear(&ignored);
        return rc == 0 ? graph_find(g, (struct sl){name.p, n}, &d) : NULL;
    }
    if (colon == NULL) {
        return graph_find_tag(g, name, SL("latest"));
    }
    size_t n = (size_t)(colon - name.p);
    return graph_find_tag(g, (struct sl){name.p, n}, (struct sl){colon + 1, name.n - n - 1});
}

int retention_deps(const struct command_args *args)
{
    struct stock stock;
    struct graph graph;
    struct pg_buf out;

    if (args->noperands != 1) {
        return print_failure("deps needs one IMAGE, such as docker.io/library/debian:12");
    }
    int rc = stock_open(args, &stock);
    if (rc == COMMAND_GOOD) {
        graph_make(stock.inventory.images, stock.inventory.n, &graph);
        const struct graph_node *node = find(&graph, sl_str(args->operands[0]));
        pg_buf_init(&out, PRINT_BYTES_MAX);
        if (node == NULL) {
            rc = print_failure("%s is not in the store; pullgate ls shows what is",
                               args->operands[0]);
        } else {
            tell_tree(node, DEPTH, &out);
            rc = print_buf(&out);
        }
        pg_buf_free(&out);
        graph_free(&graph);
    }
    stock_close(&stock);
    return rc;
}
