/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/revoke.h"

#include <string.h>

#include "cli/control.h"
#include "cli/print.h"
#include "cli/table.h"

static bool is_named(const char *what)
{
    return strncmp(what, "key:", 4) == 0 || strncmp(what, "identity:", 9) == 0;
}

static int ask(struct control *c, const char *path, const char *what, const char *reason,
               json_t **root_r)
{
    struct pg_buf b;

    pg_buf_init(&b, PRINT_BYTES_MAX);
    (void)pg_buf_printf(&b, "%s?%s=", path, is_named(what) ? "what" : "ref");
    control_put_word(&b, sl_str(what));
    if (reason != NULL) {
        (void)pg_buf_put(&b, SL("&reason="));
        control_put_word(&b, sl_str(reason));
    }
    (void)pg_buf_put(&b, (struct sl){"", 1});
    const struct control_question q = {"POST", b.p, NULL, 0};
    int rc = control_ask_json(c, &q, what, root_r);
    pg_buf_free(&b);
    return rc;
}

static void put_json(const json_t *root, struct pg_buf *out)
{
    char *text = json_dumps(root, JSON_COMPACT);

    PG_CHECK(text != NULL);
    (void)pg_buf_printf(out, "%s\n", text);
    free(text);
}

static int print_one(const struct command_args *args, const json_t *root, const char *verb)
{
    struct pg_buf out;

    pg_buf_init(&out, PRINT_BYTES_MAX);
    if (args->json) {
        put_json(root, &out);
    } else {
        print_put_safe(pg_json_str(root, "what"), &out);
        (void)pg_buf_printf(&out, ": %s\n", verb);
    }
    int rc = print_out(pg_buf_sl(&out)) < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
    pg_buf_free(&out);
    return rc;
}

static int change(const struct command_args *args, const char *path, const char *verb)
{
    struct control c;
    int rc = control_open(args, CONTROL_CHANGE, &c);

    for (size_t i = 0; i < args->noperands && rc != COMMAND_CANNOT; i++) {
        _json_ json_t *root = NULL;
        int one = ask(&c, path, args->operands[i], args->change.reason, &root);
        one = one == COMMAND_GOOD ? print_one(args, root, verb) : one;
        rc = one == COMMAND_GOOD ? rc : one;
    }
    control_close(&c);
    return rc;
}

int revoke_run(const struct command_args *args)
{
    if (args->noperands == 0) {
        return print_failure("say what to revoke: sha256:DIGEST, key:ID, identity:NAME, or a "
                             "repository");
    }
    if (args->change.reason == NULL || args->change.reason[0] == '\0') {
        return print_failure("revoke needs --reason TEXT: whoever is refused will read it");
    }
    return change(args, "/api/v1/revoke", "revoked; it is refused from now on");
}

int revoke_undo(const struct command_args *args)
{
    if (args->noperands == 0) {
        return print_failure("say what is to be served again: as `pullgate revocations` shows it");
    }
    return change(args, "/api/v1/unrevoke", "not revoked any more");
}

static void put_table(const json_t *rows, struct pg_buf *out)
{
    const json_t *row;
    struct table t;
    size_t i;

    table_init(&t, 5);
    table_put(&t, SL("WHAT"));
    table_put(&t, SL("KIND"));
    table_put(&t, SL("WHEN"));
    table_put(&t, SL("BY"));
    table_put(&t, SL("REASON"));
    json_array_foreach(rows, i, row)
    {
        table_put(&t, pg_json_str(row, "what"));
        table_put(&t, pg_json_str(row, "kind"));
        table_put(&t, pg_json_str(row, "when"));
        table_put(&t, pg_json_str(row, "by"));
        table_put(&t, pg_json_str(row, "reason"));
    }
    table_print(&t, "", out);
    table_free(&t);
}

int revoke_list(const struct command_args *args)
{
    const struct control_question q = {"GET", "/api/v1/revocations", NULL, 0};
    _json_ json_t *root = NULL;
    struct control c;
    struct pg_buf out;
    int rc = control_open(args, CONTROL_CHANGE, &c);

    rc = rc != COMMAND_GOOD ? rc : control_ask_json(&c, &q, NULL, &root);
    control_close(&c);
    if (rc != COMMAND_GOOD) {
        return rc;
    }
    pg_buf_init(&out, PRINT_BYTES_MAX);
    if (args->json) {
        put_json(root, &out);
    } else {
        put_table(json_object_get(root, "revocations"), &out);
    }
    rc = print_out(pg_buf_sl(&out)) < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
    pg_buf_free(&out);
    return rc;
}
