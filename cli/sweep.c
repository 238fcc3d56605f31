/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sweep.h"

#include <time.h>
#include <unistd.h>

#include "base/size.h"
#include "cli/control.h"
#include "cli/print.h"

#define LOOK_MS 200 /* how often the server is asked how far it is */

static uint64_t number(const json_t *o, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(o, name));

    return n > 0 ? (uint64_t)n : 0;
}

static int ask(struct control *c, const char *method, const char *path, json_t **root_r)
{
    const struct control_question q = {method, path, NULL, 0};

    return control_ask_json(c, &q, NULL, root_r);
}

/* ---- text ---------------------------------------------------------------------------------- */

static void put_run(const json_t *run, struct pg_buf *out)
{
    struct sl result = pg_json_str(run, "result");

    (void)pg_buf_printf(out, "run %llu (", (unsigned long long)number(run, "number"));
    print_put_safe(pg_json_str(run, "why"), out);
    (void)pg_buf_put(out, SL("), "));
    print_put_safe(pg_json_str(run, "began"), out);
    (void)pg_buf_printf(out, ": %llu of %llu manifests were to go, %llu removed, ",
                        (unsigned long long)number(run, "going"),
                        (unsigned long long)number(run, "manifests"),
                        (unsigned long long)number(run, "removed"));
    pg_size_put(out, number(run, "bytes"));
    (void)pg_buf_printf(out, " freed, %llu stay after all, %llu failed",
                        (unsigned long long)number(run, "spared"),
                        (unsigned long long)number(run, "failed"));
    if (result.n == 0) {
        (void)pg_buf_put(out, SL("; it goes on\n"));
    } else if (sl_eq(result, SL("ok"))) {
        (void)pg_buf_put(out, SL("\n"));
    } else {
        (void)pg_buf_put(out, SL("; "));
        print_put_safe(result, out);
        (void)pg_buf_put(out, SL("\n"));
    }
}

static void put_state(const json_t *root, struct pg_buf *out)
{
    const json_t *run = json_object_get(root, "run");
    struct sl rules = pg_json_str(root, "rules"), next = pg_json_str(root, "next");

    if (rules.n == 0) {
        (void)pg_buf_put(out, SL("no rules are configured: retention: {rules: FILE}\n"));
        return;
    }
    (void)pg_buf_put(out, SL("rules of "));
    print_put_safe(rules, out);
    (void)pg_buf_put(out, SL(": "));
    print_put_safe(pg_json_str(root, "state"), out);
    (void)pg_buf_put(out, SL("; next run "));
    print_put_safe(next.n > 0 ? next : SL("when it is asked for"), out);
    (void)pg_buf_put(out, SL("\n"));
    if (json_is_object(run)) {
        put_run(run, out);
    }
}

static int print_state(const struct command_args *args, const json_t *root)
{
    struct pg_buf out;

    pg_buf_init(&out, PRINT_BYTES_MAX);
    if (args->json) {
        char *text = json_dumps(root, JSON_COMPACT);
        PG_CHECK(text != NULL);
        (void)pg_buf_printf(&out, "%s\n", text);
        free(text);
    } else {
        put_state(root, &out);
    }
    int rc = print_out(pg_buf_sl(&out)) < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
    pg_buf_free(&out);
    return rc;
}

/* ---- now ----------------------------------------------------------------------------------- */

static bool is_over(const json_t *root, uint64_t run)
{
    const json_t *last = json_object_get(root, "run");
    uint64_t n = number(last, "number");

    return n > run || (n == run && pg_json_str(last, "result").n > 0);
}

static void show_progress(const struct command_args *args, const json_t *root)
{
    const json_t *run = json_object_get(root, "run");

    if (!args->json && isatty(STDERR_FILENO) == 1) {
        (void)dprintf(STDERR_FILENO, "\r%llu of %llu removed \r",
                      (unsigned long long)number(run, "removed"),
                      (unsigned long long)number(run, "going"));
    }
}

/* Until that run has ended. Who leaves earlier ends nothing. */
static int follow(const struct command_args *args, struct control *c, uint64_t run)
{
    const struct timespec look = {.tv_nsec = LOOK_MS * 1000000L};

    for (;;) {
        _json_ json_t *root = NULL;
        int rc = ask(c, "GET", "/api/v1/retention", &root);
        if (rc != COMMAND_GOOD) {
            return rc;
        }
        if (is_over(root, run)) {
            rc = print_state(args, root);
            bool ok = sl_eq(pg_json_str(json_object_get(root, "run"), "result"), SL("ok"));
            return rc == COMMAND_GOOD && !ok ? COMMAND_FOUND : rc;
        }
        show_progress(args, root);
        (void)nanosleep(&look, NULL);
    }
}

static int sweep(const struct command_args *args, struct control *c)
{
    _json_ json_t *root = NULL;
    int rc = args->retention.now ? ask(c, "POST", "/api/v1/gc", &root)
                                 : ask(c, "GET", "/api/v1/retention", &root);

    if (rc != COMMAND_GOOD) {
        return rc;
    }
    return args->retention.now ? follow(args, c, number(root, "run")) : print_state(args, root);
}

int sweep_run(const struct command_args *args)
{
    struct control c;
    int rc = control_open(args, CONTROL_CHANGE, &c);

    if (rc == COMMAND_GOOD) {
        rc = sweep(args, &c);
    }
    control_close(&c);
    return rc;
}
